"""What a maintenance person would have seen: failures that were warned of and in time, warnings that were false."""

from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from pdm_platform.contract.failure_modes import MODE_CLASSES, NO_FAILURE_MODE
from pdm_platform.contract.states import State
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core.alarms import SEVERITIES
from pdm_platform.core.judgement.verdicts import HEALTHY, UNKNOWN_MODE, IntArray, Life, Verdicts
from pdm_platform.core.judgement.weights import ratio, wilson

WARNING_SEVERITY: Final = SEVERITIES[State.FAULTY]
# With more of its life left than this, nobody would have found anything worth a repair.
FALSE_ABOVE_SHARE: Final = 0.5
_ROUNDING: Final = 1e-9
_HOURS_PER_MONTH: Final = 365.25 * 24.0 / 12.0


@dataclass(frozen=True, slots=True)
class InTime:
    """When a warning is early enough: with this share of the life left, or this many hours where they are known."""

    min_share: float = 0.05
    repair_lead_hours: float | None = None

    def lead_share(self, length_hours: float) -> float:
        """The share of a life of this length that must be left."""
        return self.min_share if self.repair_lead_hours is None else self.repair_lead_hours / length_hours

    @property
    def text(self) -> str:
        """In words, for the page."""
        by_share = f"{self.min_share:.0%} of the life left"
        return by_share if self.repair_lead_hours is None else f"{self.repair_lead_hours:g} h left"


class Warned(NamedTuple):
    """An alarm of severity FAULTY or above: raised at a row, and active up to before row `until` of the same life.

    left, left_at_end: share of the life left when it was raised and when it was cleared, as `left_share` tells; at the
    end minus infinity where it was still active at the life's last reading.
    """

    row: int
    until: int
    left: float
    left_at_end: float

    @property
    def false(self) -> bool:
        """Raised with more than half the life left."""
        return self.left > FALSE_ABOVE_SHARE


@dataclass(frozen=True, slots=True)
class LifeOutcome:
    """One life. lead_*: from the warning that was active at the failure to the failure; NaN where there was none.

    failed: its first BROKEN reading was seen. warned: an alarm of at least FAULTY, raised before that reading, was
    still active then; in_time: and early enough. mode: the true one, mode_named: the one told when it was warned of.
    """

    name: str
    device_id: str
    speed: str
    mode: str
    readings: int
    hours: float
    wearing: bool
    failed: bool
    warned: bool
    in_time: bool
    lead_hours: float
    lead_share: float
    mode_named: str
    warnings: int
    false_alarms: int
    health_mae_percent: float

    @property
    def missed(self) -> bool:
        """It failed and nobody was warned in time."""
        return self.failed and not self.in_time


@dataclass(frozen=True, slots=True)
class Maintenance:
    """failures_warned: at all; failures_in_time: early enough. warned_share: in time, with its bounds of 90 %.

    false_alarms: warnings with more than half the life left, or of a pump that does not wear. false_idle: of the
    latter. mode_named_share: of the failures warned of, those whose mode was told right when the warning was raised.
    """

    lives: int
    failures: int
    failures_warned: int
    failures_in_time: int
    warned_share: float
    warned_share_bounds: tuple[float, float]
    median_lead_hours: float
    median_lead_share: float
    false_alarms: int
    false_idle: int
    false_per_100_lives: float
    false_per_pump_month: float
    mode_named_share: float

    @property
    def missed(self) -> int:
        """Failures without a warning in time."""
        return self.failures - self.failures_in_time


def warnings_of(verdicts: Verdicts) -> list[list[Warned]]:
    """Of each life, its warnings in the order of time. One that was raised in an earlier life does not count."""
    found: list[list[Warned]] = [[] for _ in verdicts.lives]
    raised: dict[int, int] = {}
    for change in verdicts.alarms:
        index = int(verdicts.owner[change.row])
        if change.active and change.severity >= WARNING_SEVERITY:
            raised.setdefault(index, change.row)
        elif not change.active and index in raised:
            life, row = verdicts.lives[index], raised.pop(index)
            left, left_at_end = (left_share(verdicts, life, each) for each in (row, change.row))
            found[index].append(Warned(row, change.row, left, left_at_end))
    for index, row in raised.items():
        life = verdicts.lives[index]
        found[index].append(Warned(row, life.stop, left_share(verdicts, life, row), -np.inf))
    return found


def left_share(verdicts: Verdicts, life: Life, row: int) -> float:
    """Share of a life left at a row, below 0 after the failure. Of unknown length: 1 while HEALTHY, else 0."""
    if not life.wearing:
        return 1.0
    if np.isnan(life.length_hours):
        return 1.0 if verdicts.truth.state_index[row] == HEALTHY else 0.0
    return 1.0 - float(verdicts.elapsed_hours[row]) / life.length_hours if life.length_hours > 0.0 else 0.0


def judge_lives(verdicts: Verdicts, rule: InTime) -> list[LifeOutcome]:
    """Every life, in the order of the rows."""
    pairs = zip(verdicts.lives, warnings_of(verdicts), strict=True)
    return [_judge(verdicts, life, warned, rule) for life, warned in pairs]


def _judge(verdicts: Verdicts, life: Life, warnings: list[Warned], rule: InTime) -> LifeOutcome:
    truth, told, rows = verdicts.truth, verdicts.told, slice(life.start, life.stop)
    at_failure = _active_at(life.failure, warnings)
    lead_hours = lead_share = float("nan")
    if at_failure is not None and life.failure is not None:
        lead_hours = float(verdicts.time_ns[life.failure] - verdicts.time_ns[at_failure.row]) / NS_PER_HOUR
        lead_share = at_failure.left
    error = np.abs(told.health_percent[rows] - truth.health_percent[rows])
    known = error[~np.isnan(error)]
    return LifeOutcome(
        name=life.name,
        device_id=life.device_id,
        speed=life.speed,
        mode=_last_mode(truth.mode_index[rows], life.wearing),
        readings=life.stop - life.start,
        hours=float(verdicts.elapsed_hours[life.stop - 1]),
        wearing=life.wearing,
        failed=life.failure is not None,
        warned=at_failure is not None,
        in_time=at_failure is not None and lead_share + _ROUNDING >= rule.lead_share(life.length_hours),
        lead_hours=lead_hours,
        lead_share=lead_share,
        mode_named="" if at_failure is None else _mode_name(int(told.mode_index[at_failure.row])),
        warnings=len(warnings),
        false_alarms=sum(warned.false for warned in warnings),
        health_mae_percent=float(known.mean()) if len(known) else float("nan"),
    )


def _active_at(failure: int | None, warnings: list[Warned]) -> Warned | None:
    """A warning raised by the very reading that is BROKEN announces nothing."""
    if failure is None:
        return None
    return next((warned for warned in warnings if warned.row < failure < warned.until), None)


def _last_mode(mode_index: IntArray, wearing: bool) -> str:
    known = mode_index[mode_index > 0]
    return _mode_name(int(known[-1])) if len(known) else "" if wearing else NO_FAILURE_MODE


def _mode_name(index: int) -> str:
    return "" if index == UNKNOWN_MODE else str(MODE_CLASSES[index])


def summarise(outcomes: list[LifeOutcome]) -> Maintenance:
    """The lives together."""
    failed = [life for life in outcomes if life.failed]
    warned = [life for life in failed if life.warned]
    in_time = sum(life.in_time for life in failed)
    false = sum(life.false_alarms for life in outcomes)
    named = [life.mode_named == life.mode for life in warned if life.mode and life.mode_named]
    return Maintenance(
        lives=len(outcomes),
        failures=len(failed),
        failures_warned=len(warned),
        failures_in_time=in_time,
        warned_share=ratio(in_time, len(failed)),
        warned_share_bounds=wilson(in_time, len(failed)),
        median_lead_hours=_median([life.lead_hours for life in warned]),
        median_lead_share=_median([life.lead_share for life in warned]),
        false_alarms=false,
        false_idle=sum(life.false_alarms for life in outcomes if not life.wearing),
        false_per_100_lives=ratio(100.0 * false, len(outcomes)),
        false_per_pump_month=ratio(false, sum(life.hours for life in outcomes) / _HOURS_PER_MONTH),
        mode_named_share=ratio(sum(named), len(named)),
    )


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else float("nan")
