"""Ratios, spreads and knees of a benchmark run, and what it says of what it could not measure."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.figures import FURTHER, NAMES, STEADY, Alone, Batches, Figure, complete, dearer_from, missing, write


def figure(values: list[float], references: list[float], **details: Any) -> Figure:
    return Figure("readings/s", "higher", "the thing", "the other thing", values, references, details)


def test_the_ratio_is_the_median_of_the_rounds_ratios_not_the_ratio_of_the_medians() -> None:
    # the machine was slow in the first round and fast in the last: that cancels within a round only
    told = figure([10.0, 60.0, 100.0], [20.0, 100.0, 400.0]).to_dict()

    assert told["value"] == 60.0
    assert told["reference"] == 100.0
    assert told["ratio"] == 0.5
    assert told["spread"] == [0.25, 0.6]
    assert told["rounds"] == 3


def test_a_figure_keeps_its_details() -> None:
    assert figure([1.0], [1.0], latency_ms={"1000/s": 2.0}).to_dict()["latency_ms"] == {"1000/s": 2.0}


def test_a_figure_of_no_round_is_refused() -> None:
    with pytest.raises(ValueError, match="the thing: no round was measured"):
        figure([], []).to_dict()


def test_a_round_without_its_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        figure([1.0, 2.0], [1.0]).to_dict()


def test_a_value_that_stands_alone_has_all_keys_of_a_figure_and_says_why_there_is_no_reference() -> None:
    told = Alone("MiB", "lower", "growth", "0 is the aim", -1.5, {"highest_mib": 140.0}).to_dict()

    assert (told["value"], told["unit"], told["highest_mib"]) == (-1.5, "MiB", 140.0)
    assert [told[key] for key in ("reference", "ratio", "spread")] == [None] * 3
    assert told["why_alone"] == "0 is the aim"


def test_what_is_not_there_is_null_with_the_reason() -> None:
    told = missing("no influxd on PATH")

    assert told.pop("reason") == "no influxd on PATH"
    assert told == {"value": None, "unit": None, "reference": None, "ratio": None, "spread": None}


def test_a_run_of_one_subject_still_names_all_figures_in_their_order() -> None:
    found = complete({"demo": figure([2.0], [1.0]).to_dict()}, "not measured")

    assert list(found) == [*NAMES, *FURTHER, *STEADY]
    assert found["demo"]["ratio"] == 2.0
    assert {found[name]["reason"] for name in found if name != "demo"} == {"not measured"}


def test_a_run_replaces_the_last_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "bench" / "latest.json"

    write(path, {"demo": missing("first")})
    write(path, {"demo": missing("second")})

    assert json.loads(path.read_text(encoding="utf-8"))["demo"]["reason"] == "second"
    assert [each.name for each in path.parent.iterdir()] == ["latest.json"]


def test_the_cost_of_a_batch_and_that_of_a_reading_are_told_apart() -> None:
    parts = Batches.fitted({size: 50.0 + 3_000.0 / size for size in (10, 100, 1_000)})

    assert parts.each_us == pytest.approx(50.0)
    assert parts.batch_us == pytest.approx(3_000.0)
    assert parts.knee == pytest.approx(60.0)


def test_where_batches_save_nothing_there_is_no_cost_of_a_batch() -> None:
    parts = Batches.fitted({10: 40.0, 100: 41.0, 1_000: 42.0})

    assert parts.batch_us == 0.0
    assert parts.knee == 0.0


def test_growth_is_dear_from_the_first_fleet_that_costs_half_as_much_again() -> None:
    assert dearer_from({100: 20.0, 1_000: 18.0, 10_000: 28.0}) == 10_000
    assert dearer_from({100: 20.0, 1_000: 18.0, 10_000: 26.0}) is None
