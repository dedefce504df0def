"""What the demo really did, counted from the store and from the broker's stream at the end, mistakes included."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from pdm_platform.contract.measurements import (
    ALL_TIME,
    DRIFT_SCORE,
    PUMP_ALARM,
    PUMP_LABELS,
    PUMP_PREDICTION,
    PUMP_TELEMETRY,
    Measurement,
)
from pdm_platform.contract.states import FAULTY_ABOVE_PERCENT, HEALTHY_ABOVE_PERCENT, State
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.core.alarms import SEVERITIES
from pdm_platform.core.quality import paired
from pdm_platform.local.witness import Key, Witness
from pdm_platform.stores.registry import Manifest
from pdm_platform.stores.telemetry import TelemetryStore

LATE_SHARE_OF_LIFE = 0.05


@dataclass(frozen=True, slots=True)
class Failure:
    """One pump that failed during the run: when the platform said so, and what it said then."""

    device_id: str
    life_s: float
    warning_s: float | None
    said_left_s: float | None

    @property
    def late(self) -> bool:
        """Warned, but with less than a twentieth of the life left."""
        return self.warning_s is not None and self.warning_s < LATE_SHARE_OF_LIFE * self.life_s


@dataclass(frozen=True, slots=True)
class FleetFacts:
    """The live fleet's rows, as the store has them."""

    telemetry: pd.DataFrame
    predictions: pd.DataFrame
    alarms: pd.DataFrame
    drift: pd.DataFrame


@dataclass
class Summary:
    """`summary.json`. Times in seconds, shares between 0 and 1."""

    seed: int
    duration_s: float
    published: int
    stored: int
    predicted: int
    quarantined: int
    lost: int
    duplicated: int
    unpredicted: int
    redelivered: int
    model_version: str
    macro_f1_unseen: float
    baseline_macro_f1: float
    health_mae_percent_unseen: float
    unseen_pumps: int
    devices: int
    failures: int
    failures_warned: int
    late_warnings: int
    median_warning_s: float | None
    false_alarms: int
    drift_detected: bool
    wrong: list[str] = field(default_factory=list)
    failed_pumps: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in `summary.json`."""
        return asdict(self)


def read_facts(store: TelemetryStore) -> FleetFacts:
    """Everything the store holds of the live fleet."""

    def frame(measurement: Measurement) -> pd.DataFrame:
        return pd.DataFrame(store.read(measurement, ALL_TIME).to_pydict())

    return FleetFacts(frame(PUMP_TELEMETRY), frame(PUMP_PREDICTION), frame(PUMP_ALARM), frame(DRIFT_SCORE))


def failures_of(facts: FleetFacts) -> list[Failure]:
    """The pumps whose true health fell to BROKEN, each with the first FAULTY alarm that still stood at that moment."""
    found = []
    for device_id, readings in facts.telemetry.groupby("device_id"):
        broken = readings[readings["health_percent"] <= FAULTY_ABOVE_PERCENT]
        if broken.empty:
            continue
        failed_ns = int(broken["time_ns"].min())
        warned = _standing(facts.alarms[facts.alarms["device_id"] == device_id], failed_ns)
        warning_s = said_left_s = None
        if not warned.empty:
            warning_s = (failed_ns - int(warned["time_ns"].iloc[0])) / NS_PER_S
            hours = warned["rul_hours"].iloc[0]
            said_left_s = None if pd.isna(hours) else float(hours) * NS_PER_HOUR / NS_PER_S
        life_s = (failed_ns - int(readings["time_ns"].min())) / NS_PER_S
        found.append(Failure(str(device_id), life_s, warning_s, said_left_s))
    return found


def _standing(alarms: pd.DataFrame, at_ns: int) -> pd.DataFrame:
    """Of one pump's alarm changes, the FAULTY ones since it last returned to normal before `at_ns`, oldest first."""
    before = alarms[alarms["time_ns"] < at_ns].sort_values("time_ns")
    returns = before.loc[before["active"] == 0, "time_ns"]
    since = before if returns.empty else before[before["time_ns"] > returns.max()]
    return since[since["severity"] >= SEVERITIES[State.FAULTY]]


def false_alarms_of(facts: FleetFacts, level: State = State.FAULTY) -> list[str]:
    """Pumps on which an alarm of this level or above was raised while in truth HEALTHY, one entry an alarm."""
    severe = facts.alarms[(facts.alarms["active"] == 1) & (facts.alarms["severity"] >= SEVERITIES[level])]
    truth = facts.telemetry[["device_id", "time_ns", "health_percent"]]
    joined = severe[["device_id", "time_ns"]].merge(truth, on=["device_id", "time_ns"])
    return sorted(joined.loc[joined["health_percent"] > HEALTHY_ABOVE_PERCENT, "device_id"].astype(str))


def duplicates_in(store: TelemetryStore) -> int:
    """Stored readings beyond the first of each device and sequence number."""
    total = 0
    for measurement in (PUMP_TELEMETRY, PUMP_LABELS):
        rows = store.read(measurement, ALL_TIME).select(["device_id", "measurement_id"]).to_pandas()
        total += int(rows.dropna().duplicated().sum())
    return total


def keys_in(store: TelemetryStore, measurement: Measurement) -> set[Key]:
    """Device and time of every point of one measurement."""
    rows = store.read(measurement, ALL_TIME)
    return set(zip(rows.column("device_id").to_pylist(), rows.column("time_ns").to_pylist(), strict=True))


def _missing(carried: set[Key], found: set[Key], untimed: int) -> int:
    """Readings that were carried but not found. Those without a time of their own can only be counted."""
    return len(carried - found) + max(0, untimed - len(found - carried))


def summarise(
    store: TelemetryStore, witness: Witness, manifest: Manifest, *, seed: int, duration_s: float, quarantined: int
) -> tuple[Summary, FleetFacts]:
    """Count it all. What went wrong stands in `wrong`, in words."""
    facts = read_facts(store)
    telemetry, training = keys_in(store, PUMP_TELEMETRY), keys_in(store, PUMP_LABELS)
    predicted = keys_in(store, PUMP_PREDICTION)
    failures, false_alarms = failures_of(facts), false_alarms_of(facts)
    leads = [failure.warning_s for failure in failures if failure.warning_s is not None]
    metrics = manifest.metrics
    summary = Summary(
        seed=seed,
        duration_s=round(duration_s, 1),
        published=witness.published,
        stored=len(telemetry) + len(training),
        predicted=len(predicted),
        quarantined=quarantined,
        lost=_missing(witness.telemetry, telemetry, witness.untimed) + len(witness.training - training),
        duplicated=duplicates_in(store),
        unpredicted=_missing(witness.telemetry - witness.before_model, predicted, witness.untimed),
        redelivered=witness.redelivered,
        model_version=manifest.version,
        macro_f1_unseen=metrics["macro_f1"],
        baseline_macro_f1=metrics["baseline_macro_f1"],
        health_mae_percent_unseen=metrics["health_mae_percent"],
        unseen_pumps=int(metrics["unseen_pumps"]),
        devices=int(facts.telemetry["device_id"].nunique()),
        failures=len(failures),
        failures_warned=len(leads),
        late_warnings=sum(failure.late for failure in failures),
        median_warning_s=round(float(np.median(leads)), 1) if leads else None,
        false_alarms=len(false_alarms),
        drift_detected=bool(facts.drift.loc[facts.drift["channel"] == "fleet", "drifted"].astype(bool).any()),
        failed_pumps=[{**asdict(failure), "late": failure.late} for failure in failures],
    )
    summary.wrong = _wrong(summary, failures, false_alarms, facts)
    return summary, facts


def _said_too_much_or_too_little(failures: list[Failure]) -> list[str]:
    ratios = [each.said_left_s / each.warning_s for each in failures if each.said_left_s is not None and each.warning_s]
    if not ratios:
        return []
    return [f"the life left that the first FAULTY alarms told was {np.median(ratios):.1f} times the true one (median)"]


def _wrong(summary: Summary, failures: list[Failure], false_alarms: list[str], facts: FleetFacts) -> list[str]:
    wrong = [f"{failure.device_id} failed without a warning" for failure in failures if failure.warning_s is None]
    wrong += [
        f"{failure.device_id} was warned of only {failure.warning_s:.1f} s before it failed"
        for failure in failures
        if failure.late
    ]
    wrong += [f"{device_id} raised a FAULTY alarm while it was HEALTHY" for device_id in false_alarms]
    wrong += _said_too_much_or_too_little(failures)
    if early := len(false_alarms_of(facts, State.WARNING)) - len(false_alarms):
        wrong.append(f"{early} WARNING alarm(s) were raised on pumps that were HEALTHY")
    for failure in failures:
        if failure.said_left_s is not None and failure.warning_s:
            ratio = failure.said_left_s / failure.warning_s
            if not 0.5 <= ratio <= 2.0:
                wrong.append(
                    f"{failure.device_id}: the first FAULTY alarm said {failure.said_left_s:.0f} s left,"
                    f" it was {failure.warning_s:.0f} s"
                )
    joined = paired(facts.telemetry, facts.predictions).dropna(subset="health_percent")
    if len(joined):
        errors = (joined["predicted_health_percent"] - joined["health_percent"]).abs()
        worst = joined.iloc[int(errors.argmax())]
        wrong.append(
            f"health was off by {errors.mean():.1f} % on average over the live readings, at worst by"
            f" {errors.max():.0f} %: {worst['device_id']}, said {worst['predicted_health_percent']:.0f} %,"
            f" was {worst['health_percent']:.0f} %"
        )
    for name, count in (
        ("lost", summary.lost),
        ("stored twice", summary.duplicated),
        ("not predicted", summary.unpredicted),
    ):
        if count:
            wrong.append(f"{count} readings were {name}")
    if summary.quarantined:
        wrong.append(f"{summary.quarantined} payloads were quarantined")
    return wrong
