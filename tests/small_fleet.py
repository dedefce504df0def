"""Small fleets of pumps that wear in known ways: what the models of tests are trained on."""

from dataclasses import fields, replace
from itertools import count
from typing import Final

import numpy as np

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.failure_modes import MODE_CLASSES, FailureMode
from pdm_platform.contract.states import state_index
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.core.features import PumpStates, fold
from pdm_platform.core.lives import Lives
from pdm_platform.core.states_table import FloatArray
from pdm_platform.core.trees import TreeSettings

T0_NS: Final = 1_700_000_000 * NS_PER_S
NEW_PUMP: Final = np.array([0.6, 0.6, 0.5, 0.985, 38.0, 4.2, 7.8, 2_850.0])
NOISE: Final = np.array([0.02, 0.02, 0.02, 0.03, 0.4, 0.03, 0.06, 4.0])
# what a pump shows at the end, by what wears it
WORN_PUMPS: Final = {
    FailureMode.BEARING_WEAR: np.array([5.0, 5.0, 4.0, 8.12, 70.0, 4.0, 8.4, 2_830.0]),
    FailureMode.IMPELLER_WEAR: np.array([1.2, 1.2, 1.0, 1.97, 42.0, 2.2, 7.0, 2_840.0]),
    FailureMode.WINDING_DEGRADATION: np.array([0.8, 0.8, 0.7, 1.33, 88.0, 4.1, 12.0, 2_780.0]),
}
WORN_PUMP: Final = WORN_PUMPS[FailureMode.BEARING_WEAR]
# seconds between readings, readings, lives
PLAN: Final = {"stress": (1, 120, 4), "accelerated": (2, 140, 4), "nominal": (10, 160, 4)}
FEW_TREES: Final = TreeSettings(max_iter=20, learning_rate=0.3, min_samples_leaf=20, max_features=1.0)


def channels_at(health_percent: float, mode: FailureMode = FailureMode.BEARING_WEAR) -> list[float]:
    """The eight channels of a pump between new (100 %) and worn out (0 %)."""
    worn = WORN_PUMPS[mode]
    return [float(value) for value in worn + (NEW_PUMP - worn) * health_percent / 100]


def one_life(
    draw: np.random.Generator,
    device: str,
    health: FloatArray,
    mode: FailureMode,
    *,
    interval_s: float = 1.0,
    fails: bool = True,
    frozen: str = "",
    heatwave: bool = False,
) -> Lives:
    """One life with this health at each reading, its features still the bare channels; see `folded`.

    frozen: a channel whose sensor freezes for a fifth of it.
    """
    readings = len(health)
    time_ns = T0_NS + (np.arange(readings) * interval_s * NS_PER_S).astype(np.int64)
    clean = np.array([channels_at(value, mode) for value in health]) * draw.uniform(0.98, 1.02, 8)
    channels = clean + NOISE * draw.standard_normal((readings, 8))
    sensor_fault, disturbance = np.full(readings, "", "<U32"), np.full(readings, "", "<U32")
    if heatwave:
        hot = slice(readings // 3, readings // 2)
        channels[hot, CHANNEL_NAMES.index("temperature")] += 15.0
        disturbance[hot] = "heatwave"
    if frozen:
        stuck = slice(2 * readings // 5, 3 * readings // 5)
        channels[stuck, CHANNEL_NAMES.index(frozen)] = channels[stuck.start, CHANNEL_NAMES.index(frozen)]
        sensor_fault[stuck] = f"{frozen}:freeze"
    left = (time_ns[-1] - time_ns) / NS_PER_HOUR
    return Lives(
        features=channels.astype(np.float32),
        state_index=state_index(health),
        health_percent=health,
        rul_hours=left if fails else np.full(readings, np.nan),
        time_ns=time_ns,
        device_ids=np.full(readings, device),
        mode_index=np.full(readings, MODE_CLASSES.index(mode) if fails else 0),
        sensor_fault=sensor_fault,
        disturbance=disturbance,
    )


def folded(lives: Lives) -> Lives:
    """Bare channels made into features, all pumps at once."""
    channels = lives.features.astype(np.float64)
    return replace(lives, features=fold(PumpStates(), lives.device_ids.tolist(), lives.time_ns, channels))


def together(parts: list[Lives]) -> Lives:
    """Several lives in one."""
    return Lives(
        **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Lives)}
    )


def wearing_lives(seed: int = 1, plan: dict[str, tuple[int, int, int]] | None = None) -> Lives:
    """Lives from new to failed, at all three speeds, of all three modes; some are disturbed, some sensors lie."""
    draw, number = np.random.default_rng(seed), count()
    modes, frozen = list(WORN_PUMPS), ("", "pressure", "temperature", "")
    parts = []
    for speed, (interval_s, readings, lives) in (plan or PLAN).items():
        for place in range(lives):
            turn = next(number)
            wear = np.linspace(0.0, 1.0, readings) ** draw.uniform(1.0, 1.5)
            life = one_life(
                draw,
                f"life-{speed}-{place}",
                100.0 * (1.0 - wear),
                modes[turn % len(modes)],
                interval_s=interval_s,
                frozen=frozen[turn % len(frozen)],
                heatwave=turn % 5 == 0,
            )
            parts.append(life)
    return folded(together(parts))


def steady_lives(readings: int = 25) -> Lives:
    """Pumps that stay as they are, so that a model can tell a state from levels alone, without a healthy start."""
    draw = np.random.default_rng(2)
    parts = [
        one_life(draw, f"steady-{mode}-{health:.0f}", np.full(readings, health), mode, fails=False)
        for mode in WORN_PUMPS
        for health in np.linspace(100.0, 0.0, 11)
    ]
    return folded(together(parts))
