"""The live view: the pump that fails next on top, life left as people say it, no terminal needed."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pdm_platform.contract.payloads import Alarm, Prediction, StateProbabilities
from pdm_platform.contract.states import State
from pdm_platform.local.view import duration, fleet_table, next_to_fail, status_line, watch
from pdm_platform.local.witness import PumpView, Witness
from pdm_platform.runtime.settings import PlatformSettings


def view(
    state: State = State.HEALTHY,
    health: float = 95.0,
    hours: float | None = None,
    *,
    failed: bool = False,
    alarm: str = "",
) -> PumpView:
    said = Prediction(
        device_id="p",
        state=state,
        probabilities=StateProbabilities(*(0.97 if other is state else 0.01 for other in State)),
        health_percent=health,
        rul_hours=hours,
        model_version="v1",
        inference_timestamp="now",
    )
    raised = Alarm(
        device_id="p",
        condition="pump_state",
        active=True,
        severity=700,
        state=state,
        health_percent=health,
        rul_hours=hours,
        message=alarm,
        model_version="v1",
        inference_timestamp="now",
    )
    return PumpView(prediction=said, alarm=raised if alarm else None, failed=failed)


def watching(tmp_path: Path, **pumps: PumpView) -> Witness:
    return Witness(PlatformSettings(home=tmp_path), pumps=dict(pumps))


def printed(witness: Witness, rows: int = 50, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(fleet_table(witness, status_line(witness, 12.0), rows, console.width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize(
    ("hours", "text"),
    [(None, "-"), (0.0, "0 s"), (119 / 3600, "119 s"), (0.5, "30 min"), (1.9, "114 min"), (30.0, "30 h")],
)
def test_life_left_reads_as_people_say_it(hours: float | None, text: str) -> None:
    assert duration(hours) == text


def test_the_next_to_fail_is_on_top_then_the_failed_the_healthy_and_the_unknown() -> None:
    pumps = {
        "unknown": PumpView(),
        "healthy": view(hours=0.001),
        "failed": view(State.BROKEN, 0.0, 0.0, failed=True),
        "worn": view(State.WARNING, 60.0, 2.0),
        "worn-no-estimate": view(State.WARNING, 50.0),
        "next": view(State.FAULTY, 20.0, 0.1),
    }

    order = [device_id for device_id, _ in next_to_fail(pumps)]

    assert order == ["next", "worn", "worn-no-estimate", "failed", "healthy", "unknown"]


@given(st.permutations(["a", "b", "c", "d"]))
def test_pumps_that_are_alike_stay_in_the_order_of_their_names(names: list[str]) -> None:
    assert [name for name, _ in next_to_fail({name: view() for name in names})] == ["a", "b", "c", "d"]


def test_each_pump_has_its_state_health_life_and_alarm_on_one_line(tmp_path: Path) -> None:
    text = printed(
        watching(
            tmp_path,
            worn=view(State.FAULTY, 20.0, 0.01, alarm="p is FAULTY: health 20 %"),
            dead=view(State.BROKEN, 1.0, 0.2, failed=True),
            mute=PumpView(),
        )
    )

    lines = {line.strip("│ ").split()[0]: line for line in text.splitlines() if line.startswith("│")}
    assert all(part in lines["worn"] for part in ("FAULTY", "97%", "20 %", "36 s", "is FAULTY: health 20 %"))
    assert all(part in lines["dead"] for part in ("BROKEN", "0 s", "stands still, failed"))
    assert "waiting" in lines["mute"]


def test_what_does_not_fit_on_the_screen_is_counted(tmp_path: Path) -> None:
    text = printed(watching(tmp_path, **{f"pump{number}": view() for number in range(30)}), rows=10)

    assert "… and 20 more" in text
    assert text.count("HEALTHY") == 10


def test_the_status_line_counts_the_stream_and_names_the_model(tmp_path: Path) -> None:
    witness = watching(tmp_path)
    before = status_line(witness, 3.0)
    witness.telemetry, witness.predictions, witness.serving = {("p", 1), ("p", 2)}, {("p", 1)}, "v7"

    assert "model none yet" in before
    assert all(part in status_line(witness, 3.0) for part in ("readings 2", "predictions 1", "model v7"))


def shown(tmp_path: Path, *, terminal: bool) -> str:
    file, turns = io.StringIO(), iter([True, True, False])
    console = Console(file=file, width=160, height=30, force_terminal=terminal, color_system=None)
    watch(console, watching(tmp_path, worn=view(State.FAULTY, 20.0, 0.01)), lambda: next(turns))
    return file.getvalue()


def test_without_a_terminal_a_line_is_printed_that_names_the_next_to_fail(tmp_path: Path) -> None:
    lines = shown(tmp_path, terminal=False).splitlines()

    assert len(lines) == 1
    assert "next: worn FAULTY 20 % 36 s left" in lines[0]


def test_on_a_terminal_the_table_is_drawn(tmp_path: Path) -> None:
    text = shown(tmp_path, terminal=True)

    assert "life left" in text
    assert "36 s" in text


def test_in_a_narrow_terminal_the_numbers_stay_and_the_alarm_gives_way(tmp_path: Path) -> None:
    worn = view(State.FAULTY, 20.0, 0.01, alarm="pump-001 is FAULTY: health 20 %, about 36 s left")

    screen = printed(watching(tmp_path, **{"pump-001": worn}), width=80)

    for part in ("pump-001", "FAULTY", "20 %", "36 s"):
        assert part in screen
