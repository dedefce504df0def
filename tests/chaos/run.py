"""One run: publish, let faults happen at their moments, wait until all has settled, judge."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pdm_platform.contract.errors import StoreError
from tests.chaos.faults import Fault, What, schedule
from tests.chaos.ledger import DEVICES, Ledger
from tests.chaos.plant import Plant, running_plant
from tests.chaos.publishers import Publishers
from tests.chaos.strikes import Strikes, kinds_of
from tests.chaos.verdict import Verdict, judge

# Far below the 800,000 messages that Mosquitto keeps for a service: beyond them it acknowledges and drops.
_MOST_WAITING: Final = 200_000
_SLOWEST_HZ: Final = 500.0
_GRACE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Order:
    """What to run. kinds: the faults to choose from, None for all that are possible."""

    broker: str
    store: str
    readings: int
    faults: int
    seed: int
    rate_hz: float = 8_000.0
    longest_s: float = 10.0
    kinds: Sequence[What] | None = None


@dataclass(slots=True)
class Progress:
    """How far a run is."""

    readings: int
    acknowledged: int = 0
    stored: int = 0
    sent_again: int = 0
    faults_begun: int = 0
    under_way: int = 0
    elapsed_s: float = 0.0
    published_s: float = 0.0
    _began_s: float = field(default_factory=time.monotonic)

    def tick(self) -> None:
        """Take the time."""
        self.elapsed_s = time.monotonic() - self._began_s


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict, the faults that came to pass and what it took."""

    verdict: Verdict
    faults: Sequence[Fault]
    progress: Progress


def run(order: Order, folder: Path, tell: Callable[[Progress], None] = lambda _: None) -> Outcome:
    """Run it with all files in `folder`. Fails where the plant cannot be run or does not come to rest."""
    ledger = Ledger(-(-order.readings // DEVICES))
    with running_plant(folder, order.broker, order.store, ledger.readings) as plant:
        progress = Progress(ledger.readings)
        kinds = order.kinds or kinds_of(plant)
        faults = schedule(
            order.seed, readings=ledger.readings, faults=order.faults, kinds=kinds, longest_s=order.longest_s
        )
        strikes = Strikes(plant)
        _publish(order, plant, ledger, faults, strikes, progress, tell)

        def stored(count: int) -> None:
            progress.stored = count
            progress.tick()
            tell(progress)

        plant.settle(int(ledger.acknowledged.sum()), stored)
        verdict = judge(ledger, plant.rows(), strikes.done, saves_every_s=plant.saves_every_s)
    return Outcome(verdict, faults, progress)


def _publish(
    order: Order,
    plant: Plant,
    ledger: Ledger,
    faults: Sequence[Fault],
    strikes: Strikes,
    progress: Progress,
    tell: Callable[[Progress], None],
) -> None:
    """Until all is acknowledged and all faults are over."""
    publishers = Publishers(plant.settings, ledger, order.rate_hz)
    deadline_s = time.monotonic() + _GRACE_S + ledger.readings / _SLOWEST_HZ
    due = list(faults)
    try:
        with publishers.running(), _watched(plant, progress):
            while publishers.alive or strikes.under_way:
                assert time.monotonic() < deadline_s, f"not acknowledged in time: {progress}"
                progress.acknowledged, progress.sent_again = publishers.acknowledged, publishers.sent_again
                while due and due[0].after <= progress.acknowledged:
                    strikes.begin(due.pop(0))
                if progress.acknowledged - progress.stored > _MOST_WAITING:
                    publishers.hold.set()
                else:
                    publishers.hold.clear()
                progress.faults_begun, progress.under_way = len(faults) - len(due), strikes.under_way
                progress.tick()
                tell(progress)
                time.sleep(0.02)
    finally:
        strikes.join()
    progress.acknowledged, progress.published_s = publishers.acknowledged, progress.elapsed_s
    assert publishers.acknowledged == ledger.readings, "a publisher has ended before all was acknowledged"


@contextmanager
def _watched(plant: Plant, progress: Progress) -> Iterator[None]:
    """Keeps the count of what is stored, as far as the store answers."""
    stop = threading.Event()

    def watch() -> None:
        while not stop.is_set():
            began_s = time.monotonic()
            try:
                progress.stored = plant.count()
            except StoreError:
                # it is one of the faults: the last count stands
                stop.wait(1.0)
            stop.wait(max(2.0, 10 * (time.monotonic() - began_s)))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
