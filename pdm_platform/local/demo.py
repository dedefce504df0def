"""`make demo`: the whole platform once through, on real processes, and a summary that shows what was wrong as well."""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from pdm_platform.contract.errors import PdmError, ProcessError
from pdm_platform.contract.measurements import ALL_TIME, PUMP_LABELS, PUMP_PREDICTION, PUMP_TELEMETRY
from pdm_platform.contract.times import iso_of
from pdm_platform.local.processes import interrupt_on_signals
from pdm_platform.local.report import write_report
from pdm_platform.local.stack import Stack, embedded_stack
from pdm_platform.local.summary import Summary, summarise
from pdm_platform.local.summary_text import lines_of
from pdm_platform.local.truth import read_truth
from pdm_platform.local.view import watch
from pdm_platform.local.witness import Witness
from pdm_platform.stores.registry import Registry
from pdm_platform.stores.telemetry import open_platform_store
from sensors_bridge import quarantine

_SETTLE_WITHIN_S, _SETTLED_FOR_S = 20.0, 0.3
_MODEL_WITHIN_S = 15.0
_TRUTH = "truth.jsonl"


@dataclass(frozen=True, slots=True)
class Scale:
    """How much the demo does: lives to learn from, seconds to search for settings, and the live fleet."""

    lives: str
    search_s: float
    pumps: int
    failing: int
    live_s: float
    interval_s: float


FULL = Scale("stress:240,accelerated:12,nominal:1", search_s=10.0, pumps=24, failing=5, live_s=48.0, interval_s=0.2)
# As few lives as teach enough for the gates. Without a search, whose end a busy machine would decide.
SMALL = Scale("stress:200,accelerated:8", search_s=0.0, pumps=10, failing=2, live_s=26.0, interval_s=0.12)


class Steps:
    """Prints numbered steps with the time they took."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._count = 0
        self.started_s = time.monotonic()

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One of the six, with the time it took."""
        self._count += 1
        began_s = time.monotonic()
        self._console.print(f"[bold]{self._count}/6[/] {title}")
        yield
        self.say(f"done in {time.monotonic() - began_s:.1f} s")

    def say(self, text: str) -> None:
        """An indented line below the step."""
        self._console.print(f"    {text}", highlight=False, markup=False, soft_wrap=True)


def run_demo(folder: Path, seed: int, *, small: bool) -> int:
    """Run all of it below `folder`. Returns 0 only if all of it happened; 130 when interrupted."""
    console = Console()
    interrupt_on_signals()
    home = folder.absolute() / f"run-{datetime.now(UTC):%Y%m%dT%H%M%S.%f}"
    try:
        summary = _run(console, home, seed, SMALL if small else FULL)
    except KeyboardInterrupt:
        console.print("\nstopped: every process has ended")
        return 130
    except PdmError as error:
        console.print(f"\n[red]the demo did not finish[/]; the run lies in {home}")
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        return 1
    missing = unmet(summary)
    for complaint in missing:
        console.print(f"[red]not as it must be:[/] {complaint}")
    return 1 if missing else 0


def unmet(summary: Summary) -> list[str]:
    """What a complete run must show and this one did not."""
    conditions = (
        (summary.stored == summary.published, f"stored {summary.stored}, published {summary.published}"),
        (summary.lost == 0, f"{summary.lost} readings lost"),
        (summary.duplicated == 0, f"{summary.duplicated} readings stored twice"),
        (summary.unpredicted == 0, f"{summary.unpredicted} readings without a prediction"),
        (summary.failures > 0, "no pump failed within the run"),
        (summary.failures_warned > 0, "no failure was warned of"),
    )
    return [complaint for holds, complaint in conditions if not holds]


def _run(console: Console, home: Path, seed: int, scale: Scale) -> Summary:
    steps = Steps(console)
    with ExitStack() as exits:
        with steps.step("broker, store, bridge and inference service start"):
            stack = exits.enter_context(embedded_stack(home))
            witness = Witness(stack.platform)
            exits.callback(witness.stop)
            witness.start()
            steps.say(f"MQTT on 127.0.0.1:{stack.platform.mqtt_port}, everything below {home}")
        return _mission(console, steps, stack, witness, seed, scale)


def _mission(console: Console, steps: Steps, stack: Stack, witness: Witness, seed: int, scale: Scale) -> Summary:
    with steps.step(f"Dagster job retrain on simulated lives ({scale.lives})"):
        lives, search = {"seed": seed, "plan": scale.lives}, {"search_seconds": scale.search_s}
        config: dict[str, Any] = {
            "ops": {"simulated_lifecycles": {"config": lives}, "candidate_model": {"config": search}}
        }
        stack.run_job("retrain", lambda event: _tell(steps, event), config=config)
    with steps.step("the running inference service takes the promoted model"):
        _await_model(stack, witness)
        steps.say(f"{witness.serving}, checked against its manifest, without a restart")
    live_from_ns = time.time_ns()
    with steps.step(f"{scale.pumps} pumps run for {scale.live_s:.0f} s, {scale.failing} of them wear out"):
        _stream(console, stack, witness, seed, scale)
        _settle(stack, witness)
    with steps.step("drift report over the live window"):
        window = {"window_start": iso_of(live_from_ns), "window_end": iso_of(time.time_ns())}
        config = {"ops": {name: {"config": window} for name in ("drift_report", "prediction_quality")}}
        stack.run_job("monitor", lambda event: _tell(steps, event), config=config)
    with steps.step("what happened, counted from the store and the broker's stream"):
        summary = _conclude(steps, stack, witness, seed)
    console.print()
    for line in lines_of(summary, stack.home):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    return summary


def _tell(steps: Steps, event: dict[str, Any]) -> None:
    match event["event"]:
        case "check" if not event["passed"]:
            steps.say(f"  FAILED {event['check']}: {event.get('observed')}, expected {event.get('expected')}")
        case "success" if event.get("summary"):
            steps.say(f"{event['step']}: {event['summary']}")
        case "log":
            steps.say(f"  {event['text']}")


def _await_model(stack: Stack, witness: Witness) -> None:
    pointer = Registry(stack.platform.registry_path).production()
    if pointer is None:
        raise ProcessError("the job ended, but no version is in production")
    deadline = time.monotonic() + _MODEL_WITHIN_S
    while witness.serving != pointer.version:
        if time.monotonic() > deadline:
            reasons = "; ".join(status.reason for status in witness.refused) or "it said nothing"
            raise ProcessError(
                f"the inference service did not take {pointer.version} within {_MODEL_WITHIN_S:g} s: {reasons}"
            )
        time.sleep(0.05)


def _stream(console: Console, stack: Stack, witness: Witness, seed: int, scale: Scale) -> None:
    fleet = stack.start(
        "fleet",
        *("simulate", "production", "--pumps", str(scale.pumps), "--failing", str(scale.failing)),
        *("--chaos-pumps", "1", "--interval-s", str(scale.interval_s), "--duration-s", str(scale.live_s)),
        *("--seed", str(seed), "--truth", str(stack.home / _TRUTH)),
        restart=False,
    )
    watch(console, witness, lambda: fleet.running)
    assert fleet.handle is not None
    if fleet.handle.wait() != 0:
        raise ProcessError("the simulated fleet failed", hint=f"Its log ends:\n{fleet.log_tail()}")


def _settle(stack: Stack, witness: Witness) -> None:
    """Wait until all that the broker carried is stored and predicted, as far as it will be."""
    store = open_platform_store(stack.platform)
    deadline = time.monotonic() + _SETTLE_WITHIN_S
    before = None
    try:
        while time.monotonic() < deadline:
            live, lives = store.count(PUMP_TELEMETRY, ALL_TIME), store.count(PUMP_LABELS, ALL_TIME)
            counts = (live + lives, witness.published, store.count(PUMP_PREDICTION, ALL_TIME))
            # equal for the moment may still be two that lag alike: it has to last
            if counts == before and counts[0] == counts[1] and counts[2] >= live:
                return
            before = counts
            time.sleep(_SETTLED_FOR_S)
    finally:
        store.close()


def _conclude(steps: Steps, stack: Stack, witness: Witness, seed: int) -> Summary:
    registry = Registry(stack.platform.registry_path)
    pointer = registry.production()
    assert pointer is not None
    manifest = registry.verify(pointer.version)
    store = open_platform_store(stack.platform)
    try:
        summary, facts = summarise(
            store,
            witness,
            manifest,
            seed=seed,
            duration_s=time.monotonic() - steps.started_s,
            quarantined=quarantine.count(stack.home / "quarantine"),
            truth=read_truth(stack.home / _TRUTH),
        )
    finally:
        store.close()
    evaluation = json.loads((registry.folder(pointer.version) / "evaluation.json").read_text(encoding="utf-8"))
    folder = stack.home.parent
    write_report(folder / "report.html", summary, facts, evaluation)
    summary.duration_s = round(time.monotonic() - steps.started_s, 1)
    (folder / "summary.json").write_text(json.dumps(summary.to_dict(), indent=2) + "\n", encoding="utf-8")
    return summary
