"""Lives that fall in a straight line, told right until a test changes something."""

from dataclasses import replace
from typing import Any

import numpy as np

from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.contract.states import STATES, State, state_index
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.core.judgement.costs import Ages
from pdm_platform.core.judgement.leaks import Leak
from pdm_platform.core.judgement.training_facts import Training
from pdm_platform.core.judgement.verdicts import Told, Truth, Verdicts, retold, verdicts_of

HEALTHY, WARNING, FAULTY, BROKEN = range(4)
START_NS = 10**18


def life(
    device: str = "a", *, readings: int = 100, interval_s: float = 3_600.0, wearing: bool = True, mode: int = 1
) -> Verdicts:
    """One life from 100 to 0 % (or at 100 % throughout), with truth told. Its failure is its first BROKEN reading."""
    health = np.linspace(100.0, 0.0, readings) if wearing else np.full(readings, 100.0)
    time_ns = START_NS + (np.arange(readings) * interval_s * NS_PER_S).astype(np.int64)
    states = state_index(health)
    truth = Truth.of(
        states,
        health,
        mode_index=np.full(readings, mode if wearing else 0),
        rul_hours=hours_left(time_ns, states),
        wearing=np.full(readings, wearing),
    )
    told = Told.of(
        np.eye(len(STATES))[states],
        mode_probabilities=np.eye(len(MODE_CLASSES))[truth.mode_index],
        health_percent=health,
        rul_lower=truth.rul_hours,
        rul_median=truth.rul_hours,
        rul_upper=truth.rul_hours,
        sensor_fault_probability=np.zeros(readings),
        novelty=np.zeros(readings),
    )
    return verdicts_of(np.full(readings, device), time_ns, truth, told, speed={device: "nominal"})


def hours_left(time_ns: np.ndarray, states: np.ndarray) -> np.ndarray:
    """To the first BROKEN reading; NaN from there on and where there is none."""
    broken = np.flatnonzero(states == STATES.index(State.BROKEN))
    if not len(broken):
        return np.full(len(states), np.nan)
    hours = (time_ns[broken[0]] - time_ns) / NS_PER_HOUR
    return np.where(hours >= 0.0, hours, np.nan)


def told_as(verdicts: Verdicts, states: Any) -> Verdicts:
    """The same life told with these states, its alarms following from them."""
    return retold(verdicts, replace(verdicts.told, state_probabilities=np.eye(4)[np.asarray(states, np.int64)]))


def changed(verdicts: Verdicts, *, truth: dict[str, Any] | None = None, told: dict[str, Any] | None = None) -> Verdicts:
    """The same with some arrays replaced; the alarms stay."""
    return replace(verdicts, truth=replace(verdicts.truth, **truth or {}), told=replace(verdicts.told, **told or {}))


def together(*parts: Verdicts) -> Verdicts:
    """Several devices in one; alarms are folded anew."""

    def joined(side: str) -> dict[str, Any]:
        names = getattr(parts[0], side).__dataclass_fields__
        return {name: np.concatenate([getattr(getattr(part, side), name) for part in parts]) for name in names}

    return verdicts_of(
        np.concatenate([part.device_ids for part in parts]),
        np.concatenate([part.time_ns for part in parts]),
        Truth(**joined("truth")),
        Told(**joined("told")),
        speed={device: speed for part in parts for device, speed in part.speed.items()},
    )


def training(
    ages: tuple[float, ...] = (0.9, 1.0, 1.1), *, mean_hours: float = 90.0, modes: tuple[str, ...] = ("bearing_wear",)
) -> Training:
    """Facts of a training on lives of these ages, all of which failed."""
    return Training(
        pumps=len(ages),
        mode_lives=dict.fromkeys(modes, 1),
        mean_hours={"nominal": mean_hours, "stress": mean_hours},
        ages=Ages(np.array(ages), np.ones(len(ages))),
        leak=Leak(0, 0),
    )
