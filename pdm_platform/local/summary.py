"""What the demo really did, counted from the store and from the broker's stream at the end, mistakes included."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from pdm_platform.contract.measurements import ALL_TIME, PUMP_LABELS, PUMP_PREDICTION, PUMP_TELEMETRY, Measurement
from pdm_platform.local.facts import FleetFacts, read_facts
from pdm_platform.local.failures import failures_of, false_alarms_of
from pdm_platform.local.sayings import sayings_of
from pdm_platform.local.truth import TrueEvent
from pdm_platform.local.witness import Key, Witness
from pdm_platform.local.wrong import wrong_with
from pdm_platform.stores.registry import Manifest
from pdm_platform.stores.telemetry import TelemetryStore


@dataclass
class Summary:
    """`summary.json`. Times in seconds, shares between 0 and 1; None where nothing was told, or nobody knows.

    intervals_*: of the remaining life of pumps that failed, over all readings; at_warning: those of the first FAULTY
    alarms. modes_*: of failures. novel_*, provisional_readings: predictions so marked. sensor_faults_*: of sensors.
    """

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
    intervals_told: int = 0
    interval_share_held: float | None = None
    intervals_at_warning: int = 0
    intervals_at_warning_held: int = 0
    modes_told: int = 0
    modes_right: int = 0
    novel_readings: int = 0
    novel_while_healthy: int = 0
    novel_pumps: int = 0
    provisional_readings: int = 0
    sensor_faults_called: int = 0
    sensor_faults_right: int | None = None
    sensor_faults_missed: int = 0
    wrong: list[str] = field(default_factory=list)
    failed_pumps: list[dict[str, Any]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in `summary.json`."""
        return asdict(self)


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
    store: TelemetryStore,
    witness: Witness,
    manifest: Manifest,
    *,
    seed: int,
    duration_s: float,
    quarantined: int,
    truth: Sequence[TrueEvent] = (),
) -> tuple[Summary, FleetFacts]:
    """Count it all. What went wrong stands in `wrong`, in words. truth: what the simulator wrote down."""
    facts = read_facts(store, truth)
    telemetry, training = keys_in(store, PUMP_TELEMETRY), keys_in(store, PUMP_LABELS)
    predicted = keys_in(store, PUMP_PREDICTION)
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
        drift_detected=bool(facts.drift.loc[facts.drift["channel"] == "fleet", "drifted"].astype(bool).any()),
        **_judged(facts),
    )
    summary.wrong += _wrong_with_the_stream(summary)
    return summary, facts


def _judged(facts: FleetFacts) -> dict[str, Any]:
    """What was said of the pumps, beside what was so."""
    failures = failures_of(facts)
    said = sayings_of(facts, failures)
    leads = [failure.warning_s for failure in failures if failure.warning_s is not None]
    at_warning = [failure.inside for failure in failures if failure.inside is not None]
    right = [sensor.right for sensor in said.sensors if sensor.right is not None]
    return {
        "failures": len(failures),
        "failures_warned": len(leads),
        "late_warnings": sum(failure.late for failure in failures),
        "median_warning_s": round(float(np.median(leads)), 1) if leads else None,
        "false_alarms": len(false_alarms_of(facts)),
        "intervals_told": said.intervals,
        "interval_share_held": round(said.intervals_held / said.intervals, 3) if said.intervals else None,
        "intervals_at_warning": len(at_warning),
        "intervals_at_warning_held": sum(at_warning),
        "modes_told": said.modes,
        "modes_right": said.modes_right,
        "novel_readings": said.novel,
        "novel_while_healthy": said.novel_while_healthy,
        "novel_pumps": said.novel_pumps,
        "provisional_readings": said.provisional,
        "sensor_faults_called": len(said.sensors),
        "sensor_faults_right": sum(right) if facts.truth else None,
        "sensor_faults_missed": len(said.sensors_missed),
        "wrong": wrong_with(facts, failures, said),
        "failed_pumps": [failure.to_dict() for failure in failures],
    }


def _wrong_with_the_stream(summary: Summary) -> list[str]:
    counts = (("lost", summary.lost), ("stored twice", summary.duplicated), ("not predicted", summary.unpredicted))
    wrong = [f"{count} readings were {name}" for name, count in counts if count]
    if summary.quarantined:
        wrong.append(f"{summary.quarantined} payloads were quarantined")
    return wrong
