from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from pdm_platform.core import trees, wear_axes
from pdm_platform.core.signals import SignalSpec, SignalStates, columns_of, fold
from pdm_platform.core.wear_axes import VIEWS, FleetScale, OnWearAxes

SPEC = SignalSpec(("one", "two", "three"))
UNSCALED = FleetScale(SPEC.channels, np.zeros(3), np.ones(3))
HOUR_NS = 3_600 * 10**9


class States(SignalStates):
    SPEC = SPEC
    CONTRACT = SPEC.contract
    COLUMNS = columns_of(SPEC)


def folded(channels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return fold(States(), ["d"] * len(channels), np.arange(len(channels)) * HOUR_NS, channels)


def view(views: np.ndarray[Any, Any], name: str) -> np.ndarray[Any, Any]:
    start = VIEWS.index(name) * 3
    return views[:, start : start + 3]


def wearing(lives: int, seed: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Views of lives that wear along (1, 2, -1), and what is left of each."""
    draw, parts = np.random.default_rng(seed), []
    for _ in range(lives):
        wear = np.linspace(0.0, 3.0, 80)[:, None] ** 2 * np.array([1.0, 2.0, -1.0])
        parts.append(wear_axes.wear_views(folded(wear + draw.normal(0.0, 0.1, (80, 3))), SPEC, UNSCALED))
    return np.concatenate(parts), np.tile(np.arange(80.0)[::-1], lives)


def test_a_steady_machine_has_left_nothing_and_does_not_move() -> None:
    views = wear_axes.wear_views(folded(np.tile([5.0, -1.0, 2.0], (60, 1))), SPEC, UNSCALED)
    assert view(views, "short")[-1] == pytest.approx([5.0, -1.0, 2.0])
    assert view(views, "d_short") == pytest.approx(0.0, abs=1e-5)
    assert view(views, "rate_medium") == pytest.approx(0.0, abs=1e-5)


def test_rates_of_a_straight_drift_tell_its_slope_per_hour() -> None:
    drift = 0.25 * np.arange(400.0)[:, None] * np.array([1.0, 0.0, -2.0])
    views = wear_axes.wear_views(folded(drift), SPEC, UNSCALED)
    for name in ("rate_short", "rate_medium", "rate_baseline"):
        assert view(views, name)[-1] == pytest.approx([0.25, 0.0, -0.5], rel=0.05), name


def test_the_age_is_the_last_column() -> None:
    views = wear_axes.wear_views(folded(np.zeros((10, 3))), SPEC, UNSCALED)
    assert views.shape == (10, 9 * 3 + 1)
    assert views[:, -1].tolist() == list(range(10))


def test_a_quantity_that_was_never_measured_counts_as_the_mean_of_the_fleet() -> None:
    channels = np.full((40, 3), 2.0)
    channels[:, 1] = np.nan
    views = wear_axes.wear_views(folded(channels), SPEC, FleetScale(SPEC.channels, np.ones(3), np.ones(3)))
    assert np.isfinite(views).all()
    assert view(views, "short")[-1].tolist() == [1.0, 0.0, 1.0]


def test_the_scale_of_a_fleet_is_that_of_its_readings() -> None:
    channels = np.random.default_rng(1).normal([3.0, 0.0, 7.0], [2.0, 1.0, 0.0], (500, 3))
    scale = wear_axes.fleet_scale(folded(channels), SPEC, SPEC.channels)
    assert scale.mean == pytest.approx(channels.mean(axis=0), rel=1e-4, abs=1e-4)
    assert scale.sd[:2] == pytest.approx(channels[:, :2].std(axis=0), rel=1e-4)
    assert scale.sd[2] == pytest.approx(1.0)


def test_a_scale_of_an_unknown_quantity_is_refused() -> None:
    with pytest.raises(ValueError, match="four"):
        wear_axes.fleet_scale(folded(np.zeros((3, 3))), SPEC, ["four"])


def test_the_first_axis_is_the_direction_of_wear() -> None:
    views, left = wearing(4, seed=2)
    model = OnWearAxes(1, trees.regressor(trees.TreeSettings(), 0)).fit(views, left)
    assert np.abs(model.components[0]) == pytest.approx(np.abs(np.array([1.0, 2.0, -1.0])) / 6**0.5, abs=0.02)
    assert model.components[0, 1] > 0.0  # the largest part points up


def test_more_axes_than_quantities_are_as_many_as_quantities() -> None:
    views, left = wearing(2, seed=3)
    model = OnWearAxes(9, trees.regressor(trees.TreeSettings(), 0)).fit(views, left)
    assert model.components.shape == (3, 3)


def test_the_model_in_onnx_says_what_it_says_here() -> None:
    from sklearn.ensemble import ExtraTreesRegressor

    views, left = wearing(6, seed=4)
    forest = ExtraTreesRegressor(30, min_samples_leaf=5, random_state=0)
    model = OnWearAxes(2, forest).fit(views, left, sample_weight=np.ones(len(left)))
    unseen, _ = wearing(4, seed=5)

    proto = trees.to_onnx("life", model.exportable(), unseen.shape[1], {"made": "here"})
    session = ort.InferenceSession(proto, providers=["CPUExecutionProvider"])
    served = session.run(["variable"], {"features": unseen})[0][:, 0]

    # a row on a split may go the other way in float32, a few of 30 trees at most
    off = np.abs(served - model.predict(unseen))
    assert np.quantile(off, 0.99) < 0.01
    assert off.max() < 5.0
