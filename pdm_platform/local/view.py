"""The live fleet in the terminal: the pump that fails next on top. Without a terminal, a line every few seconds."""

import math
import time
from collections.abc import Callable

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pdm_platform.contract.payloads import Prediction
from pdm_platform.contract.states import State
from pdm_platform.local.witness import PumpView, Witness
from pdm_platform.local.words import life_left, marks, mode_name, probable_mode, short_marks

STYLES = {State.HEALTHY: "green", State.WARNING: "yellow", State.FAULTY: "dark_orange", State.BROKEN: "bold red"}
_REFRESH_S = 0.5
_LINE_EVERY_S = 5.0
_BAR_CELLS, _NARROW_BAR_CELLS = 20, 6
_WIDTH_FOR_WORDS = 120
_WIDE = ("pump", "state", "sure", "health", "life left (90 %)", "failure mode", "doubts, alarm")
_NARROW = ("pump", "state", "health", "life left (90 %)", "mode", "doubts")
_LEGEND = "N HEALTHY, but like no healthy pump known   S sensor that may lie   ? not yet sure"
_DOUBT = "magenta"


def next_to_fail(pumps: dict[str, PumpView]) -> list[tuple[str, PumpView]]:
    """The pumps, the next to fail on top: shortest remaining life, then worst health; then failed, healthy, unknown."""

    def urgency(item: tuple[str, PumpView]) -> tuple[int, float, float, str]:
        prediction = item[1].prediction
        if prediction is None:
            return (3, math.inf, 100.0, item[0])
        hours = prediction.rul_hours
        group = 1 if item[1].failed else 2 if prediction.state is State.HEALTHY else 0
        return (group, math.inf if hours is None else hours, prediction.health_percent, item[0])

    return sorted(pumps.items(), key=urgency)


def _row(device_id: str, view: PumpView, *, wide: bool) -> list[Text]:
    prediction = view.prediction
    if prediction is None:
        return [Text(device_id), Text("waiting", "dim")]
    style = STYLES[prediction.state]
    cells = _BAR_CELLS if wide else _NARROW_BAR_CELLS
    filled = round(prediction.health_percent / 100 * cells)
    health = Text("█" * filled, style) + Text("░" * (cells - filled), "dim")
    row = [
        Text(device_id),
        Text(prediction.state.value, style),
        health + Text(f" {prediction.health_percent:3.0f} %"),
        Text("0 s" if view.failed else life_left(prediction)),
    ]
    if wide:
        sure = Text(f"{max(_probabilities(prediction)):.0%}", "dim")
        return [*row[:2], sure, *row[2:], Text(probable_mode(prediction)), _note(view, prediction)]
    return [*row, Text(mode_name(prediction.failure_mode)), Text(short_marks(prediction), _DOUBT)]


def _note(view: PumpView, prediction: Prediction) -> Text:
    """What makes the rest doubtful, then what happened."""
    parts = [Text(doubt, _DOUBT)] if (doubt := marks(prediction)) else []
    if view.failed:
        parts.append(Text("stands still, failed", "bold red"))
    elif (alarm := view.alarm) is not None:
        parts.append(Text(alarm.message.split(" ", 1)[-1], STYLES[prediction.state]))
    return Text(" · ").join(parts)


def _probabilities(prediction: Prediction) -> tuple[float, ...]:
    found = prediction.probabilities
    return (found.HEALTHY, found.WARNING, found.FAULTY, found.BROKEN)


def fleet_table(witness: Witness, status: str, rows: int, width: int) -> Group:
    """One screen: a line about the stream, then the pumps by urgency, as many as fit.

    width: cells of the terminal. In a narrow one the words about doubts become letters, and the alarm gives way.
    """
    with witness.lock:
        ordered = [(device_id, view) for device_id, view in next_to_fail(witness.pumps)]
        wide = width >= _WIDTH_FOR_WORDS
        lines = [_row(device_id, view, wide=wide) for device_id, view in ordered[:rows]]
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for heading in _WIDE if wide else _NARROW:
        table.add_column(heading, justify="right" if heading == "sure" else "left", no_wrap=True)
    for line in lines:
        table.add_row(*line)
    more = [] if len(ordered) <= rows else [Text(f"… and {len(ordered) - rows} more", "dim")]
    return Group(Text(status), table, *more, *([] if wide else [Text(_LEGEND, "dim")]))


def status_line(witness: Witness, elapsed_s: float) -> str:
    """Counts and rate of the stream."""
    return (
        f"{elapsed_s:4.0f} s  {witness.messages_per_s():6.0f} messages/s  readings {len(witness.telemetry)}"
        f"  predictions {len(witness.predictions)}  alarms {len(witness.alarms)}  rejected {witness.rejected}"
        f"  model {witness.serving or 'none yet'}"
    )


def watch(console: Console, witness: Witness, running: Callable[[], bool]) -> None:
    """Show the fleet while `running()`."""
    started_s = time.monotonic()
    if not console.is_terminal:
        _print_lines(console, witness, running, started_s)
        return
    with Live(console=console, auto_refresh=False, transient=False) as live:
        while running():
            rows = max(5, console.height - 9)
            live.update(
                fleet_table(witness, status_line(witness, time.monotonic() - started_s), rows, console.width),
                refresh=True,
            )
            time.sleep(_REFRESH_S)


def _print_lines(console: Console, witness: Witness, running: Callable[[], bool], started_s: float) -> None:
    next_line_s = started_s
    while running():
        if time.monotonic() >= next_line_s:
            next_line_s += _LINE_EVERY_S
            with witness.lock:
                first = next_to_fail(witness.pumps)[:1]
            urgent = ""
            for device_id, view in first:
                if (said := view.prediction) is not None:
                    urgent = f"  next: {device_id} {said.state} {said.health_percent:.0f} % {_in_words(view, said)}"
            console.print(status_line(witness, time.monotonic() - started_s) + urgent, soft_wrap=True, highlight=False)
        time.sleep(_REFRESH_S / 2)


def _in_words(view: PumpView, said: Prediction) -> str:
    """What is left, of what it will fail, and what makes that doubtful."""
    left = "failed" if view.failed else f"{life_left(said)} left"
    return ", ".join(part for part in (left, probable_mode(said), marks(said)) if part)
