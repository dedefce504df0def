"""`pdmctl benchmark skab` on small recordings like those of SKAB, and on the real ones where they are at hand."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from pdm_platform.benchmark import skab
from pdm_platform.benchmark.cli import app
from pdm_platform.benchmark.cmapss_files import BenchmarkFileError
from pdm_platform.benchmark.figures import Figures, side_by_side
from pdm_platform.benchmark.skab import Confusion, Setting, judge_folder

COLUMNS = ("Accelerometer1RMS", "Current", "Pressure", "Temperature", "Volume Flow RateRMS")
USUAL = np.array([0.2, 1.3, 0.05, 80.0, 32.0])


def recording(rows: int = 700, *, seed: int = 0, fault: tuple[int, int] = (450, 600)) -> pd.DataFrame:
    """A valve that closes for a while: less flow, more vibration."""
    noise = np.random.default_rng(seed).standard_normal((rows, len(COLUMNS)))
    table = pd.DataFrame(USUAL + noise * [0.005, 0.1, 0.2, 0.3, 0.5], columns=list(COLUMNS))
    start, stop = fault
    table.loc[start : stop - 1, "Volume Flow RateRMS"] -= 6.0
    table.loc[start : stop - 1, "Accelerometer1RMS"] += 0.1
    table.insert(0, "datetime", pd.date_range("2020-03-01", periods=rows, freq="s").astype(str))
    table["anomaly"] = ((table.index >= start) & (table.index < stop)).astype(float)
    table["changepoint"] = 0.0
    return table


def write(folder: Path, name: str, table: pd.DataFrame) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(path, sep=";", index=False)


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["skab", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def small_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(skab, "FOLLOW_READINGS", (200.0,))
    monkeypatch.setattr(skab, "LIMITS", (1.8, 2.2))


@pytest.mark.usefixtures("small_grid")
def test_a_valve_that_closes_is_found_and_one_json_object_tells_it(tmp_path: Path) -> None:
    for seed in range(3):
        write(tmp_path, f"valve{seed % 2}/{seed}.csv", recording(700 + 50 * seed, seed=seed))

    status, output, progress = run("--data", str(tmp_path), "--json")
    told = json.loads(output)

    assert status == 0
    assert "3 files" in progress
    assert (told["files"], told["rows"]) == (3, 300 + 350 + 400)
    assert told["f1"] > 0.8
    assert told["far"] < 0.3  # an episode outlasts its fault by some 35 rows, here of 150 normal ones
    assert sorted(told["by_group"]) == ["valve0", "valve1"]
    assert sum(one["files"] for one in told["settings"]) == 3
    assert told["published"][0] == {
        **told["published"][0],
        **{"method": "Conv-AE", "f1": 0.78, "far": 0.1355},
    }


@pytest.mark.usefixtures("small_grid")
def test_the_text_shows_ours_beside_published_and_the_worst_files(tmp_path: Path) -> None:
    for seed in range(2):
        write(tmp_path, f"{seed}.csv", recording(seed=seed))

    _, text, _ = run("--data", str(tmp_path))

    for part in (
        "this platform",
        "Conv-AE",
        "Isolation forest",
        "rows judged wrongly",
        "F1 - FAR",
        "leave-one-file-out",
    ):
        assert part in text


@pytest.mark.usefixtures("small_grid")
def test_other_columns_missing_values_and_files_without_labels_or_times_are_judged_too(tmp_path: Path) -> None:
    write(tmp_path, "a/1.csv", recording(seed=1))
    other = recording(seed=2).drop(columns=["Pressure", "datetime"]).rename(columns={"Current": "running"})
    write(
        tmp_path,
        "a/2.csv",
        other.mask(np.random.default_rng(3).random(other.shape) < 0.05).assign(anomaly=other.anomaly),
    )
    write(tmp_path, "free/3.csv", recording(seed=4).drop(columns=["anomaly", "changepoint"]))
    write(tmp_path, "free/4.csv", recording(seed=5).assign(Pressure="", note="ok", datetime="2020-03-01 00:00:00"))

    told = json.loads(run("--data", str(tmp_path), "--json")[1])

    assert told["files"] == 3
    assert told["f1"] > 0.7
    assert told["unlabelled"]["free/3"]["rows"] == 300
    assert 120 < told["unlabelled"]["free/3"]["novel_rows"] < 200


def test_without_any_labels_nothing_is_rated(tmp_path: Path) -> None:
    write(tmp_path, "1.csv", recording().drop(columns="anomaly"))

    told = json.loads(run("--data", str(tmp_path), "--json")[1])

    assert (told["f1"], told["far"], told["files"]) == (None, None, 0)
    assert "not labelled" in run("--data", str(tmp_path))[1]


@pytest.mark.usefixtures("small_grid")
def test_a_lone_file_is_judged_with_the_defaults_since_no_other_can_choose(tmp_path: Path) -> None:
    write(tmp_path, "1.csv", recording())

    outcome = judge_folder(tmp_path, progress=lambda _: None)

    assert outcome.chosen() == [(Setting(), 1)]


@pytest.mark.usefixtures("small_grid")
def test_labels_of_a_file_do_not_choose_its_own_setting(tmp_path: Path) -> None:
    for seed in range(3):
        write(tmp_path, f"{seed}.csv", recording(seed=seed))
    before = judge_folder(tmp_path, progress=lambda _: None).files[0]
    upside_down = recording(seed=0)
    write(tmp_path, "0.csv", upside_down.assign(anomaly=1.0 - upside_down.anomaly))

    after = judge_folder(tmp_path, progress=lambda _: None).files[0]

    assert after.setting == before.setting
    assert np.array_equal(after.novel, before.novel)


@pytest.mark.usefixtures("small_grid")
def test_later_rows_do_not_change_what_was_told(tmp_path: Path) -> None:
    table = recording()
    write(tmp_path, "whole/1.csv", table)
    write(tmp_path, "part/1.csv", table[:520])

    whole, part = (judge_folder(tmp_path / name, progress=lambda _: None).files[0] for name in ("whole", "part"))

    assert np.array_equal(whole.novelty[:520], part.novelty, equal_nan=True)


@pytest.mark.usefixtures("small_grid")
def test_a_picture_is_drawn(tmp_path: Path) -> None:
    write(tmp_path, "1.csv", recording())

    assert run("--data", str(tmp_path), "--plot", str(tmp_path / "out.png"))[0] == 0
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkFileError, match="nowhere is no folder"):
        run("--data", str(tmp_path / "nowhere"))
    with pytest.raises(BenchmarkFileError, match="no csv file"):
        run("--data", str(tmp_path))
    write(tmp_path, "x/short.csv", recording(400, fault=(300, 350)))
    with pytest.raises(BenchmarkFileError, match=r"short\.csv: 400 rows"):
        run("--data", str(tmp_path))
    write(tmp_path, "x/short.csv", pd.DataFrame({"text": ["a"] * 500}))
    with pytest.raises(BenchmarkFileError, match=r"short\.csv: no column of numbers"):
        run("--data", str(tmp_path))
    (tmp_path / "x/short.csv").write_text("")
    with pytest.raises(BenchmarkFileError, match=r"short\.csv: cannot be read"):
        run("--data", str(tmp_path))


def test_rates_of_a_confusion() -> None:
    confusion = Confusion(hit=6, false=2, missed=2, quiet=18)

    assert (confusion.f1, confusion.far, confusion.mar) == (0.75, 0.1, 0.25)
    assert Confusion(0, 0, 0, 0).f1 == 0.0


def test_figures_stand_side_by_side() -> None:
    table = side_by_side(
        ("F1", "FAR"), (".2f", ".0%"), [Figures("ours", (0.9, 0.05)), Figures("x", (0.5, None), "them")]
    )

    assert table == "        F1  FAR\nours  0.90   5%\nx     0.50    -  them"


@pytest.mark.skipif("PDM_PUBLIC_DATA" not in os.environ, reason="PDM_PUBLIC_DATA names a folder with skab/ in it")
def test_on_the_real_recordings_the_detector_beats_what_was_published() -> None:
    outcome = judge_folder(Path(os.environ["PDM_PUBLIC_DATA"]) / "skab", progress=lambda _: None)

    assert outcome.confusion().f1 >= 0.83
    assert outcome.confusion().far <= 0.128
