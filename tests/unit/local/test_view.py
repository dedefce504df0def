"""The live view: the pump that fails next on top, life left as people say it, no terminal needed."""

import io
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pdm_platform.contract.payloads import Alarm, Prediction, StateProbabilities
from pdm_platform.contract.states import State
from pdm_platform.local.view import fleet_table, next_to_fail, status_line, watch
from pdm_platform.local.witness import PumpView, Witness
from pdm_platform.runtime.settings import PlatformSettings


def view(
    state: State = State.HEALTHY,
    health: float = 95.0,
    hours: float | None = None,
    *,
    failed: bool = False,
    alarm: str = "",
    **said_too: Any,
) -> PumpView:
    said = Prediction(
        device_id="p",
        state=state,
        probabilities=StateProbabilities(*(0.97 if other is state else 0.01 for other in State)),
        health_percent=health,
        rul_hours=hours,
        model_version="v1",
        inference_timestamp="now",
        **said_too,
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
    return PumpView(prediction=said, standing={"pump_state": raised} if alarm else {}, failed=failed)


def watching(tmp_path: Path, **pumps: PumpView) -> Witness:
    return Witness(PlatformSettings(home=tmp_path), pumps=dict(pumps))


def lines_of(text: str) -> dict[str, str]:
    """The lines of the screen by their first word."""
    return {line.split()[0]: line for line in text.splitlines() if line.strip()}


def printed(witness: Witness, rows: int = 50, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(fleet_table(witness, status_line(witness, 12.0), rows, console.width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


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

    lines = lines_of(text)
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
    assert lines[0].endswith("next: worn FAULTY 20 % 36 s left")


def test_on_a_terminal_the_table_is_drawn(tmp_path: Path) -> None:
    text = shown(tmp_path, terminal=True)

    assert "life left" in text
    assert "36 s" in text


DOUBTFUL: dict[str, Any] = {
    "rul_lower_hours": 0.006,
    "rul_upper_hours": 0.02,
    "failure_mode": "misalignment",
    "failure_mode_probability": 0.82,
    "novel": True,
    "sensor_fault": "vibration_rms",
    "provisional": True,
}


def test_the_interval_the_probable_mode_and_what_is_doubtful_are_on_the_line(tmp_path: Path) -> None:
    worn = view(State.WARNING, 58.0, 0.01, alarm="p is WARNING: health 58 %", **DOUBTFUL)

    line = lines_of(printed(watching(tmp_path, worn=worn), width=200))["worn"]

    assert all(part in line for part in ("36 s (22 - 72)", "misaligned 82%", "is WARNING"))
    assert all(part in line for part in ("sensor vibration_rms?", "not yet sure"))


def test_eighty_cells_hold_a_pump_of_which_everything_is_said_and_doubtful(tmp_path: Path) -> None:
    long = DOUBTFUL | {"rul_lower_hours": 1.5, "rul_upper_hours": 3.4}
    worn = view(State.WARNING, 100.0, 1.99, alarm="pump-001 is WARNING", **long)

    screen = printed(watching(tmp_path, **{"pump-001": worn}), width=80)

    line = lines_of(screen)["pump-001"]
    assert all(part in line for part in ("WARNING", " 100 %", "119 min (90 - 204)", "misaligned", "S vib rms ?"))
    assert max(len(line) for line in screen.splitlines()) <= 80
    assert "S sensor that may lie" in screen


def test_without_a_terminal_the_line_tells_the_mode_and_the_doubts_too(tmp_path: Path) -> None:
    file, turns = io.StringIO(), iter([True, False])
    console = Console(file=file, width=160, color_system=None)

    watch(console, watching(tmp_path, worn=view(State.FAULTY, 20.0, 0.01, **DOUBTFUL)), lambda: next(turns))

    told = "20 % 36 s (22 - 72) left, misaligned 82%, sensor vibration_rms?, not yet sure"
    assert file.getvalue().strip().endswith(told)


def test_of_several_alarms_the_most_severe_is_shown(tmp_path: Path) -> None:
    worn = view(State.FAULTY, 20.0, 0.01, alarm="p is FAULTY: health 20 %")
    raised = worn.standing["pump_state"]
    worn.hear(msgspec.structs.replace(raised, condition="sensor_fault", severity=200, message="p lies"))

    assert "is FAULTY" in lines_of(printed(watching(tmp_path, worn=worn)))["worn"]
    worn.hear(msgspec.structs.replace(raised, active=False))
    assert "lies" in lines_of(printed(watching(tmp_path, worn=worn)))["worn"]


def test_in_a_narrow_terminal_the_numbers_stay_and_the_alarm_gives_way(tmp_path: Path) -> None:
    worn = view(State.FAULTY, 20.0, 0.01, alarm="pump-001 is FAULTY: health 20 %, about 36 s left")

    screen = printed(watching(tmp_path, **{"pump-001": worn}), width=80)

    for part in ("pump-001", "FAULTY", "20 %", "36 s"):
        assert part in screen
