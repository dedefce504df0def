"""Small synthetic lives, and one model trained on some of them."""

from collections.abc import Callable

import numpy as np
import pytest

from pdm_platform.contract.states import state_index
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.core.features import PumpStates, fold
from pdm_platform.core.serving import ServingModel
from pdm_platform.core.training import Lives, TrainedModel, split_by_pump, to_onnx, train

NEW = np.array([0.6, 0.6, 0.5, 1.0, 38.0, 4.2, 7.8, 2_850.0])
WORN = np.array([4.0, 4.0, 3.0, 6.0, 60.0, 3.4, 9.0, 2_820.0])
NOISE = np.array([0.04, 0.04, 0.04, 0.05, 0.5, 0.05, 0.1, 4.0])
# seconds between readings, readings, lives
PLAN = {"stress": (1, 150, 8), "accelerated": (2, 300, 4), "nominal": (10, 500, 2)}


def _life(draw: np.random.Generator, device: str, interval_s: int, readings: int) -> Lives:
    wear = (np.arange(readings) / (readings - 1)) ** draw.uniform(1.2, 2.0)
    new = NEW * draw.uniform(0.95, 1.05, size=8)
    channels = new + wear[:, None] * (WORN - NEW) + NOISE * draw.standard_normal((readings, 8))
    time_ns = 1_700_000_000 * NS_PER_S + np.arange(readings) * interval_s * NS_PER_S
    health = 100.0 * (1.0 - wear)
    return Lives(
        features=fold(PumpStates(), [device] * readings, time_ns, channels),
        state_index=state_index(health),
        health_percent=health,
        rul_hours=(time_ns[-1] - time_ns) / NS_PER_HOUR,
        time_ns=time_ns,
        device_ids=np.array([device] * readings),
    )


def build_lives(seed: int = 1) -> Lives:
    """14 lives that run from new to failed, at all three speeds."""
    draw = np.random.default_rng(seed)
    parts = [
        _life(draw, f"life-{speed}-{number}", interval_s, readings)
        for speed, (interval_s, readings, count) in PLAN.items()
        for number in range(count)
    ]
    fields = ("features", "state_index", "health_percent", "rul_hours", "time_ns", "device_ids")
    return Lives(*(np.concatenate([getattr(part, field) for part in parts]) for field in fields))


@pytest.fixture(scope="session")
def lives_builder() -> Callable[[int], Lives]:
    return build_lives


@pytest.fixture(scope="session")
def lives() -> Lives:
    return build_lives()


@pytest.fixture(scope="session")
def sides(lives: Lives) -> tuple[Lives, Lives]:
    """The lives to train on, and those the model does not see."""
    seen, unseen = split_by_pump(lives.device_ids, lives.time_ns, seed=1)
    return lives.of(seen), lives.of(unseen)


@pytest.fixture(scope="session")
def model(sides: tuple[Lives, Lives]) -> TrainedModel:
    return train(sides[0], seed=1, progress=lambda _: None)


@pytest.fixture(scope="session")
def onnx_files(model: TrainedModel) -> dict[str, bytes]:
    return to_onnx(model)


@pytest.fixture(scope="session")
def served(onnx_files: dict[str, bytes]) -> ServingModel:
    return ServingModel.from_bytes(onnx_files["state.onnx"], onnx_files["health.onnx"])
