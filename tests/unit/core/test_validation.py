"""The gate in front of training."""

import socket
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import LakeError
from pdm_platform.contract.measurements import PUMP_LABELS, Window
from pdm_platform.contract.states import STATES, state_index
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S
from pdm_platform.core.expectations import ValidationLimits
from pdm_platform.core.findings import Finding, render_html
from pdm_platform.core.observations import findings_of
from pdm_platform.core.validation import FINDING_NAMES, judge, judge_frame, validate

END_NS = 1_800_000_000 * NS_PER_S
WINDOW = Window(END_NS - 48 * NS_PER_HOUR, END_NS)
READINGS = 300


def lives(pumps: int = 8) -> pd.DataFrame:
    """Whole lives, one reading a second, the last one at the window's end."""
    step = np.tile(np.arange(READINGS), pumps)
    health = 100.0 * (1 - step / (READINGS - 1))
    frame = pd.DataFrame(
        {
            "device_id": np.repeat([f"life-7-stress-{pump:03d}" for pump in range(pumps)], READINGS),
            "time_ns": END_NS - (READINGS - step) * NS_PER_S,
            **{name: np.full(step.size, 1.0) for name in CHANNEL_NAMES},
            "measurement_id": step,
            "last_maintenance": None,
            "health_percent": health,
            "ground_truth": [STATES[index].value for index in state_index(health)],
            "failure_mode": "bearing_wear",
            "rul_hours": (READINGS - 1 - step) / 3600,
            "sensor_fault": None,
            "disturbance": None,
        }
    )
    return frame[list(PUMP_LABELS.schema.names)]


def failed(frame: pd.DataFrame, window: Window = WINDOW, limits: ValidationLimits | None = None) -> dict[str, Finding]:
    return {found.name: found for found in validate(frame, window=window, limits=limits) if not found.passed}


def test_whole_lives_pass_every_expectation() -> None:
    findings = validate(lives(), window=WINDOW)

    assert tuple(found.name for found in findings) == FINDING_NAMES
    assert [str(found) for found in findings if not found.passed] == []


def test_an_implausible_reading_fails_and_is_shown_with_its_device_and_time() -> None:
    frame = lives()
    frame.loc[3, "temperature"] = 400.0

    found = failed(frame)

    assert set(found) == {"range_temperature"}
    finding = found["range_temperature"]
    assert finding.column == "temperature"
    assert finding.expected == "-20 to 150 °C"
    assert finding.unexpected_count == 1
    assert finding.examples == (
        {"temperature": 400.0, "device_id": "life-7-stress-000", "time": "2027-01-15T07:55:03.000000Z"},
    )


@pytest.mark.parametrize(("share", "passes"), [(0.019, True), (0.021, False)])
def test_nulls_are_tolerated_up_to_two_percent_of_a_channel(share: float, passes: bool) -> None:
    frame = lives()
    frame.loc[: int(share * len(frame)), "rpm"] = np.nan

    assert ("nulls_rpm" not in failed(frame)) is passes


def test_a_label_that_is_no_state_fails() -> None:
    frame = lives()
    frame.loc[0, "ground_truth"] = "TIRED"

    finding = failed(frame)["labels_known"]

    assert finding.examples[0]["ground_truth"] == "TIRED"


def test_a_missing_label_fails() -> None:
    frame = lives()
    frame.loc[0, "ground_truth"] = None

    assert set(failed(frame)) == {"labels_present"}


def test_a_window_with_one_class_only_names_the_three_that_are_missing() -> None:
    frame = lives()

    found = failed(frame[frame["ground_truth"] == "HEALTHY"])

    assert {"rows_warning", "rows_faulty", "rows_broken"} <= set(found)
    assert found["rows_broken"].observed == "0"
    assert found["rows_broken"].expected == ">= 100 rows BROKEN"


@pytest.mark.parametrize("later_ns", [0, -NS_PER_S], ids=["repeated", "backwards"])
def test_time_that_does_not_rise_within_a_device_fails(later_ns: int) -> None:
    frame = lives()
    frame["time_ns"] = frame["time_ns"].mask(frame.index == 11, frame["time_ns"].shift(1) + later_ns).astype("int64")

    assert "time_rises" in failed(frame)


def test_two_lives_under_one_device_id_fail() -> None:
    one, other = lives(), lives()
    one["time_ns"] -= NS_PER_HOUR
    both = pd.concat([one, other]).sort_values(["device_id", "time_ns"])

    assert set(failed(both)) == {"one_life_per_device"}


def test_labels_that_ended_long_before_the_window_does_are_stale() -> None:
    late = Window(WINDOW.start_ns, END_NS + 80 * NS_PER_HOUR)

    finding = failed(lives(), late)["fresh"]

    assert finding.observed.startswith("80.")
    assert finding.expected == "newest row 0 to 72 h before the window's end"


def test_a_reading_after_the_window_fails() -> None:
    early = Window(WINDOW.start_ns, END_NS - NS_PER_HOUR)

    assert "fresh" in failed(lives(), early)


def test_too_few_pumps_fail_and_the_limit_can_be_set() -> None:
    limits = ValidationLimits(min_rows_per_state=10)

    assert failed(lives(pumps=3), limits=limits)["lives"].observed == "3"
    assert failed(lives(pumps=4), limits=limits) == {}


def test_a_missing_column_fails_by_name_and_what_needs_it_fails_too() -> None:
    found = failed(lives().drop(columns="current"))

    assert found["schema"].observed == "missing columns: current"
    assert set(found) == {"schema", "range_current", "nulls_current"}
    assert "does not exist" in found["range_current"].observed


def test_a_frame_without_device_and_time_is_judged_without_a_crash() -> None:
    found = failed(lives().drop(columns=["device_id", "time_ns"]))

    assert {"schema", "time_rises", "fresh", "lives", "one_life_per_device"} <= set(found)


def test_an_empty_window_opens_nothing_and_says_that_there_was_nothing() -> None:
    found = failed(lives().iloc[:0])

    assert set(found) == set(FINDING_NAMES) - {"schema"}
    assert {finding.observed for finding in found.values()} == {"no rows"}


# -- sensors that lie


def test_what_a_sensor_gives_that_is_labelled_to_lie_is_no_bad_data() -> None:
    frame = lives()
    faulty = frame.index[::5]
    frame.loc[faulty, "sensor_fault"] = "temperature:spikes"
    frame.loc[faulty, "temperature"] = 390.0
    frame.loc[faulty, "rpm"] = np.nan

    assert failed(frame) == {}


def test_a_lie_that_is_not_labelled_is_bad_data() -> None:
    frame = lives()
    frame.loc[::5, "sensor_fault"] = "temperature:spikes"
    frame.loc[1, "temperature"] = 390.0

    assert failed(frame)["range_temperature"].unexpected_count == 1


def test_nulls_are_counted_among_the_rows_at_which_no_sensor_lies() -> None:
    frame = lives()
    frame.loc[: len(frame) // 4, "sensor_fault"] = "rpm:dropout"
    frame.loc[: len(frame) // 4 + int(0.021 * len(frame)), "rpm"] = np.nan

    assert set(failed(frame)) == {"nulls_rpm"}


def test_a_history_in_which_sensors_lie_most_of_the_time_fails() -> None:
    frame = lives()
    frame.loc[: int(0.51 * len(frame)), "sensor_fault"] = "rpm:freeze"

    finding = failed(frame)["sensor_faults"]

    assert finding.expected == "<= 50% of the rows with a sensor that lies"
    assert finding.observed == "1225 of 2400 rows unexpected"


def test_a_history_in_which_every_row_is_labelled_leaves_nothing_to_judge() -> None:
    frame = lives()
    frame["sensor_fault"] = "rpm:freeze"

    found = failed(frame, limits=ValidationLimits(max_fault_share=1.0))

    assert found["range_rpm"].observed == "no rows"
    assert set(found) == {name for name in FINDING_NAMES if name.startswith(("range_", "nulls_"))}


def test_pumps_that_stand_still_and_sensors_that_repeat_are_no_bad_data() -> None:
    frame = lives()
    frame.loc[10:40, ["rpm", "current", "vibration_rms"]] = 0.0
    frame.loc[10:40, "disturbance"] = "stop"

    assert failed(frame) == {}


def test_a_clock_that_is_labelled_to_lie_does_not_make_another_life() -> None:
    frame = lives()
    frame["rul_hours"] *= 100.0  # readings lie far apart
    frame.loc[[50, 52], "rul_hours"] -= 0.5
    assert set(failed(frame)) == {"one_life_per_device"}

    frame.loc[[50, 52], "sensor_fault"] = "timestamp:clock_skew"

    assert failed(frame) == {}


@pytest.mark.parametrize(("told", "passes"), [("2027-01-15T07:57:00Z", True), (None, False)])
def test_remaining_life_may_rise_by_maintenance_only(told: str | None, passes: bool) -> None:
    frame = lives()
    repaired = (frame["device_id"] == "life-7-stress-003") & (frame["measurement_id"] >= 200)
    frame.loc[repaired, "rul_hours"] += 1.0
    frame.loc[repaired, "last_maintenance"] = told

    assert ("one_life_per_device" not in failed(frame)) is passes


# -- part by part


def parts_of(frame: pd.DataFrame, pumps: int) -> list[pd.DataFrame]:
    """The frame cut after every so many pumps."""
    number = frame["device_id"].str[-3:].astype(int) // pumps
    return [part for _, part in frame.groupby(number)]


@pytest.mark.parametrize("pumps", [1, 3, 8])
def test_parts_show_together_what_the_whole_shows(pumps: int) -> None:
    frame = lives()
    frame.loc[[3, 900, 1_000, 2_000], "temperature"] = 400.0
    frame.loc[::45, "pressure"] = np.nan
    frame.loc[2_399, "rul_hours"] = 9.0
    frame.loc[5, "ground_truth"] = "TIRED"
    limits = ValidationLimits(min_rows_per_state=300, min_lives=9)

    parts = [judge_frame(part, window=WINDOW) for part in parts_of(frame, pumps)]

    together, at_once = findings_of(parts, limits=limits), validate(frame, window=WINDOW, limits=limits)
    # as text, since examples hold NaN
    assert [repr(found) for found in together] == [repr(found) for found in at_once]
    names = {"range_temperature", "nulls_pressure", "labels_known", "rows_broken", "one_life_per_device", "lives"}
    assert {found.name for found in together if not found.passed} == names


def test_what_no_part_has_by_itself_all_parts_may_have() -> None:
    parts = [judge_frame(part, window=WINDOW) for part in parts_of(lives(), 1)]

    assert {found.name for found in findings_of(parts[:1]) if not found.passed} >= {"lives", "rows_broken"}
    assert [found.name for found in findings_of(parts) if not found.passed] == []


def test_a_part_is_judged_as_a_table_like_a_frame() -> None:
    frame = lives()
    table = pa.Table.from_pandas(frame, schema=PUMP_LABELS.schema, preserve_index=False)

    assert findings_of([judge(table, window=WINDOW)]) == validate(frame, window=WINDOW)


def test_a_device_in_two_parts_is_never_judged() -> None:
    frame = lives()
    parts = [judge_frame(part, window=WINDOW) for part in (frame.iloc[:400], frame.iloc[400:])]

    with pytest.raises(LakeError, match="life-7-stress-001"):
        findings_of(parts)


def test_the_page_shows_failures_first_and_asks_nothing_of_the_network() -> None:
    frame = lives()
    frame.loc[0, "ground_truth"] = "<b>TIRED</b>"

    page = render_html(validate(frame, window=WINDOW), window=WINDOW)

    assert f"{len(FINDING_NAMES) - 1} of {len(FINDING_NAMES)} expectations met" in page
    assert page.index("labels_known") < page.index("rows_present")
    assert "&lt;b&gt;TIRED" in page
    assert "http" not in page


def test_the_gate_neither_calls_out_nor_prints_nor_writes(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(*address: object, **_options: object) -> None:
        raise AssertionError(f"the gate tried the network: {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    validate(lives(), window=WINDOW)

    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []


def test_the_gate_is_imported_without_great_expectations() -> None:
    import subprocess

    code = "import sys, pdm_platform.core.validation; sys.exit('great_expectations' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
