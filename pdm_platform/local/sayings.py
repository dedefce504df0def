"""What the predictions of a run say besides the state, over all readings, and how much of it was so."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from pdm_platform.contract.states import FAULTY_ABOVE_PERCENT, HEALTHY_ABOVE_PERCENT
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.local.facts import FleetFacts
from pdm_platform.local.failures import Failure, failed_at_ns
from pdm_platform.local.truth import lying_sensors


@dataclass(frozen=True, slots=True)
class CalledSensor:
    """A sensor that was said to lie, at so many readings. right: None where nobody wrote down the truth."""

    device_id: str
    channel: str
    readings: int
    right: bool | None


@dataclass(frozen=True, slots=True)
class Sayings:
    """Counts of predictions, unless said otherwise.

    intervals: of the remaining life, told of pumps that failed within the run. intervals_held: those in which the true
    time lay. modes: failures for which a mode was told and the true one is known. novel_while_healthy: of the novel
    ones, those of pumps whose true health was HEALTHY. sensors_missed: device and channel of sensors that lied and
    were never called.
    """

    intervals: int
    intervals_held: int
    modes: int
    modes_right: int
    novel: int
    novel_while_healthy: int
    novel_pumps: int
    provisional: int
    sensors: tuple[CalledSensor, ...]
    sensors_missed: tuple[tuple[str, str], ...]


def sayings_of(facts: FleetFacts, failures: Sequence[Failure]) -> Sayings:
    """Count it all."""
    said = facts.predictions
    told, held = _intervals(facts, failures)
    known = [failure.mode_right for failure in failures if failure.mode_right is not None]
    novel = said["novel"] > 0
    sensors = _sensors(facts)
    called = {(sensor.device_id, sensor.channel) for sensor in sensors}
    return Sayings(
        intervals=told,
        intervals_held=held,
        modes=len(known),
        modes_right=sum(known),
        novel=int(novel.sum()),
        novel_while_healthy=_while_healthy(facts, novel),
        novel_pumps=int(said.loc[novel, "device_id"].nunique()),
        provisional=int((said["provisional"] > 0).sum()),
        sensors=sensors,
        sensors_missed=tuple(sorted(lying_sensors(facts.truth) - called)),
    )


def _intervals(facts: FleetFacts, failures: Sequence[Failure]) -> tuple[int, int]:
    """How many intervals were told before each failure, and how many of them held the time of the failure."""
    told = held = 0
    for failure in failures:
        readings = facts.telemetry[facts.telemetry["device_id"] == failure.device_id]
        broken_ns = int(readings.loc[readings["health_percent"] <= FAULTY_ABOVE_PERCENT, "time_ns"].min())
        failed_ns = failed_at_ns(facts, failure.device_id, broken_ns)
        if failed_ns is None:
            continue
        said = facts.predictions[facts.predictions["device_id"] == failure.device_id]
        left_hours = (failed_ns - said["time_ns"]) / NS_PER_HOUR
        lower, upper = said["rul_lower_hours"], said["rul_upper_hours"]
        judged = lower.notna() & upper.notna() & (left_hours >= 0)
        told += int(judged.sum())
        held += int((judged & (lower <= left_hours) & (left_hours <= upper)).sum())
    return told, held


def _while_healthy(facts: FleetFacts, marked: "pd.Series[bool]") -> int:
    """How many of the marked predictions belong to readings of pumps that were HEALTHY."""
    truth = facts.telemetry[["device_id", "time_ns", "health_percent"]]
    joined = facts.predictions.loc[marked, ["device_id", "time_ns"]].merge(truth, on=["device_id", "time_ns"])
    return int((joined["health_percent"] > HEALTHY_ABOVE_PERCENT).sum())


def _sensors(facts: FleetFacts) -> tuple[CalledSensor, ...]:
    """Those called most often first."""
    called = facts.predictions.dropna(subset="sensor_fault").groupby(["device_id", "sensor_fault"]).size().reset_index()
    lying = lying_sensors(facts.truth)
    found = [
        CalledSensor(device, channel, count, (device, channel) in lying if facts.truth else None)
        for device, channel, count in called.to_numpy().tolist()
    ]
    return tuple(sorted(found, key=lambda sensor: (-sensor.readings, sensor.device_id, sensor.channel)))
