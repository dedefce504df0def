"""The loader serves what the manifest vouches for, and keeps what it has where the new version does not fit."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdm_platform.contract.errors import IntegrityError
from pdm_platform.core.serving import ServingModel, ServingOutput
from pdm_platform.inference.loader import ModelLoader, load
from pdm_platform.stores.registry import Manifest, Registry

Registered = Callable[..., tuple[Registry, Manifest]]
WHO_AND_WHY: dict[str, Any] = {"actor": "ana", "reason": "a test"}
NOW_NS = 1_800_000_000 * 10**9


class Opens:
    """A pickle that leaves a marker when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self._marker), "w"))


def flip(path: Path, content: bytes | None = None) -> bytes:
    """Change one byte of a version's file, or put `content` there; returns what was there before."""
    before = path.read_bytes()
    path.parent.chmod(0o755)
    path.chmod(0o644)
    path.write_bytes(content or bytes([before[0] ^ 1]) + before[1:])
    return before


def serving_one_beside_a_newer(
    folder: Path, registered: Registered
) -> tuple[Registry, ModelLoader, Manifest, Manifest]:
    """A loader that serves a version, and another one that has been promoted since."""
    registry, old = registered(folder / "registry")
    _, new = registered(folder / "registry", note_txt=b"2")
    loader = ModelLoader(registry)
    registry.promote(old.version, **WHO_AND_WHY)
    loader.follow(NOW_NS)
    registry.promote(new.version, **WHO_AND_WHY)
    return registry, loader, old, new


def test_before_the_first_promotion_there_is_nothing_to_load(tmp_path: Path) -> None:
    loader = ModelLoader(Registry(tmp_path))

    assert loader.follow(NOW_NS) is None
    assert loader.current is None


def test_a_promoted_version_is_taken_once_and_announced(tmp_path: Path, registered: Registered) -> None:
    registry, manifest = registered(tmp_path / "registry")
    loader = ModelLoader(registry)
    registry.promote(manifest.version, **WHO_AND_WHY)

    first, second = loader.follow(NOW_NS), loader.follow(NOW_NS)

    assert first is not None
    assert (first.version, first.loaded, first.serving) == (manifest.version, True, manifest.version)
    assert first.at == "2027-01-15T08:00:00.000000Z"
    assert second is None
    assert loader.current is not None
    assert loader.current.version == manifest.version


def test_a_version_with_one_byte_changed_is_refused_once_and_the_old_one_serves(
    tmp_path: Path, registered: Registered
) -> None:
    registry, loader, old, new = serving_one_beside_a_newer(tmp_path, registered)
    flip(registry.folder(new.version) / "health.onnx")

    status, again = loader.follow(NOW_NS), loader.follow(NOW_NS)

    assert status is not None
    assert (status.version, status.loaded, status.serving) == (new.version, False, old.version)
    assert "health.onnx" in status.reason
    assert "SHA-256" in status.reason
    assert again is None
    assert loader.current is not None
    assert loader.current.version == old.version


def test_a_version_that_is_restored_after_it_was_refused_is_taken(tmp_path: Path, registered: Registered) -> None:
    registry, manifest = registered(tmp_path / "registry")
    registry.promote(manifest.version, **WHO_AND_WHY)
    path = registry.folder(manifest.version) / "state.onnx"
    before = flip(path)
    loader = ModelLoader(registry)
    refused = loader.follow(NOW_NS)

    flip(path, before)
    taken = loader.follow(NOW_NS)

    assert refused is not None
    assert taken is not None
    assert (refused.loaded, refused.serving, taken.loaded) == (False, "", True)


def test_a_version_that_served_before_tells_again_what_it_told(tmp_path: Path, registered: Registered) -> None:
    registry, old = registered(tmp_path / "registry")
    _, new = registered(tmp_path / "registry", note_txt=b"2")
    registry.promote(new.version, **WHO_AND_WHY)
    loader = ModelLoader(registry)
    loader.follow(NOW_NS)

    former, current = loader.of_version(old.version), loader.of_version(new.version)

    assert former is not None
    assert (former.version, loader.of_version(old.version)) == (old.version, former)
    assert current is loader.current
    assert loader.of_version("v20200101T000000-00000000") is None


def test_a_version_that_fails_in_a_way_nobody_thought_of_is_refused_and_the_old_one_serves(
    tmp_path: Path, registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, loader, old, _ = serving_one_beside_a_newer(tmp_path, registered)

    def fails(*_: object) -> None:
        raise RuntimeError("no memory for a tensor")

    monkeypatch.setattr(ServingModel, "predict", fails)
    status = loader.follow(NOW_NS)

    assert status is not None
    assert (status.loaded, status.serving, status.reason) == (False, old.version, "no memory for a tensor")


def test_a_rollback_brings_the_old_version_back(tmp_path: Path, registered: Registered) -> None:
    registry, old = registered(tmp_path / "registry")
    _, new = registered(tmp_path / "registry", note_txt=b"2")
    loader = ModelLoader(registry)
    for version in (old.version, new.version):
        registry.promote(version, **WHO_AND_WHY)
        loader.follow(NOW_NS)

    registry.rollback(**WHO_AND_WHY)
    status = loader.follow(NOW_NS)

    assert status is not None
    assert (status.loaded, status.serving) == (True, old.version)


@pytest.mark.parametrize(
    ("difference", "reason"),
    [
        ({"facts": {"feature_contract": "f" * 64}}, "feature contract ffffffffffff"),
        ({"facts": {"classes": ["GOOD", "BAD"]}}, "not the contract's states"),
        ({"health_onnx": None}, "the health model cannot be served: it is missing"),
        ({"novelty_onnx": None}, "the novelty model cannot be served: it is missing"),
        ({"serving_json": None}, "the serving.json model cannot be served"),
        ({"serving_json": b"{}"}, "the serving.json model cannot be served"),
        ({"state_onnx": b"not a model"}, "ONNX Runtime cannot load it"),
    ],
)
def test_a_version_that_does_not_fit_this_code_is_refused_with_the_reason(
    tmp_path: Path, registered: Registered, difference: dict[str, Any], reason: str
) -> None:
    registry, manifest = registered(tmp_path / "registry", **difference)
    registry.promote(manifest.version, **WHO_AND_WHY)
    loader = ModelLoader(registry)

    status = loader.follow(NOW_NS)

    assert status is not None
    assert not status.loaded
    assert reason in status.reason
    assert loader.current is None


def test_a_pointer_that_cannot_be_read_leaves_the_model_serving(tmp_path: Path, registered: Registered) -> None:
    registry, manifest = registered(tmp_path / "registry")
    registry.promote(manifest.version, **WHO_AND_WHY)
    loader = ModelLoader(registry)
    loader.follow(NOW_NS)
    (tmp_path / "registry" / "production.json").write_bytes(b'{"version": "v2026')

    status = loader.follow(NOW_NS)

    with pytest.raises(IntegrityError):
        registry.production()
    assert status is None
    assert loader.current is not None


@pytest.mark.parametrize("field", ["probabilities", "health_percent", "novelty"])
def test_a_model_that_answers_with_nan_is_refused(
    tmp_path: Path, registered: Registered, monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    registry, manifest = registered(tmp_path / "registry")
    pointer = registry.promote(manifest.version, **WHO_AND_WHY)
    predict = ServingModel.predict

    def nothing(model: ServingModel, features: np.ndarray) -> ServingOutput:
        said = predict(model, features)
        return said._replace(**{field: np.full_like(getattr(said, field), np.nan)})

    monkeypatch.setattr(ServingModel, "predict", nothing)

    with pytest.raises(IntegrityError, match="answers with NaN"):
        load(registry, pointer)


def test_a_model_of_raw_channels_that_answers_with_nan_is_refused_where_it_is_asked(
    tmp_path: Path, registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry, manifest = registered(tmp_path / "registry")
    pointer = registry.promote(manifest.version, **WHO_AND_WHY)
    nothing = np.full((1, 4), np.nan), np.full(1, np.nan)
    monkeypatch.setattr(ServingModel, "predict_raw", lambda _model, _channels: nothing)

    with pytest.raises(IntegrityError, match="answers with NaN"):
        load(registry, pointer, simple=True)
    assert load(registry, pointer).version == manifest.version


@pytest.mark.parametrize("missing", ["raw_state", "raw_health"])
def test_a_version_without_models_of_raw_channels_is_served_in_full_and_refused_in_simple(
    tmp_path: Path, registered: Registered, missing: str
) -> None:
    registry, manifest = registered(tmp_path / "registry", **{f"{missing}_onnx": None})
    registry.promote(manifest.version, **WHO_AND_WHY)

    full, simple = (ModelLoader(registry, simple=simple).follow(NOW_NS) for simple in (False, True))

    assert full is not None
    assert full.loaded
    assert simple is not None
    assert not simple.loaded
    assert f"the {missing} model cannot be served: this version has none" in simple.reason


def test_a_pickle_beside_the_model_is_hashed_but_never_opened(tmp_path: Path, registered: Registered) -> None:
    marker = tmp_path / "opened"
    registry, manifest = registered(tmp_path / "registry", pipeline_joblib=pickle.dumps(Opens(marker)))
    registry.promote(manifest.version, **WHO_AND_WHY)

    status = ModelLoader(registry).follow(NOW_NS)

    assert status is not None
    assert status.loaded
    assert "pipeline.joblib" in manifest.files
    assert not marker.exists()
    pickle.loads(pickle.dumps(Opens(marker))).close()
    assert marker.exists()
