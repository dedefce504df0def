import json
import os
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from pdm_platform.benchmark import cmapss
from pdm_platform.benchmark.cli import app
from pdm_platform.benchmark.cmapss import Outcome, judge_set
from pdm_platform.benchmark.cmapss_files import BenchmarkFileError, Conditions, read_readings
from pdm_platform.benchmark.cmapss_report import as_object, as_text, draw, published_for
from pdm_platform.core.trees import TreeSettings
from tests.unit.benchmark.cmapss_fleet import write_set

PUBLIC_DATA = os.environ.get("PDM_PUBLIC_DATA", "")
MEDIAN_CYCLES = 199.0


def silent(_text: str) -> None:
    pass


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """A small fleet with one operating condition, judged with the best of two candidates."""
    return judge_set(write_set(tmp_path_factory.mktemp("cmapss")), "FD001", most=2, progress=silent)


def test_test_engines_are_told_better_than_by_their_mean(outcome: Outcome) -> None:
    assert len(outcome.judged.truth) == 8
    assert outcome.judged.figures()["rmse"] < 0.5 * outcome.judged.truth.std()
    assert np.all(outcome.judged.lower <= outcome.judged.upper)
    assert outcome.judged.lower.min() >= 0.0


def test_the_candidate_with_the_smallest_error_is_judged(outcome: Outcome) -> None:
    best = min(outcome.selection.trials, key=lambda trial: trial.rmse)
    assert outcome.settings["candidate"] == best.name
    assert len(outcome.selection.trials) == 2


def test_figures_are_what_their_names_say() -> None:
    truth, predicted = np.array([10.0, 20.0]), np.array([13.0, 16.0])
    judged = cmapss.Judged(truth, predicted, predicted - 3.0, predicted + 3.0)
    figures = judged.figures()
    assert figures["rmse"] == pytest.approx(12.5**0.5)
    assert figures["bias"] == pytest.approx(-0.5)
    assert figures["phm08"] == pytest.approx(np.exp(0.3) - 1.0 + np.exp(4.0 / 13.0) - 1.0)
    assert figures["coverage"] == 0.5
    assert figures["mean_width"] == pytest.approx(6.0)


def test_several_operating_conditions_are_told_apart(tmp_path: Path) -> None:
    outcome = judge_set(write_set(tmp_path, "FD002", conditions=3), "FD002", most=1, progress=silent)
    assert outcome.settings["conditions"] == 3
    assert outcome.judged.figures()["rmse"] < 0.6 * outcome.judged.truth.std()


def test_five_engines_of_another_fleet_with_longer_lives_are_enough(tmp_path: Path) -> None:
    folder = write_set(tmp_path, "PUMP", train=5, test=3, life_cycles=900.0)
    outcome = judge_set(folder, "PUMP", most=1, progress=silent)
    assert outcome.settings["cycles_a_reading"] in (4, 5)
    assert outcome.judged.figures()["rmse"] < 300.0
    assert published_for("PUMP") == []


def test_four_engines_are_too_few(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkFileError, match=r"train_FD001\.txt: 4 engines, needs 5"):
        judge_set(write_set(tmp_path, train=4), "FD001", progress=silent)


def test_lives_of_a_few_cycles_are_too_short(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkFileError, match=r"train_FD001\.txt: a median life of 8 cycles, needs 10"):
        judge_set(write_set(tmp_path, life_cycles=4.0), "FD001", progress=silent)


def test_a_test_file_with_fewer_sensors_is_refused(tmp_path: Path) -> None:
    folder = write_set(tmp_path, train=5, test=3, life_cycles=40.0)
    path = folder / "test_FD001.txt"
    path.write_text("".join(" ".join(line.split()[:8]) + "\n" for line in path.read_text().splitlines()))
    with pytest.raises(BenchmarkFileError, match=r"test_FD001\.txt: 3 sensors, train_FD001\.txt has 7"):
        judge_set(folder, "FD001", progress=silent)


def test_the_cut_law_judges_readings_that_a_test_engine_may_have(tmp_path: Path) -> None:
    readings = read_readings(write_set(tmp_path, life_cycles=MEDIAN_CYCLES) / "train_FD001.txt")
    fleet = cmapss.folded(readings, Conditions.of(readings), 1)
    rows = fleet.rows(MEDIAN_CYCLES, 150.0)
    assert fleet.seen[rows.judge].min() == 30
    assert (rows.target[rows.judge].min(), rows.target[rows.judge].max()) == (1.0, 150.0)
    assert set(fleet.seen[rows.learn] % 5) == {0}
    assert fleet.seen[rows.learn].min() == 10


def test_averaged_cycles_end_with_the_last_one(tmp_path: Path) -> None:
    readings = read_readings(write_set(tmp_path) / "train_FD001.txt")
    conditions = Conditions.of(readings)
    fleet = cmapss.folded(readings, conditions, 7)
    assert (fleet.left == 0.0).sum() == len(readings.lives)
    assert len(fleet.engine) == sum(-(-int(life) // 7) for life in readings.lives)


def test_the_object_has_what_a_program_asks_for(outcome: Outcome) -> None:
    told = json.loads(json.dumps(as_object(outcome, "FD001")))
    asked = ("rmse", "phm08", "coverage", "mean_width", "engines", "settings", "cv", "published", "seconds")
    assert set(asked) <= set(told)
    assert told["engines"] == {"train": 14, "test": 8}
    assert {row["candidate"] for row in told["cv"]} == {trial.name for trial in outcome.selection.trials}


def test_the_table_puts_published_figures_beside_ours(outcome: Outcome) -> None:
    text = as_text(outcome, "FD001")
    assert "this platform" in text
    assert "16.14" in text
    assert "0.75 median lives" in " ".join(text.split())


def test_the_command_prints_one_object_and_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cmapss, "_BOOSTING", TreeSettings(max_iter=5))
    folder = write_set(tmp_path / "data", train=6, test=3, life_cycles=50.0)
    picture = tmp_path / "engines.png"
    ran = CliRunner().invoke(app, ["cmapss", "--data", str(folder), "--set", "FD001", "--json", "--plot", str(picture)])
    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert told["set"] == "FD001"
    assert len({row["candidate"] for row in told["cv"]}) == len(cmapss.AXES) * len(cmapss.CAP_LIVES) + 2
    assert "candidate 1 of" in ran.stderr
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_command_says_which_file_is_missing(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["cmapss", "--data", str(tmp_path)])
    assert isinstance(ran.exception, BenchmarkFileError)
    assert "train_FD001.txt" in ran.exception.what


def test_a_picture_that_cannot_be_written_is_an_error(tmp_path: Path, outcome: Outcome) -> None:
    with pytest.raises(BenchmarkFileError, match="cannot be written"):
        draw(outcome.judged, "FD001", tmp_path / "missing" / "engines.png")


@pytest.mark.skipif(not PUBLIC_DATA, reason="PDM_PUBLIC_DATA does not name a folder with cmapss/ in it")
@pytest.mark.timeout(900)
def test_nasas_engines_are_told_as_well_as_published_networks_do() -> None:
    figures = judge_set(Path(PUBLIC_DATA) / "cmapss", "FD001", progress=silent).judged.figures()
    assert figures["rmse"] <= 12.6
    assert 0.87 <= figures["coverage"] <= 0.95
