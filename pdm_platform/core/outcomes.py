"""What the platform would have told about each life: was the failure announced, how early, what was false."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.states import STATES, State
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core import alarms
from pdm_platform.core.alarms import SEVERITIES, AlarmChange, AlarmStates
from pdm_platform.core.serving import ServingOutput
from pdm_platform.core.training import Lives, speed_of

_BROKEN: Final = STATES.index(State.BROKEN)
_HEALTHY: Final = STATES.index(State.HEALTHY)
_CURVE_POINTS: Final = 120


@dataclass(frozen=True, slots=True)
class LifeOutcome:
    """One unseen life.

    Alarms here are those of severity FAULTY and above, as the demo counts them. failed: it reached BROKEN. warned: an
    alarm raised before its first BROKEN reading was still active then; warning_hours, and as a share of the hours lived
    until then, say how long before (NaN where not warned). false_alarms: alarms raised, or raised further, at a reading
    at which the pump was in truth HEALTHY. health_mae_percent: mean absolute error. rul_*: in the last third of the
    readings before the first BROKEN one, share with a remaining life told, and median error relative to the time to
    that first BROKEN reading, which is what a prediction tells. The label rul_hours is not used: it may run to health
    0. Both are NaN for a life that never broke, the error also where nothing was told. curve: up to 120 points of
    hours, true and predicted health.
    """

    device_id: str
    speed: str
    readings: int
    failed: bool
    warned: bool
    warning_hours: float
    warning_share: float
    false_alarms: int
    health_mae_percent: float
    rul_known_share: float
    rul_relative_error: float
    curve: list[tuple[float, float, float]]


def judge_lives(lives: Lives, output: ServingOutput, rul_hours: NDArray[np.float64]) -> list[LifeOutcome]:
    """Replay each life through the alarms, by device id in alphabetical order."""
    devices, owner = np.unique(lives.device_ids, return_inverse=True)
    found = []
    for index, device in enumerate(devices):
        rows = np.flatnonzero(owner == index)
        rows = rows[np.argsort(lives.time_ns[rows], kind="stable")]
        predicted = ServingOutput(output.probabilities[rows], output.health_percent[rows])
        found.append(_judge(str(device), lives.rows(rows), predicted, rul_hours[rows]))
    return found


def _judge(device: str, life: Lives, predicted: ServingOutput, rul_hours: NDArray[np.float64]) -> LifeOutcome:
    changes = alarms.fold(AlarmStates(), [device] * len(life), life.time_ns, predicted.state_index)
    hours = (life.time_ns - life.time_ns[0]) / NS_PER_HOUR
    broken = np.flatnonzero(life.state_index == _BROKEN)
    failure = int(broken[0]) if len(broken) else None
    warning = None if failure is None else _warning(changes, failure)
    warning_hours = warning_share = known_share = error = float("nan")
    if failure is not None:
        to_failure_hours = (life.time_ns[failure] - life.time_ns[:failure]) / NS_PER_HOUR
        known_share, error = _rul_error(to_failure_hours, rul_hours[:failure])
        if warning is not None:
            warning_hours = float(hours[failure] - hours[warning])
            warning_share = warning_hours / float(hours[failure])
    return LifeOutcome(
        device_id=device,
        speed=speed_of(life.time_ns),
        readings=len(life),
        failed=failure is not None,
        warned=warning is not None,
        warning_hours=warning_hours,
        warning_share=warning_share,
        false_alarms=sum(_is_severe(change) and bool(life.state_index[change.row] == _HEALTHY) for change in changes),
        health_mae_percent=float(np.abs(predicted.health_percent - life.health_percent).mean()),
        rul_known_share=known_share,
        rul_relative_error=error,
        curve=_curve(hours, life, predicted),
    )


def _is_severe(change: AlarmChange) -> bool:
    return change.active and change.severity >= SEVERITIES[State.FAULTY]


def _warning(changes: list[AlarmChange], failure: int) -> int | None:
    """Row of the first FAULTY alarm since the last return to normal before the failure."""
    warning = None
    for change in changes:
        if change.row >= failure:
            break
        if not change.active:
            warning = None
        elif warning is None and _is_severe(change):
            warning = change.row
    return warning


def _rul_error(true_hours: NDArray[np.float64], told_hours: NDArray[np.float64]) -> tuple[float, float]:
    """Share told, and median relative error, in the last third of the readings before the failure."""
    last_third = slice(2 * len(true_hours) // 3, None)
    true, told = true_hours[last_third], told_hours[last_third]
    if not len(true):
        return float("nan"), float("nan")
    known = ~np.isnan(told)
    error = np.abs(told[known] - true[known]) / true[known]
    return float(known.mean()), float(np.median(error)) if len(error) else float("nan")


def _curve(hours: NDArray[np.float64], life: Lives, predicted: ServingOutput) -> list[tuple[float, float, float]]:
    points = np.unique(np.linspace(0, len(hours) - 1, min(len(hours), _CURVE_POINTS)).astype(np.int64))
    true, told = life.health_percent, predicted.health_percent
    return [(round(float(hours[p]), 6), round(float(true[p]), 2), round(float(told[p]), 2)) for p in points.tolist()]
