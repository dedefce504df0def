"""What the platform would have told about each life: was the failure announced, how early, what was false."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.states import STATES, State
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core import alarms
from pdm_platform.core.alarms import AlarmChange, AlarmStates
from pdm_platform.core.serving import ServingOutput
from pdm_platform.core.training import Lives, speed_of

_BROKEN: Final = STATES.index(State.BROKEN)
_HEALTHY: Final = STATES.index(State.HEALTHY)
_CURVE_POINTS: Final = 120


@dataclass(frozen=True, slots=True)
class LifeOutcome:
    """One unseen life.

    failed: it reached BROKEN. warned: an alarm raised before that was still active then; warning_hours, and as a share
    of the hours lived until then, say how long before (NaN where not warned). false_alarms: alarms raised and cleared
    (or never cleared) while the pump was HEALTHY all along. health_mae_percent: mean absolute error. rul_*: in the last
    third of life, share of the readings with a remaining life told, and median error relative to the true remaining
    life (NaN where nothing was told). curve: up to 120 points of hours, true and predicted health.
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


@dataclass(frozen=True, slots=True)
class _Episode:
    """An alarm from the reading that raised it to the one that cleared it, or the end of the life."""

    start: int
    end: int


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
    episodes = _episodes(_replayed(device, life, predicted), len(life))
    hours = (life.time_ns - life.time_ns[0]) / NS_PER_HOUR
    states = life.state_index
    failed, failure = bool((states == _BROKEN).any()), int(np.argmax(states == _BROKEN))
    announcing = [episode for episode in episodes if failed and episode.start < failure <= episode.end]
    warning_hours = float(hours[failure] - hours[announcing[0].start]) if announcing else float("nan")
    known_share, error = _rul_error(life.rul_hours, rul_hours)
    return LifeOutcome(
        device_id=device,
        speed=speed_of(life.time_ns),
        readings=len(life),
        failed=failed,
        warned=bool(announcing),
        warning_hours=warning_hours,
        warning_share=warning_hours / float(hours[failure]) if announcing else float("nan"),
        false_alarms=sum(bool((states[each.start : each.end + 1] == _HEALTHY).all()) for each in episodes),
        health_mae_percent=float(np.abs(predicted.health_percent - life.health_percent).mean()),
        rul_known_share=known_share,
        rul_relative_error=error,
        curve=_curve(hours, life, predicted),
    )


def _replayed(device: str, life: Lives, predicted: ServingOutput) -> list[AlarmChange]:
    return alarms.fold(AlarmStates(), [device] * len(life), life.time_ns, predicted.state_index)


def _episodes(changes: list[AlarmChange], readings: int) -> list[_Episode]:
    episodes, raised_at = [], None
    for change in changes:
        if change.active and raised_at is None:
            raised_at = change.row
        elif not change.active and raised_at is not None:
            episodes.append(_Episode(raised_at, change.row))
            raised_at = None
    if raised_at is not None:
        episodes.append(_Episode(raised_at, readings - 1))
    return episodes


def _rul_error(true_hours: NDArray[np.float64], told_hours: NDArray[np.float64]) -> tuple[float, float]:
    """Share told, and median relative error, in the last third of the readings; at the very end it has no meaning."""
    last_third = slice(2 * len(true_hours) // 3, None)
    true, told = true_hours[last_third], told_hours[last_third]
    judged = true > 0.0
    true, told = true[judged], told[judged]
    if not len(true):
        return float("nan"), float("nan")
    known = ~np.isnan(told)
    error = np.abs(told[known] - true[known]) / true[known]
    return float(known.mean()), float(np.median(error)) if len(error) else float("nan")


def _curve(hours: NDArray[np.float64], life: Lives, predicted: ServingOutput) -> list[tuple[float, float, float]]:
    points = np.unique(np.linspace(0, len(hours) - 1, min(len(hours), _CURVE_POINTS)).astype(np.int64))
    true, told = life.health_percent, predicted.health_percent
    return [(round(float(hours[p]), 6), round(float(true[p]), 2), round(float(told[p]), 2)) for p in points.tolist()]
