"""A fleet in real time: which pump sends what, when. No clock and no I/O: the time comes in as an argument."""

import threading
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import numpy as np

from pdm_platform.contract.times import NS_PER_MS, iso_of
from simulators.chaos import DETAILS, DISTURBANCES
from simulators.draws import Stream, uniforms
from simulators.encoding import behind_ms, telemetry_payloads
from simulators.episodes import ByRules, Episode, Keys
from simulators.plans import FleetPlan
from simulators.pump import DRAWN, FAILURE_MODES, Fleet, IntArray
from simulators.sensors import CHANNEL_LABELS, SENSOR_FAULTS, fault_channels
from simulators.speeds import Speed

# no number of a training life, so that the live pumps are pumps no model has seen
_FIRST_NUMBER: Final = 1_000_000
_NEVER_MS: Final = 2**62
# Older readings are given up after an outage or a suspended machine: their backlog would bury the present.
CATCH_UP_MS: Final = 300_000


class EventKind(StrEnum):
    """What really happened to a pump: a disturbance by its name in `Disturbance`, or else."""

    HEATWAVE = "heatwave"
    MECHANICAL_SPIKE = "mechanical_spike"
    CAVITATION = "cavitation"
    VOLTAGE_DROP = "voltage_drop"
    SENSOR_FREEZE = "sensor_freeze"
    SENSOR_FAULT = "sensor_fault"
    FAILURE = "failure"
    REPAIR = "repair"


@dataclass(frozen=True, slots=True)
class Event:
    """Ground truth to judge a run against.

    step: reading of the pump's present life. detail: the failure mode, the `channel:kind` of a sensor fault, what the
    disturbance does, or the quality of the repair. readings: how many it lasts, 0 for a moment.
    """

    kind: EventKind
    device_id: str
    time_ns: int
    step: int
    detail: str
    readings: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings that are due: n device ids and payloads, and what happened with them."""

    device_ids: list[str]
    payloads: list[bytes]
    events: list[Event]


class LiveFleet:
    """Pumps on an absolute schedule, from `start_ms` (epoch ms) on: reading k of a pump is due at start + k * interval.

    A reading carries the time at which it was due, however late it is fetched, so times of one pump never repeat.
    What is late is made up for; readings more than five minutes late are `skipped`, and show as gaps in their sequence.
    """

    def __init__(self, plan: FleetPlan, start_ms: int) -> None:
        self._plan = plan
        count = plan.pumps
        number = _FIRST_NUMBER + np.arange(count)
        # by a draw, so that names do not give away which pumps will fail
        rank = np.argsort(np.argsort(uniforms(plan.seed, Stream.RANK, number, 0)[:, 0], kind="stable"))
        failing = rank < plan.failing
        chaotic = rank >= count - plan.chaos_pumps
        self._interval_ms = max(1, round(plan.pace_s * 1_000))
        fleet = Fleet.build(
            plan.seed,
            number=number,
            speed=np.where(failing, list(Speed).index(plan.speed), list(Speed).index(Speed.NOMINAL)),
            interval_s=np.full(count, self._interval_ms / 1_000),
            # the few that fail fail of different causes
            mode=np.where(failing, (rank + plan.seed % len(FAILURE_MODES)) % len(FAILURE_MODES), DRAWN),
            wearing=np.full(count, plan.wearing),
        )
        self._chaos = ByRules(Stream.CHAOS, plan.chaos, chaotic)
        self._faults = ByRules(Stream.SENSOR, plan.sensor_faults, chaotic)
        self._fleet = replace(fleet, chaos=self._chaos, faults=self._faults, warmer=plan.heatwave)
        phase_ms = np.arange(count) * self._interval_ms // count
        self._due_ms = start_ms + phase_ms + np.where(failing, rank * round(plan.stagger_s * 1_000), 0)
        self._step = np.zeros(count, dtype=np.int64)
        self._sequence = np.zeros(count, dtype=np.int64)
        self._broken = np.zeros(count, dtype=np.bool_)
        self._maintained: list[str | None] = [None] * count
        self.device_ids = tuple(f"pump-{index + 1:03d}" for index in range(count))
        self.skipped = 0

    @property
    def next_due_ms(self) -> int | None:
        """When the next reading is due; None where every pump stands still for good."""
        due = int(self._due_ms.min())
        return None if due >= _NEVER_MS else due

    @property
    def running(self) -> int:
        """Pumps that have not failed."""
        return int((~self._broken).sum())

    def live_through(self, until_ms: int, stop: threading.Event) -> None:
        """Let the fleet age until then, without a reading to publish: it was published in an earlier run."""
        while not stop.is_set() and (due_ms := self.next_due_ms) is not None and due_ms <= until_ms:
            self.take(min(until_ms, due_ms + self._interval_ms - 1))

    def take(self, now_ms: int) -> Batch | None:
        """At most one reading of each pump, of those due by now; None where none is."""
        pumps = np.flatnonzero(self._due_ms <= now_ms)
        if not len(pumps):
            return None
        events = self._repair(pumps[self._broken[pumps]])
        self._skip(pumps, now_ms)
        steps, due_ms = self._step[pumps], self._due_ms[pumps]
        readings = self._fleet.readings(pumps, steps)
        events += self._begun(pumps, steps, due_ms)
        names = [self.device_ids[pump] for pump in pumps]
        payloads = telemetry_payloads(
            names,
            readings,
            measurement_id=self._sequence[pumps],
            time_ms=due_ms - behind_ms(readings),
            last_maintenance=[self._maintained[pump] for pump in pumps],
        )
        self._advance(pumps)
        self._fail(pumps[self._step[pumps] >= self._fleet.life.readings[pumps]], events)
        return Batch(names, payloads, events)

    def _begun(self, pumps: IntArray, steps: IntArray, due_ms: IntArray) -> list[Event]:
        """Events of the episodes that begin with these readings."""
        keys = self._fleet.keys(pumps)
        events: list[Event] = []
        for schedule in (self._chaos, self._faults):
            for episode in schedule.at(keys, pumps, steps):
                kind, details = self._told(schedule, episode, keys)
                begins = steps[episode.row] == episode.since
                rows = episode.row[begins]
                lasting = episode.length[begins]
                chosen = [detail for detail, now in zip(details, begins, strict=True) if now]
                events += self._events(kind, pumps[rows], due_ms[rows], steps[rows], chosen, lasting)
        return events

    def _told(self, schedule: ByRules, episode: Episode, keys: Keys) -> tuple[EventKind, list[str]]:
        if schedule is self._chaos:
            disturbance = DISTURBANCES[episode.kind]
            return EventKind(disturbance), [DETAILS[disturbance]] * len(episode.row)
        channels, _ = fault_channels(episode, keys)
        kind = SENSOR_FAULTS[episode.kind]
        return EventKind.SENSOR_FAULT, [f"{CHANNEL_LABELS[channel]}:{kind}" for channel in channels]

    def _advance(self, pumps: IntArray) -> None:
        self._step[pumps] += 1
        self._sequence[pumps] += 1
        self._due_ms[pumps] += self._interval_ms

    def _skip(self, pumps: IntArray, now_ms: int) -> None:
        late_ms = now_ms - self._due_ms[pumps]
        missed = np.where(late_ms > CATCH_UP_MS, late_ms // self._interval_ms, 0)
        # the failure itself is never given up
        kept = np.minimum(self._step[pumps] + missed, self._fleet.life.readings[pumps] - 1)
        self._step[pumps] = kept
        self._sequence[pumps] += missed
        self._due_ms[pumps] += missed * self._interval_ms
        self.skipped += int(missed.sum())

    def _fail(self, pumps: IntArray, events: list[Event]) -> None:
        failed_ms = self._due_ms[pumps] - self._interval_ms
        modes = [FAILURE_MODES[index] for index in self._fleet.life.pattern[pumps]]
        events += self._events(EventKind.FAILURE, pumps, failed_ms, self._step[pumps] - 1, modes)
        after_s = self._plan.repair_after_s
        self._broken[pumps] = True
        # at least one interval later, so that no two readings share their time
        rest_ms = _NEVER_MS if after_s is None else max(self._interval_ms, round(after_s * 1_000))
        self._due_ms[pumps] = np.minimum(failed_ms + rest_ms, _NEVER_MS)

    def _repair(self, pumps: IntArray) -> list[Event]:
        if not len(pumps):
            return []
        self._fleet = self._fleet.renewed(pumps)
        self._step[pumps] = 0
        self._broken[pumps] = False
        for pump in pumps:
            self._maintained[pump] = iso_of(int(self._due_ms[pump]) * NS_PER_MS)
        details = [f"quality {quality:.3f}" for quality in self._fleet.life.repair_quality[pumps]]
        return self._events(EventKind.REPAIR, pumps, self._due_ms[pumps], self._step[pumps], details)

    def _events(
        self,
        kind: EventKind,
        pumps: IntArray,
        time_ms: IntArray,
        steps: IntArray,
        details: list[str],
        lasting: IntArray | None = None,
    ) -> list[Event]:
        lasting = np.zeros(len(pumps), dtype=np.int64) if lasting is None else lasting
        return [
            Event(kind, self.device_ids[pump], int(moment) * NS_PER_MS, int(step), detail, int(readings))
            for pump, moment, step, detail, readings in zip(pumps, time_ms, steps, details, lasting, strict=True)
        ]
