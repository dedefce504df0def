"""The live fleet in the terminal: the pump that fails next on top. Without a terminal, a line every few seconds."""

import math
import time
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pdm_platform.contract.payloads import Prediction
from pdm_platform.contract.states import State
from pdm_platform.local.witness import PumpView, Witness

STYLES = {State.HEALTHY: "green", State.WARNING: "yellow", State.FAULTY: "dark_orange", State.BROKEN: "bold red"}
_REFRESH_S = 0.5
_LINE_EVERY_S = 5.0
_BAR_CELLS = 20
_WIDTH_FOR_ALARMS = 110


def duration(hours: float | None) -> str:
    """Remaining life as people say it; a dash where it is not known."""
    if hours is None:
        return "-"
    seconds = hours * 3600
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{hours:.0f} h"


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


def _row(device_id: str, view: PumpView) -> list[Text]:
    prediction = view.prediction
    if prediction is None:
        return [Text(device_id), Text("waiting", "dim")] + [Text("")] * 5
    style = STYLES[prediction.state]
    sure = max(_probabilities(prediction))
    filled = round(prediction.health_percent / 100 * _BAR_CELLS)
    note = Text("stands still, failed", "bold red") if view.failed else Text("")
    if not view.failed and view.alarm is not None:
        note = Text(view.alarm.message.split(" ", 1)[1], style)
    return [
        Text(device_id),
        Text(prediction.state.value, style),
        Text(f"{sure:.0%}", "dim"),
        Text("█" * filled, style) + Text("░" * (_BAR_CELLS - filled), "dim"),
        Text(f"{prediction.health_percent:.0f} %"),
        Text("0 s" if view.failed else duration(prediction.rul_hours)),
        note,
    ]


def _probabilities(prediction: Prediction) -> tuple[float, ...]:
    found = prediction.probabilities
    return (found.HEALTHY, found.WARNING, found.FAULTY, found.BROKEN)


def fleet_table(witness: Witness, status: str, rows: int, width: int) -> Group:
    """One screen: a line about the stream, then the pumps by urgency, as many as fit."""
    with witness.lock:
        ordered = [(device_id, view) for device_id, view in next_to_fail(witness.pumps)]
    table = Table(expand=False, pad_edge=False, header_style="bold")
    for heading in ("pump", "state", "sure", "health", "", "life left"):
        table.add_column(heading, justify="right" if heading in ("sure", "", "life left") else "left", no_wrap=True)
    if width >= _WIDTH_FOR_ALARMS:  # in a narrow terminal the alarm's words give way to the numbers
        table.add_column("alarm", no_wrap=True)
    for device_id, view in ordered[:rows]:
        table.add_row(*_row(device_id, view)[: len(table.columns)])
    more = [] if len(ordered) <= rows else [Text(f"… and {len(ordered) - rows} more", "dim")]
    return Group(Text(status), table, *more)


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
            rows = max(5, console.height - 8)
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
                    left = "failed" if view.failed else f"{duration(said.rul_hours)} left"
                    urgent = f"  next: {device_id} {said.state} {said.health_percent:.0f} % {left}"
            console.print(status_line(witness, time.monotonic() - started_s) + urgent, soft_wrap=True, highlight=False)
        time.sleep(_REFRESH_S / 2)
