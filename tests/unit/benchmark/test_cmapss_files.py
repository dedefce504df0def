from pathlib import Path

import numpy as np
import pytest

from pdm_platform.benchmark.cmapss_files import BenchmarkFileError, Conditions, read_readings, read_remaining
from tests.unit.benchmark.cmapss_fleet import SENSORS, write_set

LINE = "1 1 0.0 0.0 100.0 5.0 6.0\n"


def written(folder: Path, text: str, name: str = "train_X.txt") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_engines_are_sorted_and_their_last_cycle_is_their_life(tmp_path: Path) -> None:
    path = written(tmp_path, "2 1 0 0 100 5\n1 2 0 0 100 6\n1 1 0 0 100 7\n2 2 0 0 100 8\n2 3 0 0 100 9\n\n")
    readings = read_readings(path)
    assert readings.engine.tolist() == [1, 1, 2, 2, 2]
    assert readings.lives.tolist() == [2.0, 3.0]
    assert readings.sensors[readings.last, 0].tolist() == [6.0, 9.0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "its first line is empty"),
        ("1 1 0 0 100\n", "line 1 has 5 columns"),
        (LINE + "1 2 0.0 0.0 100.0 5.0\n", "line 2 has 6 columns, line 1 has 7"),
        (LINE + "1 2 0.0 0.0 100.0 five 6.0\n", "line 2, column 6 (sensor 1) is 'five'"),
        (LINE + "1 2 0.0 nan 100.0 5.0 6.0\n", "line 2, column 4 (setting 2) is 'nan'"),
        (LINE + "1 2.5 0.0 0.0 100.0 5.0 6.0\n", "line 2, column 2 (cycle) is 2.5"),
        (LINE + "0 2 0.0 0.0 100.0 5.0 6.0\n", "line 2, column 1 (engine) is 0"),
        (LINE + LINE, "line 2 repeats cycle 1 of engine 1"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_with_line_and_column(tmp_path: Path, text: str, says: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(BenchmarkFileError) as error:
        read_readings(path)
    assert says in error.value.what
    assert str(path) in error.value.what


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkFileError, match=r"train_NONE\.txt: it cannot be read: No such file"):
        read_readings(tmp_path / "train_NONE.txt")


def test_remaining_cycles_are_one_a_test_engine(tmp_path: Path) -> None:
    path = written(tmp_path, "112 \n98 \n", "RUL_X.txt")
    assert read_remaining(path, 2).tolist() == [112.0, 98.0]
    with pytest.raises(BenchmarkFileError, match="2 lines of 1 columns, expected 3"):
        read_remaining(path, 3)
    with pytest.raises(BenchmarkFileError, match="line 2, column 1"):
        read_remaining(written(tmp_path, "1\n-1\n", "RUL_Y.txt"), 2)


def test_wandering_settings_are_one_condition(tmp_path: Path) -> None:
    conditions = Conditions.of(read_readings(write_set(tmp_path) / "train_FD001.txt"))
    assert conditions.centres.tolist() == [[0.0, 0.0, 100.0]]
    assert conditions.kept.tolist() == list(range(SENSORS))  # the last sensor says nothing


def test_each_operating_condition_gets_its_own_scale(tmp_path: Path) -> None:
    readings = read_readings(write_set(tmp_path, "FD002", conditions=3) / "train_FD002.txt")
    conditions = Conditions.of(readings)
    values = conditions.standardised(readings)
    altitude = readings.settings[:, 0].round()
    assert len(conditions.centres) == 3
    for one in np.unique(altitude):
        assert values[altitude == one].mean(axis=0) == pytest.approx(0.0, abs=1e-9)
        assert values[altitude == one].std(axis=0) == pytest.approx(1.0)


def test_settings_between_two_steps_do_not_make_a_condition_of_their_own(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    machs = np.where(draw.uniform(size=1_000) < 0.002, 0.274, 0.25)
    lines = [f"1 {cycle + 1} 10 {mach} 100 {draw.normal():.3f}\n" for cycle, mach in enumerate(machs)]
    conditions = Conditions.of(read_readings(written(tmp_path, "".join(lines))))
    assert conditions.centres.tolist() == [[10.0, 0.25, 100.0]]
