"""The pumps that failed during a run: what the platform said of each in time, and whether that was so."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from pdm_platform.contract.states import FAULTY_ABOVE_PERCENT, HEALTHY_ABOVE_PERCENT, State
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.core.alarms import CONDITION, SEVERITIES
from pdm_platform.local.facts import FleetFacts
from pdm_platform.local.truth import failure_of

LATE_SHARE_OF_LIFE = 0.05
_S_PER_HOUR = NS_PER_HOUR / NS_PER_S
# a prediction and an alarm of a reading without a timestamp lie up to so much apart
_ONE_BATCH_NS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One pump that failed during the run: when the platform said so, and what it said then.

    warning_s: from the first FAULTY alarm to the first BROKEN reading. true_left_s: from that alarm to the failure
    itself, a health of 0 %, which is what said_left_s and its interval, said_lower_s to said_upper_s, are about.
    said_mode: as told with the alarm, or last before the failure where none was told then. None: not told, not known.
    """

    device_id: str
    life_s: float
    warning_s: float | None = None
    true_left_s: float | None = None
    said_left_s: float | None = None
    said_lower_s: float | None = None
    said_upper_s: float | None = None
    said_mode: str | None = None
    true_mode: str | None = None

    @property
    def late(self) -> bool:
        """Warned, but with less than a twentieth of the life left."""
        return self.warning_s is not None and self.warning_s < LATE_SHARE_OF_LIFE * self.life_s

    @property
    def inside(self) -> bool | None:
        """Whether the true time lay inside the interval that was told; None where either is not known."""
        if self.true_left_s is None or self.said_lower_s is None or self.said_upper_s is None:
            return None
        return self.said_lower_s <= self.true_left_s <= self.said_upper_s

    @property
    def mode_right(self) -> bool | None:
        """Whether the mode that was told was the true one; None where either is not known."""
        return None if self.said_mode is None or self.true_mode is None else self.said_mode == self.true_mode

    def to_dict(self) -> dict[str, Any]:
        """As it stands in `summary.json`."""
        return {**asdict(self), "late": self.late, "inside": self.inside, "mode_right": self.mode_right}


def failures_of(facts: FleetFacts) -> list[Failure]:
    """The pumps whose true health fell to BROKEN, each with the first FAULTY alarm that still stood at that moment."""
    found = []
    for device_id, readings in facts.telemetry.groupby("device_id"):
        broken = readings[readings["health_percent"] <= FAULTY_ABOVE_PERCENT]
        if not broken.empty:
            broken_ns = int(broken["time_ns"].min())
            found.append(_failure(facts, str(device_id), readings, broken_ns))
    return found


def failed_at_ns(facts: FleetFacts, device_id: str, broken_ns: int) -> int | None:
    """When a pump that was BROKEN at broken_ns failed: its health was 0 %. None where the run ended before."""
    if (event := failure_of(facts.truth, device_id, broken_ns)) is not None:
        return event.time_ns
    readings = facts.telemetry[facts.telemetry["device_id"] == device_id]
    times = readings.loc[(readings["health_percent"] <= 0.0) & (readings["time_ns"] >= broken_ns), "time_ns"]
    return None if times.empty else int(times.min())


def _failure(facts: FleetFacts, device_id: str, readings: pd.DataFrame, broken_ns: int) -> Failure:
    failed_ns = failed_at_ns(facts, device_id, broken_ns)
    event = failure_of(facts.truth, device_id, broken_ns)
    found: dict[str, Any] = {
        "device_id": device_id,
        "life_s": (broken_ns - int(readings["time_ns"].min())) / NS_PER_S,
        "true_mode": None if event is None else event.detail or None,
    }
    told = facts.predictions[facts.predictions["device_id"] == device_id].sort_values("time_ns")
    before = told[told["time_ns"] <= (broken_ns if failed_ns is None else failed_ns)]
    warned = _standing(facts.alarms[facts.alarms["device_id"] == device_id], broken_ns)
    said = None
    if not warned.empty:
        warned_ns = int(warned["time_ns"].iloc[0])
        until_then = told[told["time_ns"] <= warned_ns + _ONE_BATCH_NS]
        said = None if until_then.empty else until_then.iloc[-1]
        found["warning_s"] = (broken_ns - warned_ns) / NS_PER_S
        found["true_left_s"] = None if failed_ns is None else (failed_ns - warned_ns) / NS_PER_S
        found["said_left_s"] = _seconds(warned["rul_hours"].iloc[0])
        found["said_lower_s"] = None if said is None else _seconds(said["rul_lower_hours"])
        found["said_upper_s"] = None if said is None else _seconds(said["rul_upper_hours"])
    mode = None if said is None or pd.isna(said["failure_mode"]) else said["failure_mode"]
    last = before["failure_mode"].dropna()
    return Failure(**found, said_mode=mode or (None if last.empty else str(last.iloc[-1])))


def _seconds(hours: float | None) -> float | None:
    return None if hours is None or pd.isna(hours) else float(hours) * _S_PER_HOUR


def _standing(alarms: pd.DataFrame, at_ns: int) -> pd.DataFrame:
    """Of one pump's alarm changes, the FAULTY ones since it last returned to normal before `at_ns`, oldest first."""
    of_state = alarms[alarms["condition"] == CONDITION]
    before = of_state[of_state["time_ns"] < at_ns].sort_values("time_ns")
    returns = before.loc[before["active"] == 0, "time_ns"]
    since = before if returns.empty else before[before["time_ns"] > returns.max()]
    return since[since["severity"] >= SEVERITIES[State.FAULTY]]


def false_alarms_of(facts: FleetFacts, level: State = State.FAULTY) -> list[str]:
    """Pumps on which an alarm of this level or above was raised while in truth HEALTHY, one entry an alarm."""
    raised = facts.alarms[(facts.alarms["active"] == 1) & (facts.alarms["condition"] == CONDITION)]
    severe = raised[raised["severity"] >= SEVERITIES[level]]
    truth = facts.telemetry[["device_id", "time_ns", "health_percent"]]
    joined = severe[["device_id", "time_ns"]].merge(truth, on=["device_id", "time_ns"])
    return sorted(joined.loc[joined["health_percent"] > HEALTHY_ABOVE_PERCENT, "device_id"].astype(str))
