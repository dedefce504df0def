"""Publishing what is simulated, at QoS 1: a campaign of labelled lives, or a live fleet in real time."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from pdm_platform.contract.errors import BrokerError, SettingsError
from pdm_platform.contract.measurements import Window
from pdm_platform.contract.times import NS_PER_MS
from pdm_platform.contract.topics import Kind, Topics
from pdm_platform.runtime.mqtt import Link
from simulators.checkpoint import Checkpoint, FleetCheckpoint
from simulators.live import LiveFleet
from simulators.lives import Lives
from simulators.plans import FleetPlan, LivesPlan
from simulators.tally import REPORT_EVERY_S, FleetProgress, FleetReport, Tally

# Handing over this many and then waiting for them is faster than a full window all the time (16 k/s against 10 k/s
# with a subscriber, on two cores): the network thread then has the interpreter to itself.
_BATCH: Final = 500
_SAVE_EVERY_S: Final = 0.5
_PATIENCE_S: Final = 60.0
# one wait for several readings that are due close together
_TICK_S: Final = 0.01
_FOREVER_S: Final = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What the broker has acknowledged of a plan.

    readings: acknowledged, earlier interrupted runs of the same campaign included. planned: of the whole plan.
    window: spans the whole plan. counts: acknowledged readings of each device.
    """

    seed: int
    plan: str
    window: Window
    readings: int
    planned: int
    counts: dict[str, int]

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of all devices of the plan."""
        return tuple(self.counts)

    @property
    def complete(self) -> bool:
        """Every reading of the plan is at the broker."""
        return self.readings == self.planned


def publish_lives(
    link: Link,
    topics: Topics,
    plan: LivesPlan,
    *,
    window_end_ns: int,
    progress: Callable[[int, int], None] | None = None,
    resume: Path | None = None,
    stop: threading.Event | None = None,
) -> Campaign:
    """Publish whole labelled lives that end by window_end_ns, in the order of event time; return once acknowledged.

    progress: called with (acknowledged, planned). resume: file that remembers how far the campaign came; it is removed
    at the end. stop: ends the campaign early, after what was handed over. The same arguments send the same bytes.
    Raises BrokerError where the broker acknowledges nothing for a minute, SettingsError for a file that does not fit.
    """
    stop = stop or threading.Event()
    lives = Lives.lay_out(plan, window_end_ns)
    shares = f"{plan.sensor_fault_share:g},{plan.disturbance_share:g}"
    campaign: dict[str, str | int] = {"plan": str(plan), "seed": plan.seed, "shares": shares}
    checkpoint = Checkpoint(resume, campaign | {"window_end_ns": window_end_ns})
    done, saved_s = checkpoint.load(len(lives)), time.monotonic()
    batch = lives.messages(topics, done, done + _BATCH)
    while batch and not stop.is_set():
        for topic, payload in batch:
            link.publish(topic, payload)
        # encoded while the broker acknowledges
        upcoming = lives.messages(topics, done + len(batch), done + len(batch) + _BATCH)
        if not _acknowledged(link, stop):
            break
        done, batch = done + len(batch), upcoming
        if time.monotonic() - saved_s > _SAVE_EVERY_S:
            checkpoint.save(done)
            saved_s = time.monotonic()
        if progress is not None:
            progress(done, len(lives))
    checkpoint.save(done) if done < len(lives) else checkpoint.clear()
    return Campaign(
        seed=plan.seed, plan=str(plan), window=lives.window, readings=done, planned=len(lives),
        counts=lives.counts(done),
    )  # fmt: skip


def _acknowledged(link: Link, stop: threading.Event) -> bool:
    deadline_s = time.monotonic() + _PATIENCE_S
    while not link.flush(0.2):
        link.check()
        if stop.is_set():
            return link.flush(2.0)
        if time.monotonic() > deadline_s:
            raise BrokerError(
                f"the broker has not acknowledged {_BATCH} readings for {_PATIENCE_S:g} s",
                hint="Is it running, and is its disk full? `pdmctl doctor` tells.",
            )
    return True


def run_fleet(
    link: Link,
    topics: Topics,
    plan: FleetPlan,
    *,
    stop: threading.Event,
    duration_s: float | None = None,
    report: Callable[[FleetProgress], None] | None = None,
    resume: Path | None = None,
) -> FleetReport:
    """Publish a live fleet until `stop`, for duration_s, or until every pump has failed for good.

    report: called about once a second and at the end, each time with the events since.
    resume: a file that remembers how far the fleet has come. The same pumps go on where they were; what was under way
    is sent again as the same readings. While the broker is away nothing piles up: readings are made up for afterwards.
    Raises BrokerRefusedError where the broker refuses, SettingsError for a duration or resume file that cannot be.
    """
    if duration_s is not None and not 0 < duration_s <= _FOREVER_S:
        raise SettingsError(f"a duration of {duration_s} s cannot be: above 0 to 1e9 s")
    now_ms = time.time_ns() // NS_PER_MS
    end_ms = now_ms + round((duration_s or _FOREVER_S) * 1_000)
    checkpoint = FleetCheckpoint(resume, str(plan))
    start_ms, until_ms = checkpoint.load() or (now_ms, 0)
    live = LiveFleet(plan, start_ms)
    live.live_through(until_ms, stop)
    tally = Tally(live, report)
    _publish_due(
        link, topics, live, tally, stop, end_ms, partial(checkpoint.save, start_ms) if resume is not None else None
    )
    acknowledged = link.flush(2.0 if stop.is_set() else 10.0)
    if acknowledged and (next_due_ms := live.next_due_ms) is not None:
        checkpoint.save(start_ms, next_due_ms - 1)
    return tally.summary(plan.seed, start_ms, acknowledged)


def _publish_due(
    link: Link,
    topics: Topics,
    live: LiveFleet,
    tally: Tally,
    stop: threading.Event,
    end_ms: int,
    remember: Callable[[int], None] | None,
) -> None:
    """Hand over readings as they fall due, until `stop`, end_ms, or until every pump has failed for good.

    remember: called about once a second with the time up to which all is acknowledged, in epoch ms.
    """
    topic_of = {device: topics.of(Kind.TELEMETRY, device) for device in live.device_ids}
    next_save_s = time.monotonic()
    while not stop.is_set() and (due_ms := live.next_due_ms) is not None and due_ms < end_ms:
        now_ms = time.time_ns() // NS_PER_MS
        link.check()
        tally.tell(now_ms)
        if not link.ready:
            if now_ms >= end_ms:
                break
            stop.wait(0.1)
        elif batch := live.take(min(now_ms, end_ms - 1)):
            for device, payload in zip(batch.device_ids, batch.payloads, strict=True):
                link.publish(topic_of[device], payload)
            tally.add(batch)
        else:
            if remember is not None and time.monotonic() >= next_save_s and link.flush(_TICK_S):
                remember(due_ms - 1)
                next_save_s = time.monotonic() + REPORT_EVERY_S
            stop.wait(min(max((due_ms - now_ms) / 1_000, _TICK_S), REPORT_EVERY_S))
