"""The tables that a benchmark run puts into the documents."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.figures import NAMES, Alone, Figure, complete
from benchmarks.plot import draw
from benchmarks.report import figures_table, growth_table, latency_table, replaced, steady_table

ROOT = Path(__file__).parents[3]
MACHINE = {
    "processor": "a processor",
    "cores": 2,
    "memory_gb": 24.0,
    "system": "Linux 6",
    "python": "3.11.7",
    "mosquitto": "2.0.11",
    "influxd": None,
    "load_before": 0.1,
}


def run(**found: dict[str, Any]) -> dict[str, Any]:
    """A latest.json with these figures."""
    growth = {
        "us_by_devices": {"100": 30.0, "1000": 25.0, "10000": 50.0},
        "us_by_batch": {"10": 300.0, "100": 60.0, "1000": 25.0},
        "each_us": 22.0,
        "batch_us": 2_800.0,
        "knee_batch": 127,
        "knee_devices": 10_000,
    }
    return {
        **complete(found, "no influxd on PATH"),
        "growth": {"models": growth},
        "machine": MACHINE,
        "rounds": 5,
        "quick": False,
        "taken_at": "2026-01-02T03:04:05+00:00",
    }


def latency() -> dict[str, Any]:
    sides = {"service": {"p50": 1.0, "p90": 2.0, "p99": 3.0}, "relay": {"p50": 0.1, "p90": 0.2, "p99": 0.3}}
    figure = Figure("ms", "lower", "p99", "a relay", [3.0] * 2, [0.3] * 2, {"latency_ms": {"1000/s": sides}})
    return figure.to_dict()


def steady() -> dict[str, Any]:
    minutes = {"first_minute_mib": 140.0, "last_minute_mib": 138.5, "highest_mib": 141.0}
    details = {**minutes, "published": 3_000_000, "answered": 3_000_000, "rate_hz": 4_999}
    return Alone("MiB", "lower", "growth", "0 is the aim", -1.5, details).to_dict()


def test_the_table_tells_the_machine_and_every_figure_or_why_there_is_none() -> None:
    table = figures_table(run(latency_full=latency()))

    assert "a processor, 2 cores, 24 GB, Linux 6, Python 3.11.7, mosquitto 2.0.11; load before 0.1" in table
    assert "| `latency_full` | 3 ms | 0.3 | 10 | 10 to 10 | p99; beside a relay (2 rounds) |" in table
    assert "| `bridge_influxdb` | | | | | no influxd on PATH |" in table
    assert all(f"`{name}`" in table for name in NAMES)


def test_latencies_stand_beside_the_relays() -> None:
    table = latency_table(run(latency_full=latency()))

    assert "| `latency_full` | 1000/s | 1 ms | 2 ms | 3 ms | 0.1 ms | 0.2 ms | 0.3 ms |" in table
    assert "latency_simple" not in table


def test_growth_tells_the_knees() -> None:
    row = growth_table(run()).splitlines()[-1]

    assert row == (
        "| features and models alone | 30 | 25 | 50 | 10,000 pumps | 300 | 60 | 25 |"
        " 127 readings: 2,800 µs a batch, 22 µs a reading |"
    )


def test_growth_tells_what_a_pump_takes() -> None:
    told = run()
    told["growth"]["models"]["state"] = {"devices": 10_000, "bytes_a_device": 2_856.1, "snapshot_bytes": 28_574_460}

    assert growth_table(told).endswith(
        "What is remembered of a pump takes 2,856 bytes in memory; the snapshot of 10,000 has 28.6 MB.\n"
    )


def test_memory_is_told_with_its_growth_and_how_many_readings_there_were() -> None:
    table = steady_table(run(steady_inference=steady()))

    assert (
        "| `steady_inference` | -1.5 MiB | 140.0 MiB | 138.5 MiB | 141.0 MiB | 3,000,000 | 4,999 | growth |"
    ) in table
    assert "| `steady_bridge_embedded` | | | | | | | no influxd on PATH |" in table


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    text = "before <!-- a: made by `python -m benchmarks.report` -->\nold\n<!-- end of a --> after"

    assert replaced(text, "a", r"new \1" + "\n") == text.replace("old", r"new \1")


def test_a_document_without_the_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="has no block"):
        replaced("nothing", "a", "new")


def report(folder: Path, latest: dict[str, Any]) -> None:
    """Put a run into copies of the documents."""
    (folder / "docs").mkdir()
    for name in ("README.md", "docs/performance.md"):
        (folder / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "latest.json").write_text(json.dumps(latest), encoding="utf-8")
    paths = ["--latest", str(folder / "latest.json"), "--root", str(folder)]
    subprocess.run([sys.executable, "-m", "benchmarks.report", *paths], cwd=ROOT, check=True)


def test_the_documents_take_a_run(tmp_path: Path) -> None:
    report(tmp_path, run(latency_full=latency()))

    for name in ("README.md", "docs/performance.md"):
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "`make bench` on a processor, 2 cores" in text
        assert [figure for figure in NAMES if f"`{figure}`" not in text] == []


def test_a_run_of_memory_alone_leaves_all_other_figures_as_they_are(tmp_path: Path) -> None:
    report(tmp_path, {**run(steady_inference=steady()), "growth": None})

    block = re.compile("<!-- steady: .*?<!-- end of steady -->", re.DOTALL)
    before, after = ((root / "docs" / "performance.md").read_text(encoding="utf-8") for root in (ROOT, tmp_path))
    assert "-1.5 MiB" in after
    assert block.sub("", after) == block.sub("", before)
    assert (tmp_path / "README.md").read_bytes() == (ROOT / "README.md").read_bytes()


def test_a_quick_run_does_not_come_into_the_documents(tmp_path: Path) -> None:
    latest = tmp_path / "latest.json"
    latest.write_text(json.dumps({**run(), "quick": True}), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.report", "--latest", str(latest), "--root", str(tmp_path)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 1
    assert "is of a quick run" in done.stderr


def test_the_documents_quote_every_figure() -> None:
    for name in ("README.md", "docs/performance.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        block = re.search(r"<!-- performance: .*? -->\n(.*?)<!-- end of performance -->", text, re.DOTALL)

        assert block is not None
        assert [figure for figure in NAMES if f"| `{figure}` |" not in block[1]] == []


def test_a_run_in_which_nothing_was_there_can_be_drawn(tmp_path: Path) -> None:
    draw({**run(), "growth": None}, tmp_path / "latest.png")

    assert (tmp_path / "latest.png").read_bytes().startswith(b"\x89PNG")
