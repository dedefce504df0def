"""`pdmctl simulate`: pumps that do not exist, on the real broker."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final

import msgspec
import typer

from pdm_platform.contract.errors import PdmError, SettingsError
from pdm_platform.contract.times import iso_of, time_ns_of
from pdm_platform.runtime.mqtt import Link
from pdm_platform.runtime.settings import PlatformSettings
from simulators.chaos import DISTURBANCES, USUAL
from simulators.plans import FleetPlan, LivesPlan, parse_chaos, parse_sensor_faults
from simulators.publisher import publish_lives, run_fleet
from simulators.sensors import SENSOR_FAULTS
from simulators.speeds import Speed
from simulators.tally import FleetProgress

app = typer.Typer(no_args_is_help=True, help="Simulate pumps that publish over MQTT, as real ones would.")
_CONNECT_S: Final = 30.0
# after a signal, publishing that waits for a broker that is away is given up
_GRACE_S: Final = 3.0

CHAOS_HELP: Final = (
    f"NAME:PROBABILITY:READINGS, repeatable, in place of the usual: {', '.join(DISTURBANCES)}. Begins with the"
    " probability at each reading of a chaos pump."
)
SENSOR_HELP: Final = f"The same for a sensor that lies: {', '.join(SENSOR_FAULTS)}."

Seed = Annotated[int, typer.Option(help="The same seed gives the same pumps, wear and noise.")]


@contextmanager
def _told() -> Iterator[None]:
    """PdmError becomes a message and exit code 1."""
    try:
        yield
    except PdmError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None


@contextmanager
def _connected(settings: PlatformSettings, purpose: str) -> Iterator[tuple[Link, threading.Event]]:
    """A link to the broker, and the event that SIGINT and SIGTERM set."""
    stop = threading.Event()
    # the process id: two simulators side by side must not push each other out
    link = Link(settings, f"pdm-simulate-{purpose}-{os.getpid()}", persistent=False)

    def ask_to_stop(_signal: int, _frame: FrameType | None) -> None:
        stop.set()
        giving_up = threading.Timer(_GRACE_S, link.stop, kwargs={"flush_s": 0.0})
        giving_up.daemon = True
        giving_up.start()

    before: dict[signal.Signals, Any] = {}
    try:
        link.start()
        link.wait_ready(_CONNECT_S)
        # only now: until then nothing is under way and a signal may simply end the process
        before = {number: signal.signal(number, ask_to_stop) for number in (signal.SIGINT, signal.SIGTERM)}
        yield link, stop
    finally:
        link.stop()
        for number, handler in before.items():
            signal.signal(number, handler)


def _midnight_ns() -> int:
    return time_ns_of(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0).isoformat())


def _print_line(summary: object) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(summary) + b"\n")
    sys.stdout.flush()


@app.command()
def training(
    seed: Seed = 7,
    lives: Annotated[str, typer.Option(help="How many lives at each speed.")] = str(LivesPlan()),
    sensor_fault_share: Annotated[
        float, typer.Option(help="Of the lives, those with a lying sensor for a while.")
    ] = 0.35,
    disturbance_share: Annotated[float, typer.Option(help="Of the lives, those with a passing disturbance.")] = 0.35,
    window_end: Annotated[str, typer.Option(help="ISO time all lives end by; default: today 00:00 UTC.")] = "",
    resume: Annotated[Path | None, typer.Option(help="File that remembers how far it came.")] = None,
) -> None:
    """Publish whole labelled lives, from new to failed, for training.

    The lives lie in the two days before the end of the window. The same seed, plan and end give the same points, so a
    second run adds nothing to the store. Prints one JSON line at the end; exit code 1 where the plan is not complete.

    Examples, the last of a campaign that goes on where it was interrupted:

      pdmctl simulate training

      pdmctl simulate training --seed 8 --lives stress:60,nominal:4 --sensor-fault-share 0

      pdmctl simulate training --resume var/campaign.json
    """
    with _told():
        settings, plan = (
            PlatformSettings.load(),
            LivesPlan.parse(
                lives, seed=seed, sensor_fault_share=sensor_fault_share, disturbance_share=disturbance_share
            ),
        )
        end_ns = time_ns_of(window_end) if window_end else _midnight_ns()
        typer.echo(f"publishing {plan} with seed {seed}, ending by {iso_of(end_ns)}", err=True)
        with _connected(settings, "training") as (link, stop):
            campaign = publish_lives(
                link, settings.topics, plan, window_end_ns=end_ns, progress=_Percent(), resume=resume, stop=stop
            )
        _print_line(campaign)
        if not campaign.complete:
            again = " The same command goes on from there." if resume else " --resume FILE would let it go on."
            typer.echo(f"stopped after {campaign.readings} of {campaign.planned} readings.{again}", err=True)
            raise typer.Exit(1)


class _Percent:
    """Progress in steps of ten percent."""

    def __init__(self) -> None:
        self._shown = -1

    def __call__(self, done: int, planned: int) -> None:
        tenth = 10 * done // planned
        if tenth > self._shown:
            self._shown = tenth
            typer.echo(f"{done:>9,} of {planned:,} readings acknowledged", err=True)


@app.command()
def production(
    pumps: Annotated[int, typer.Option(help="Pumps in the fleet.")] = 24,
    speed: Annotated[Speed, typer.Option(help="Interval, and life of the failing pumps.")] = Speed.STRESS,
    interval_s: Annotated[float | None, typer.Option(help="Seconds between readings; default: the speed's.")] = None,
    failing: Annotated[int, typer.Option(help="Pumps that wear out now; the others live at nominal length.")] = 5,
    chaos_pumps: Annotated[int, typer.Option(help="Pumps that meet disturbances and sensor faults.")] = 1,
    chaos: Annotated[list[str] | None, typer.Option(help=CHAOS_HELP)] = None,
    sensor_fault: Annotated[list[str] | None, typer.Option(help=SENSOR_HELP)] = None,
    wearing: Annotated[bool, typer.Option(help="Without it no pump wears at all: every alarm is a false one.")] = True,
    seed: Seed = 7,
    stagger_s: Annotated[float, typer.Option(help="Seconds between the starts of failing pumps.")] = 1.5,
    repair_after_s: Annotated[float | None, typer.Option(help="Failed pumps are repaired after so long.")] = None,
    heatwave: Annotated[bool, typer.Option("--heatwave", help="15 °C more on every pump, all the time.")] = False,
    duration_s: Annotated[float | None, typer.Option(help="Stop after so long; default: at Ctrl-C.")] = None,
    resume: Annotated[Path | None, typer.Option(help="File that remembers how far the fleet has come.")] = None,
    truth: Annotated[Path | None, typer.Option(help="Append what really happened, as JSON lines.")] = None,
) -> None:
    """Publish a live fleet in real time.

    What was late is made up for. A pump that has failed stands still. Prints one JSON line at the end, with what really
    happened; exit code 1 where the broker did not acknowledge everything.

    Examples, the first with 24 pumps of which 5 fail within minutes:

      pdmctl simulate production

      pdmctl simulate production --interval-s 0.2 --duration-s 60 | jq .published

      pdmctl simulate production --resume var/fleet.json

      pdmctl simulate production --repair-after-s 30 --truth var/truth.jsonl

      pdmctl simulate production --pumps 200 --speed nominal --failing 0 --heatwave

      pdmctl simulate production --chaos-pumps 24 --chaos voltage_drop:0.001:20 --sensor-fault drift:0.002:60

      pdmctl simulate production --failing 0 --no-wearing
    """
    with _told():
        settings, report = PlatformSettings.load(), _Lines(truth)
        plan = FleetPlan(
            pumps=pumps, speed=speed, interval_s=interval_s, failing=failing, chaos_pumps=chaos_pumps, seed=seed,
            stagger_s=stagger_s, repair_after_s=repair_after_s, heatwave=heatwave, wearing=wearing,
            chaos=USUAL if chaos is None else parse_chaos(chaos), sensor_faults=parse_sensor_faults(sensor_fault or ()),
        )  # fmt: skip
        with _connected(settings, "production") as (link, stop):
            done = run_fleet(
                link, settings.topics, plan, stop=stop, duration_s=duration_s, report=report, resume=resume
            )
        _print_line(done)
        if not done.acknowledged:
            typer.echo("the broker did not acknowledge all that was published", err=True)
            raise typer.Exit(1)


class _Lines:
    """A line of progress every few seconds, and each event as it happens."""

    _EVERY = 5

    def __init__(self, truth: Path | None) -> None:
        self._truth = truth
        self._calls = 0
        if truth is not None:
            try:
                truth.parent.mkdir(parents=True, exist_ok=True)
                truth.touch()
            except OSError as error:
                raise SettingsError(f"--truth {str(truth)!r} cannot be written: {error.strerror}") from None

    def __call__(self, progress: FleetProgress) -> None:
        if self._truth is not None and progress.events:
            with self._truth.open("ab") as file:
                file.writelines(msgspec.json.encode(event) + b"\n" for event in progress.events)
        for event in progress.events:
            typer.echo(f"{iso_of(event.time_ns)} {event.device_id} {event.kind} {event.detail}", err=True)
        if self._calls % self._EVERY == 0:
            typer.echo(
                f"{progress.published:>9,} readings, {progress.per_second:,.0f}/s, "
                f"{progress.running} of {progress.pumps} pumps running",
                err=True,
            )
        self._calls += 1
