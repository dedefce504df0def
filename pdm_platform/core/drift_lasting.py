"""When drift is reason enough to train again: it lasts, training cures it, and the last training is a while ago."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core.drift_evidence import CURABLE, Cause

_LASTING_NEEDED: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class Looked:
    """One drift report: its window in ns of event time, whether it drifted, and why ('' where that was not told)."""

    start_ns: int
    end_ns: int
    drifted: bool
    cause: str = ""

    @property
    def curable(self) -> bool:
        """Whether retraining on what the fleet does now would end it. What was not diagnosed gets the benefit."""
        return self.drifted and (not self.cause or self.cause in CURABLE)


def disjoint(windows: Sequence[Looked]) -> list[Looked]:
    """Of the windows those that share less than half with a newer one, by end.

    Three looks at the same hour are one piece of evidence, not three.
    """
    kept: list[Looked] = []
    for window in sorted(windows, key=lambda each: each.end_ns, reverse=True):
        if not kept or window.end_ns - kept[-1].start_ns < (window.end_ns - window.start_ns) / 2:
            kept.append(window)
    return kept[::-1]


def lasting_drift(windows: Sequence[tuple[int, bool]], *, needed: int = _LASTING_NEEDED) -> bool:
    """Whether the newest `needed` windows have all drifted. windows: (end in ns, drifted), in any order.

    A window judged twice counts once, as it was judged last: a single blip, looked at again and again, is no trend.
    """
    by_end = dict(windows)
    newest = sorted(by_end)[-needed:]
    return len(newest) == needed and all(by_end[end_ns] for end_ns in newest)


def reason_to_wait(windows: Sequence[Looked], *, needed: int = _LASTING_NEEDED) -> str:
    """Why the newest windows are no reason to train again, in words; '' where they are. windows: disjoint, by end.

    Retraining is for what the fleet does now and the model has not seen. A worn pump or a lying sensor would only be
    learned as normal.
    """
    newest = windows[-needed:]
    if lasting_drift([(window.end_ns, window.curable) for window in windows], needed=needed):
        return ""
    said = f"{sum(window.drifted for window in newest)} of the last {needed} windows drifted"
    told = [window.cause for window in newest if window.cause in _FOR_PEOPLE]
    if not told:
        return said
    cause = max(told, key=told.count)
    return f"{said}; {told.count(cause)} of them show {cause}, which retraining does not cure: {_FOR_PEOPLE[cause]}"


_FOR_PEOPLE: Final[dict[str, str]] = {
    Cause.WEAR: "the pumps named in the drift report need service",
    Cause.SENSOR_FAULT: "the sensors named in the drift report need a look",
    Cause.UNDETERMINED: "the drift report shows what is known",
}


def cooled_down(now_ns: int, last_retraining_ns: int | None, *, cool_down_hours: float = 24.0) -> bool:
    """Whether enough time has passed since the last retraining, in hours, for the next one to see new data."""
    return last_retraining_ns is None or now_ns - last_retraining_ns >= cool_down_hours * NS_PER_HOUR
