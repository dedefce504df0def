"""Splitting by pump, weighting, training, and the conversion to ONNX."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.errors import TrainingError
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.core.serving import ServingModel
from pdm_platform.core.training import (
    Lives,
    TrainedModel,
    row_weights,
    speed_of,
    speeds_of,
    split_by_pump,
    to_onnx,
    train,
)

INTERVAL_S = {"stress": 1, "accelerated": 2, "nominal": 10}


def pumps(**counts: int) -> tuple[np.ndarray, np.ndarray]:
    """Device ids and times of lives of ten readings each, `counts` of every speed."""
    names = [(f"{speed}-{number}", speed) for speed, count in counts.items() for number in range(count)]
    devices = np.repeat([name for name, _ in names], 10)
    times = [np.arange(10) * INTERVAL_S[speed] * NS_PER_S for _, speed in names]
    return devices, np.concatenate(times)


def silent(_: str) -> None:
    return None


@pytest.mark.parametrize(("interval_s", "speed"), [(0.2, "stress"), (1, "stress"), (2, "accelerated"), (10, "nominal")])
def test_speed_follows_the_sampling_interval_and_ignores_a_gap(interval_s: float, speed: str) -> None:
    time_ns = (np.arange(20) * interval_s * NS_PER_S).astype(np.int64)
    time_ns[10:] += 3_600 * NS_PER_S

    assert speed_of(time_ns) == speed
    assert speed_of(time_ns[::-1]) == speed


def test_a_single_reading_counts_as_nominal() -> None:
    assert speed_of(np.array([5])) == "nominal"


def test_speeds_are_told_device_by_device_from_interleaved_rows() -> None:
    devices, time_ns = pumps(stress=1, nominal=1)
    mixed = np.argsort(time_ns, kind="stable")

    assert speeds_of(devices[mixed], time_ns[mixed]) == {"nominal-0": "nominal", "stress-0": "stress"}


@given(
    st.fixed_dictionaries({speed: st.integers(0, 9) for speed in INTERVAL_S}).filter(lambda c: max(c.values()) > 1),
    st.integers(0, 2**32),
    st.floats(0.05, 0.95),
)
def test_the_split_keeps_pumps_apart_and_every_speed_on_both_sides(
    counts: dict[str, int], seed: int, share: float
) -> None:
    devices, time_ns = pumps(**counts)

    seen, unseen = split_by_pump(devices, time_ns, unseen_share=share, seed=seed)

    assert not set(seen) & set(unseen)
    assert sorted(seen + unseen) == sorted(set(devices.tolist()))
    for speed, count in counts.items():
        sides = [any(device.startswith(speed) for device in side) for side in (seen, unseen)]
        assert sides == [count > 0, count > 1]


def test_the_same_seed_splits_alike_and_another_does_not() -> None:
    devices, time_ns = pumps(stress=20)

    assert split_by_pump(devices, time_ns, seed=1) == split_by_pump(devices, time_ns, seed=1)
    assert split_by_pump(devices, time_ns, seed=1) != split_by_pump(devices, time_ns, seed=2)
    assert len(split_by_pump(devices, time_ns, seed=1)[1]) == 6


@pytest.mark.parametrize("counts", [{"stress": 1}, {"stress": 1, "nominal": 1}])
def test_pumps_that_cannot_be_divided_are_refused_saying_how_many(counts: dict[str, int]) -> None:
    devices, time_ns = pumps(**counts)

    with pytest.raises(TrainingError, match=rf"{len(set(devices.tolist()))} pump\(s\)"):
        split_by_pump(devices, time_ns, seed=1)


def test_no_pump_at_all_is_refused() -> None:
    with pytest.raises(TrainingError, match=r"0 pump\(s\)"):
        split_by_pump(np.array([], dtype=str), np.array([], dtype=np.int64), seed=1)


def test_every_state_weighs_the_same_and_within_it_every_life(lives: Lives) -> None:
    weight = row_weights(lives)

    by_state = np.bincount(lives.state_index, weights=weight)
    healthy = [weight[(lives.device_ids == d) & (lives.state_index == 0)].sum() for d in np.unique(lives.device_ids)]
    assert by_state == pytest.approx(len(lives) / 4)
    assert healthy == pytest.approx([healthy[0]] * len(healthy))


def test_the_same_rows_and_seed_give_the_same_bytes(sides: tuple[Lives, Lives], onnx_files: dict[str, bytes]) -> None:
    again = to_onnx(train(sides[0], seed=1, progress=silent))

    assert again == onnx_files


def test_training_says_what_it_does(lives: Lives) -> None:
    said: list[str] = []

    train(lives.of(["life-stress-0"]), seed=1, progress=said.append)

    assert said == ["state classifier: 150 readings of 1 pumps", "health regressor"]


def test_readings_of_one_state_only_are_refused_naming_it(lives: Lives) -> None:
    healthy = lives.rows(np.flatnonzero(lives.state_index == 0))

    with pytest.raises(TrainingError, match=f"hold {len(healthy)} HEALTHY, but all of HEALTHY, WARNING"):
        train(healthy, seed=1, progress=silent)


def test_no_reading_is_refused(lives: Lives) -> None:
    with pytest.raises(TrainingError, match="hold no row at all"):
        train(lives.of([]), seed=1, progress=silent)


def test_a_sensor_that_no_pump_has_does_not_matter_at_serving(lives: Lives) -> None:
    features = lives.features.copy()
    features[:, 5] = np.nan
    onnx = to_onnx(train(replace(lives, features=features), seed=1, progress=silent))
    model = ServingModel.from_bytes(onnx["state.onnx"], onnx["health.onnx"])

    with_sensor, without = model.predict(lives.features), model.predict(features)

    assert np.array_equal(with_sensor.probabilities, without.probabilities)
    assert np.array_equal(with_sensor.health_percent, without.health_percent)


def test_onnx_agrees_with_the_estimators_on_nearly_every_reading(
    sides: tuple[Lives, Lives], model: TrainedModel, served: ServingModel
) -> None:
    features = sides[1].features.copy()
    features[::7, ::5] = np.nan

    output = served.predict(features)

    narrow = features.astype(np.float32)
    probability_gap = np.abs(output.probabilities - model.state.predict_proba(narrow)).max(axis=1)
    health = np.clip(model.health.predict(narrow), 0.0, 100.0)
    assert np.quantile(probability_gap, 0.99) < 1e-5
    assert np.quantile(np.abs(output.health_percent - health), 0.99) < 1e-3
