"""What tests of several folders share: a small real model, trained once, and a registry that holds it."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pdm_platform.contract.states import STATES
from pdm_platform.core import novelty, training
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES
from pdm_platform.core.serving import ServingModel
from pdm_platform.core.training import TrainedModels, to_files
from pdm_platform.core.trees import OPSET
from pdm_platform.inference.loader import LoadedModel
from pdm_platform.stores.registry import Manifest, ManifestFacts, Registry
from tests.good_evidence import GOOD_METRICS
from tests.servers.influxd import influxd as influxd
from tests.small_fleet import FEW_TREES, steady_lives, together, wearing_lives

Registered = Callable[..., tuple[Registry, Manifest]]


@pytest.fixture(scope="session")
def small_models() -> TrainedModels:
    """Models that tell `channels_at` of a `small_fleet` apart, with few trees: 100 loads of many would take minutes."""
    lives = together([wearing_lives(), steady_lives()])
    with pytest.MonkeyPatch.context() as patched:
        for name in ("_LIFE_TREES", "_MODE_TREES", "_SENSOR_TREES"):
            patched.setattr(training, name, FEW_TREES)
        patched.setattr(novelty, "_TREES", 16)
        return training.train(lives, seed=1, progress=lambda _: None, settings=FEW_TREES)


@pytest.fixture(scope="session")
def small_model(small_models: TrainedModels) -> dict[str, bytes]:
    """The files of the small models, by name, as a version holds them."""
    return to_files(small_models)


@pytest.fixture(scope="session")
def served(small_model: dict[str, bytes]) -> ServingModel:
    """The small models as they are served."""
    return ServingModel.from_files(small_model)


@pytest.fixture(scope="session")
def loaded(served: ServingModel) -> LoadedModel:
    """The small models as the inference service has them."""
    return LoadedModel("v20260101T000000-00000000", served)


@pytest.fixture
def registered(small_model: dict[str, bytes], tmp_path: Path) -> Registered:
    """Registers the small model: `registered(root, note_txt=b"2", health_onnx=None)` adds a file, leaves one out."""

    def register(root: Path, facts: dict[str, Any] | None = None, **files: bytes | None) -> tuple[Registry, Manifest]:
        registry = Registry(root)
        staged = tmp_path / f"staged-{len(list(tmp_path.iterdir()))}"
        staged.mkdir()
        changed = {".".join(name.rsplit("_", 1)): data for name, data in files.items()}
        for name, content in {**small_model, **changed}.items():
            if content is not None:
                (staged / name).write_bytes(content)
        given: dict[str, Any] = {
            "feature_contract": FEATURE_CONTRACT,
            "feature_names": list(FEATURE_NAMES),
            "classes": [state.value for state in STATES],
            "libraries": {},
            "training_window": (0, 1),
            "data_fingerprint": "d" * 64,
            "metrics": dict(GOOD_METRICS),
            "parent_run": "run-1",
            "opset": dict(OPSET),
        }
        return registry, registry.register(staged, ManifestFacts(**{**given, **(facts or {})}))

    return register


# A shell has its background jobs ignore SIGINT. Dagster, run within a test, then has this process ignore SIGTERM as
# well, and so does every shell script that a later test starts and cannot stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
