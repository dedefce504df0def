"""A fleet in real time: which pump sends what, when. No clock and no I/O: the time comes in as an argument."""

import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.times import NS_PER_MS, iso_of
from simulators import chaos
from simulators.draws import Stream, uniforms
from simulators.encoding import telemetry_payloads
from simulators.plans import FleetPlan
from simulators.pump import FAILURE_MODES, Fleet, IntArray, Readings
from simulators.speeds import SPEEDS, Speed

# no number of a training life, so that the live pumps are pumps no model has seen
_FIRST_NUMBER: Final = 1_000_000
_NEVER_MS: Final = 2**62
# Older readings are given up after an outage or a suspended machine: their backlog would bury the present.
CATCH_UP_MS: Final = 300_000


class EventKind(StrEnum):
    """What really happened to a pump."""

    GLITCH = "vibration_glitch"
    HEATWAVE = "heatwave"
    FAILURE = "failure"
    REPAIR = "repair"


@dataclass(frozen=True, slots=True)
class Event:
    """Ground truth to judge a run against.

    step: reading of the pump's present life. detail: the failure mode, or the disturbance's size.
    """

    kind: EventKind
    device_id: str
    time_ns: int
    step: int
    detail: str


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
        rank = np.argsort(np.argsort(uniforms(plan.seed, Stream.BUILD, number, 1)[:, 0], kind="stable"))
        failing = rank < plan.failing
        self._chaotic = rank >= count - plan.chaos_pumps
        short, long = SPEEDS[plan.speed], SPEEDS[Speed.NOMINAL]
        self._interval_ms = max(1, round(plan.pace_s * 1_000))
        self._fleet = Fleet.build(
            plan.seed,
            number=number,
            shortest=np.where(failing, short.min_readings, long.min_readings),
            longest=np.where(failing, short.max_readings, long.max_readings),
            interval_s=np.full(count, self._interval_ms / 1_000),
        )
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
        readings = self._measure(pumps, steps, due_ms, events)
        names = [self.device_ids[pump] for pump in pumps]
        payloads = telemetry_payloads(
            names,
            readings,
            measurement_id=self._sequence[pumps],
            time_ms=due_ms,
            last_maintenance=[self._maintained[pump] for pump in pumps],
        )
        self._advance(pumps)
        self._fail(pumps[self._step[pumps] >= self._fleet.life.readings[pumps]], events)
        return Batch(names, payloads, events)

    def _measure(self, pumps: IntArray, steps: IntArray, due_ms: IntArray, events: list[Event]) -> Readings:
        readings = self._fleet.readings(pumps, steps)
        chaotic = self._chaotic[pumps]
        if not (chaotic.any() or self._plan.heatwave):
            return readings
        starts = chaos.spell_starts(self._fleet, pumps, steps)
        glitch = chaotic & chaos.glitches(self._fleet, pumps, steps)
        heat = chaotic & chaos.heated(steps, starts)
        begins = chaotic & (steps == starts)
        for flags, kind, detail in (
            (glitch, EventKind.GLITCH, f"{chaos.GLITCH_MM_S:g} mm/s"),
            (begins, EventKind.HEATWAVE, f"+{chaos.HEATWAVE_C:g} °C for {chaos.SPELL_READINGS} readings"),
        ):
            events += self._events(kind, pumps[flags], due_ms[flags], steps[flags], [detail] * int(flags.sum()))
        warmer = chaos.disturb(readings.channels, glitch=glitch, heat=heat | self._plan.heatwave)
        return Readings(warmer, readings.health_percent, readings.rul_hours, readings.failure_mode)

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
        return self._events(EventKind.REPAIR, pumps, self._due_ms[pumps], self._step[pumps], [""] * len(pumps))

    def _events(
        self, kind: EventKind, pumps: NDArray[np.int64], time_ms: IntArray, steps: IntArray, details: list[str]
    ) -> list[Event]:
        return [
            Event(kind, self.device_ids[pump], int(moment) * NS_PER_MS, int(step), detail)
            for pump, moment, step, detail in zip(pumps, time_ms, steps, details, strict=True)
        ]
