"""The lake: a rerun replaces, what is current is whole, what is read is what was stored."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pdm_platform.contract.errors import LakeError
from pdm_platform.contract.measurements import Window
from pdm_platform.stores.files import replace_file
from pdm_platform.stores.lake import Lake

DAY = Window(0, 86_400)
NEXT_DAY = Window(86_400, 172_800)


def table(*values: float) -> pa.Table:
    return pa.table({"value": pa.array(values, pa.float64())})


def test_what_was_written_is_current_and_reads_back(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    written = lake.write("feature_table", table(1.0, 2.5), DAY, pumps=3, seed=None)

    assert lake.current("feature_table") == written
    assert (written.rows, written.window, written.facts) == (2, DAY, {"pumps": 3, "seed": None})
    assert lake.read(written).equals(table(1.0, 2.5))


def test_an_empty_table_keeps_its_columns(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    lake.write("feature_table", table(), DAY)

    assert lake.read(lake.current("feature_table")).schema == table().schema


def test_a_rerun_replaces_the_same_window_and_leaves_one_file(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    lake.write("feature_table", table(1.0), DAY)

    second = lake.write("feature_table", table(2.0), DAY)

    assert lake.read(lake.current("feature_table")).equals(table(2.0))
    assert list(lake.folder("feature_table", DAY).glob("*.parquet")) == [second.path]


def test_the_same_content_written_again_is_the_same_artifact(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    assert lake.write("feature_table", table(1.0), DAY) == lake.write("feature_table", table(1.0), DAY)


def test_another_window_becomes_current_and_leaves_the_first_readable(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    first = lake.write("feature_table", table(1.0), DAY)

    lake.write("feature_table", table(2.0), NEXT_DAY)

    assert lake.current("feature_table").window == NEXT_DAY
    assert lake.read(first).equals(table(1.0))


def test_reports_lie_beside_the_rows_and_outlive_a_rerun(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    report = lake.folder("drift_report", DAY) / "report.html"
    report.write_text("<html>")

    written = lake.write("drift_report", table(1.0), DAY)

    assert written.path.parent == report.parent
    assert report.read_text() == "<html>"


def test_facts_alone_are_an_artifact_without_rows(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    numpy_facts: dict[str, Any] = {"share": np.float64(0.25), "count": np.int64(3)}

    written = lake.write_facts("simulated_lifecycles", DAY, devices=["a", "b"], **numpy_facts)

    assert lake.current("simulated_lifecycles") == written
    assert written.facts == {"devices": ["a", "b"], "share": 0.25, "count": 3}
    assert (written.rows, written.path) == (0, lake.folder("simulated_lifecycles", DAY))
    with pytest.raises(LakeError, match="no rows"):
        lake.read(written)


def test_what_was_never_stored_says_what_to_materialise(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="materialise 'feature_table' first"):
        Lake(tmp_path / "not made").current("feature_table")


def test_a_changed_byte_is_seen_and_named(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    written = lake.write("feature_table", table(1.0), DAY)
    content = bytearray(written.path.read_bytes())
    content[10] ^= 1
    written.path.write_bytes(content)

    with pytest.raises(LakeError, match=written.path.name):
        lake.read(written)


def test_rows_that_are_gone_are_named(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    written = lake.write("feature_table", table(1.0), DAY)
    written.path.unlink()

    with pytest.raises(LakeError, match="materialise 'feature_table' again"):
        lake.read(written)


@pytest.mark.parametrize("content", ["", "{", '{"name": 1}', '{"name":"x","start_ns":2,"end_ns":1}'])
def test_a_record_that_cannot_be_read_is_named(tmp_path: Path, content: str) -> None:
    Lake(tmp_path).write("feature_table", table(1.0), DAY)
    (tmp_path / "feature_table" / "current.json").write_text(content)

    with pytest.raises(LakeError, match=r"current\.json"):
        Lake(tmp_path).current("feature_table")


@pytest.mark.parametrize("name", ["", "..", "a/b", "../a", "A b", "x\n"])
def test_a_name_that_is_no_plain_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LakeError, match="does not match"):
        Lake(tmp_path).write(name, table(1.0), DAY)


def test_a_lake_that_was_moved_still_reads(tmp_path: Path) -> None:
    Lake(tmp_path / "here").write("feature_table", table(1.0), DAY)
    (tmp_path / "here").rename(tmp_path / "there")
    lake = Lake(tmp_path / "there")

    assert lake.read(lake.current("feature_table")).equals(table(1.0))


def test_a_run_cut_off_before_its_end_leaves_the_earlier_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    lake.write("feature_table", table(1.0), DAY)

    def cut_off(path: Path, data: bytes) -> None:
        if path.name == "current.json":
            raise OSError("no space left on device")
        replace_file(path, data)

    monkeypatch.setattr("pdm_platform.stores.lake.replace_file", cut_off)
    with pytest.raises(LakeError, match="no space left"):
        lake.write("feature_table", table(2.0), DAY)

    assert lake.read(lake.current("feature_table")).equals(table(1.0))
