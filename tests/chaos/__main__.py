"""Nothing that the broker has acknowledged is lost, nor stored twice: tried on real processes.

Publishers send numbered readings of 200 devices at QoS 1, half of them without a time of their own. Meanwhile broker,
bridge and store are killed, frozen, restarted and cut off, at moments and for times that follow from the seed. In the
end what is stored is compared with what was acknowledged.

    python -m tests.chaos                                             # NATS and SQLite, 200,000 readings, 10 faults
    python -m tests.chaos --broker mosquitto --store influxdb --readings 1000000 --faults 30
    python -m tests.chaos --seed 4711                                 # the same faults as the run that printed 4711

Exit code 0: all that was acknowledged is stored, each once. 1: something was lost or doubled; it is listed with the
fault that came before it. 2: the run itself failed. A line a second on stderr, the verdict on stdout. A killed
Mosquitto loses what it had not saved: that is counted apart, and only what the time since its last save explains.
"""

import random
import shutil
import sys
import tempfile
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tests.chaos.faults import What
from tests.chaos.run import Order, Outcome, Progress, run

BAR_WIDTH = 24
KINDS = ", ".join(f'"{what}"' for what in What)


class Broker(StrEnum):
    """Which broker."""

    NATS = "nats"
    MOSQUITTO = "mosquitto"


class Store(StrEnum):
    """Which store."""

    SQLITE = "sqlite"
    INFLUXDB = "influxdb"


class Teller:
    """A line a second on stderr; on a terminal always the same one."""

    def __init__(self, faults: int) -> None:
        self._faults = faults
        self._told_s = 0.0

    def __call__(self, progress: Progress) -> None:
        """Tell, where a second has passed."""
        now_s = time.monotonic()
        if now_s - self._told_s < 1.0:
            return
        self._told_s = now_s
        done = progress.acknowledged / progress.readings
        bar = "#" * int(BAR_WIDTH * done)
        end = "\r" if sys.stderr.isatty() else "\n"
        print(
            f"[{bar:<{BAR_WIDTH}}] {done:4.0%}  {progress.elapsed_s:4.0f} s  acknowledged {progress.acknowledged:>9,}"
            f"  stored {progress.stored:>9,}  sent again {progress.sent_again:>6,}"
            f"  faults {progress.faults_begun} of {self._faults}, {progress.under_way} now ",
            end=end,
            file=sys.stderr,
            flush=True,
        )


def main(
    broker: Annotated[
        Broker, typer.Option(help="the embedded NATS server, or Debian's Mosquitto as shipped")
    ] = Broker.NATS,
    store: Annotated[Store, typer.Option(help="SQLite, or an influxd 2.9 that is on PATH")] = Store.SQLITE,
    readings: Annotated[int, typer.Option(min=1_000, help="how many, in all")] = 200_000,
    faults: Annotated[int, typer.Option(min=0, help="how many, one in each equal part of the run")] = 10,
    seed: Annotated[int | None, typer.Option(help="of the faults; drawn and printed where none is given")] = None,
    rate: Annotated[float, typer.Option(min=1.0, help="readings a second, at most")] = 8_000.0,
    longest: Annotated[float, typer.Option(min=0.4, help="no fault lasts much longer than these seconds")] = 10.0,
    only: Annotated[
        list[What] | None, typer.Option(help="choose from these faults; may be given several times")
    ] = None,
    keep: Annotated[Path | None, typer.Option(help="empty folder for the run's files and logs, which stay")] = None,
) -> None:
    """See the head of this file."""
    drawn = random.randrange(10**6) if seed is None else seed
    order = Order(broker, store, readings, faults, drawn, rate, longest, only)
    print(f"{broker}, {store}: {readings:,} readings, {faults} faults, seed {order.seed}", flush=True)
    folder = keep or Path(tempfile.mkdtemp(prefix="pdm-chaos-"))
    try:
        outcome = run(order, folder, Teller(faults))
    except Exception as error:
        print(f"the run failed, its files are in {folder}: {type(error).__name__}: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    report(outcome)
    if not outcome.verdict.good:
        print(f"files and logs are kept in {folder}; again: --seed {order.seed}")
        raise typer.Exit(1)
    if keep is None:
        shutil.rmtree(folder)


def report(outcome: Outcome) -> None:
    """The verdict with its figures."""
    for fault in outcome.faults:
        print(f"  {fault}")
    progress = outcome.progress
    rate_hz = progress.readings / progress.published_s
    print(f"acknowledged within {progress.published_s:.0f} s, {rate_hz:,.0f} a second; at rest after", end=" ")
    print(f"{progress.elapsed_s:.0f} s; {progress.sent_again:,} sent again")
    for line in outcome.verdict.lines():
        print(line)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    # the mark keeps the lines of the examples apart
    app.command(help=str(__doc__).replace("\n\n    ", "\n\n\b\n    "))(main)
    app()
