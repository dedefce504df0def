"""What tests of several folders share: a small real model, trained once, and a registry that holds it."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pdm_platform.contract.states import STATES, state_index
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES, PumpStates, fold
from pdm_platform.core.serving import ServingModel
from pdm_platform.core.training import OPSET, Lives, to_onnx, train
from pdm_platform.inference.loader import LoadedModel
from pdm_platform.stores.registry import Manifest, ManifestFacts, Registry
from tests.servers.influxd import influxd as influxd

NEW_PUMP = np.array([0.6, 0.6, 0.5, 1.0, 38.0, 4.2, 7.8, 2_850.0])
WORN_PUMP = np.array([5.0, 5.0, 4.0, 8.1, 70.0, 3.0, 9.5, 2_780.0])
Registered = Callable[..., tuple[Registry, Manifest]]


def channels_at(health_percent: float) -> list[float]:
    """The eight channels of a pump between new (100 %) and worn out (0 %)."""
    return [float(value) for value in WORN_PUMP + (NEW_PUMP - WORN_PUMP) * health_percent / 100]


def small_lives(*, lives: int = 4, readings: int = 80) -> Lives:
    """Pumps that wear in a straight line, and pumps that stay as they are, so that the level itself tells the state."""
    draw = np.random.default_rng(1)
    wearing, steady = np.linspace(100.0, 0.0, readings), np.repeat(np.linspace(100.0, 0.0, 21), 20)
    health = np.concatenate([np.tile(wearing, lives), steady])
    devices = np.repeat([f"life-{number}" for number in range(lives + 21)], [readings] * lives + [20] * 21)
    time_ns = 10**18 + np.arange(len(health), dtype=np.int64) * 10**9
    channels = np.array([channels_at(value) for value in health]) * draw.normal(1.0, 0.005, (len(health), 8))
    features = fold(PumpStates(), devices.tolist(), time_ns, channels)
    return Lives(features, state_index(health), health, np.full(len(health), np.nan), time_ns, devices)


@pytest.fixture(scope="session")
def small_model() -> dict[str, bytes]:
    """`state.onnx` and `health.onnx` of a model that tells `channels_at` apart."""
    return to_onnx(train(small_lives(), seed=1, progress=lambda _text: None))


@pytest.fixture(scope="session")
def loaded(small_model: dict[str, bytes]) -> LoadedModel:
    """The small model as the inference service has it."""
    model = ServingModel.from_bytes(small_model["state.onnx"], small_model["health.onnx"])
    return LoadedModel("v20260101T000000-00000000", model)


@pytest.fixture
def registered(small_model: dict[str, bytes], tmp_path: Path) -> Registered:
    """Registers the small model: `registered(root, note_txt=b"2", health_onnx=None)` adds a file, leaves one out."""

    def register(root: Path, facts: dict[str, Any] | None = None, **files: bytes | None) -> tuple[Registry, Manifest]:
        registry = Registry(root)
        staged = tmp_path / f"staged-{len(list(tmp_path.iterdir()))}"
        staged.mkdir()
        for name, content in {**small_model, **{name.replace("_", "."): data for name, data in files.items()}}.items():
            if content is not None:
                (staged / name).write_bytes(content)
        given: dict[str, Any] = {
            "feature_contract": FEATURE_CONTRACT,
            "feature_names": list(FEATURE_NAMES),
            "classes": [state.value for state in STATES],
            "libraries": {},
            "training_window": (0, 1),
            "data_fingerprint": "d" * 64,
            "metrics": {"macro_f1": 0.9, "baseline_macro_f1": 0.5, "health_mae_percent": 5.0, "unseen_pumps": 8.0},
            "parent_run": "run-1",
            "opset": dict(OPSET),
        }
        return registry, registry.register(staged, ManifestFacts(**{**given, **(facts or {})}))

    return register


# A shell has its background jobs ignore SIGINT. Dagster, run within a test, then has this process ignore SIGTERM as
# well, and so does every shell script that a later test starts and cannot stop.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
