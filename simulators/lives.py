"""Whole lives laid out in time: which reading of which pump comes when."""

from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from pdm_platform.contract.errors import SettingsError
from pdm_platform.contract.measurements import Window
from pdm_platform.contract.times import NS_PER_MS
from pdm_platform.contract.topics import Kind, Topics
from simulators.chaos import DISTURBANCES
from simulators.draws import Stream
from simulators.encoding import behind_ms, labelled_payloads
from simulators.episodes import OnceALife
from simulators.plans import MAX_PUMPS, LivesPlan
from simulators.pump import IN_TURN, Fleet, IntArray
from simulators.sensors import SENSOR_FAULTS
from simulators.speeds import SPEEDS

SPAN_MS: Final = 48 * 3_600_000
_GOLDEN: Final = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class Lives:
    """A campaign's readings in the order of their time.

    devices: p names. start_ms: shape (p,), epoch ms of each first reading. pump, step: shape (n,), index into devices
    and reading of that pump's life, ordered by time, then pump.
    """

    devices: tuple[str, ...]
    fleet: Fleet
    start_ms: IntArray
    window: Window
    pump: IntArray
    step: IntArray

    @classmethod
    def lay_out(cls, plan: LivesPlan, window_end_ns: int) -> Self:
        """Place each life in the two days before window_end_ns, staggered; one at each speed ends there.

        A life depends on seed, speed and its own number only: a larger plan adds lives and moves none.
        Raises SettingsError for an end that leaves no room.
        """
        end_ms = window_end_ns // NS_PER_MS
        if not SPAN_MS <= end_ms < 2**63 // NS_PER_MS:
            raise SettingsError(f"a campaign cannot end at {window_end_ns} ns: it must lie between 1970-01-03 and 2262")
        speeds = [speed for speed, count in plan.counts.items() for _ in range(count)]
        within = np.concatenate([np.arange(count) for count in plan.counts.values()])
        paces = [SPEEDS[speed] for speed in speeds]
        kind = np.array([list(SPEEDS).index(speed) for speed in speeds])
        fleet = Fleet.build(
            plan.seed,
            number=kind * MAX_PUMPS + within,
            speed=kind,
            interval_s=np.array([pace.interval_s for pace in paces]),
            # each mode in turn instead of by its odds, so that a small plan has them all
            mode=np.full(len(speeds), IN_TURN),
        )
        fleet = _with_episodes(fleet, plan)
        room_ms = SPAN_MS - fleet.life.readings * _interval_ms(fleet)
        start_ms = end_ms - SPAN_MS + room_ms - (within * _GOLDEN % 1.0 * room_ms).astype(np.int64)
        pump, step = _ordered(fleet, start_ms)
        devices = tuple(f"life-{plan.seed}-{speed}-{n:03d}" for speed, n in zip(speeds, within, strict=True))
        window = Window(int(start_ms.min()) * NS_PER_MS, window_end_ns)
        return cls(devices, fleet, start_ms, window, pump, step)

    def __len__(self) -> int:
        return len(self.pump)

    def messages(self, topics: Topics, start: int, stop: int) -> list[tuple[str, bytes]]:
        """Topic and payload of the readings from `start` to before `stop`."""
        pump, step = self.pump[start:stop], self.step[start:stop]
        names = [self.devices[index] for index in pump]
        readings = self.fleet.readings(pump, step)
        time_ms = self.start_ms[pump] + step * _interval_ms(self.fleet)[pump] - behind_ms(readings)
        payloads = labelled_payloads(names, readings, measurement_id=step, time_ms=time_ms)
        return [(topics.of(Kind.TRAINING, name), payload) for name, payload in zip(names, payloads, strict=True)]

    def counts(self, stop: int) -> dict[str, int]:
        """Readings of each device among the first `stop`."""
        per_pump = np.bincount(self.pump[:stop], minlength=len(self.devices))
        return dict(zip(self.devices, per_pump.tolist(), strict=True))


def _with_episodes(fleet: Fleet, plan: LivesPlan) -> Fleet:
    """The fleet with a disturbance, and with a lying sensor, in the planned shares of the lives."""
    who = plan.seed, fleet.number, fleet.generation, fleet.life.readings
    return replace(
        fleet,
        chaos=OnceALife.draw(Stream.CHAOS, *who, kinds=len(DISTURBANCES), share=plan.disturbance_share),
        faults=OnceALife.draw(Stream.SENSOR, *who, kinds=len(SENSOR_FAULTS), share=plan.sensor_fault_share),
    )


def _interval_ms(fleet: Fleet) -> IntArray:
    return np.asarray(np.round(fleet.interval_s * 1_000).astype(np.int64))


def _ordered(fleet: Fleet, start_ms: IntArray) -> tuple[IntArray, IntArray]:
    lengths = fleet.life.readings
    pump = np.repeat(np.arange(len(lengths)), lengths)
    step = np.arange(len(pump)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    order = np.argsort(start_ms[pump] + step * _interval_ms(fleet)[pump], kind="stable")
    return pump[order], step[order]
