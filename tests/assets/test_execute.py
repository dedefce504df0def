"""Jobs run from a terminal: one JSON line a step, and an exit code that says how it ended."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pdm_platform.execute import main
from tests.world import LIVES, World


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def dagster_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Dagster instance of its own, which sends nothing."""
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n", encoding="utf-8")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    return home


@pytest.mark.usefixtures("dagster_home")
def test_steps_and_checks_are_told_as_they_come(trained: World, capfd: pytest.CaptureFixture[str]) -> None:
    code = main(["retrain", "--select", "validated_telemetry,feature_table"])

    told = lines(capfd.readouterr().out)
    assert code == 0
    assert trained.lake.current("feature_table").rows > 20_000
    assert [(line["event"], line.get("step")) for line in told if line["event"] in ("start", "success")] == [
        ("start", "validated_telemetry"),
        ("success", "validated_telemetry"),
        ("start", "feature_table"),
        ("success", "feature_table"),
    ]
    (check,) = [line for line in told if line.get("check") == "lives"]
    assert check["passed"] is True
    assert check["observed"] == str(LIVES)
    assert check["expected"] == ">= 4 devices"
    (success,) = [line for line in told if line["event"] == "success" and line["step"] == "validated_telemetry"]
    assert "readings met" in success["summary"]
    assert told[-1]["event"] == "done"
    assert told[-1]["success"] is True


@pytest.mark.usefixtures("dagster_home")
def test_a_failure_is_told_with_its_description_and_a_code(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "run.json"
    window = {"telemetry_window": {"config": {"window_end": "2026-03-01T00:00:00Z"}}}
    config.write_text(json.dumps({"ops": window}), encoding="utf-8")

    code = main(["retrain", "--select", "telemetry_window", "--config", str(config)])

    told = lines(capfd.readouterr().out)
    assert code == 1
    (failure,) = [line for line in told if line["event"] == "failure"]
    assert "no labelled readings" in failure["description"]
    assert told[-1]["success"] is False
    assert not (world.home / "lake" / "telemetry_window" / "current.json").exists()


@pytest.mark.usefixtures("dagster_home", "world")
@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["no_such_job"], "no_such_job"),
        (["retrain", "--select", "no_such_asset"], "no_such_asset"),
        (["retrain", "--config", "/nowhere/run.json"], "/nowhere/run.json"),
    ],
)
def test_what_cannot_begin_is_named(arguments: list[str], names: str, capfd: pytest.CaptureFixture[str]) -> None:
    code = main(arguments)

    (told,) = lines(capfd.readouterr().out)
    assert code == 2
    assert names in told["description"]


def test_it_runs_as_a_module(trained: World, dagster_home: Path) -> None:
    command = [sys.executable, "-m", "pdm_platform.execute", "retrain", "--select", "feature_table"]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 0, done.stderr
    assert lines(done.stdout)[-1]["success"] is True
    assert trained.lake.current("feature_table").rows > 20_000
    assert (dagster_home / "history").is_dir()
