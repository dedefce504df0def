"""The lake: a rerun replaces, what is current is whole, what is read is what was stored."""

import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pdm_platform.contract.errors import LakeError
from pdm_platform.contract.measurements import Window
from pdm_platform.stores.files import replace_file
from pdm_platform.stores.lake import Artifact, Lake

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


# -- part by part


def write_parts(lake: Lake, *parts: pa.Table, name: str = "feature_table") -> Artifact:
    with lake.writing(name, DAY) as writing:
        for part in parts:
            writing.add(part)
        return writing.store(parts=len(parts))


def test_parts_come_back_one_by_one_as_they_were_written(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    written = write_parts(lake, table(1.0, 2.0), table(3.0), table(4.0, 5.0))

    assert [part["value"].to_pylist() for part in lake.parts(written)] == [[1.0, 2.0], [3.0], [4.0, 5.0]]
    assert lake.read(written).equals(table(1.0, 2.0, 3.0, 4.0, 5.0))
    assert (written.rows, written.facts) == (5, {"parts": 3})
    assert lake.current("feature_table") == written


def test_a_part_larger_than_arrows_own_row_groups_stays_one(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    large = pa.table({"value": np.zeros(1_200_000)})

    written = write_parts(lake, large, table(1.0))

    assert [part.num_rows for part in lake.parts(written)] == [1_200_000, 1]


def test_only_the_columns_that_are_asked_for_are_read(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    written = write_parts(lake, pa.table({"a": [1], "b": [2], "c": [3]}))

    (part,) = lake.parts(written, ["c", "a"])

    assert part.to_pylist() == [{"c": 3, "a": 1}]


def test_writing_that_ends_without_store_leaves_what_was_current_and_no_file(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    before = write_parts(lake, table(1.0))

    with lake.writing("feature_table", DAY) as writing:
        writing.add(table(2.0))

    assert lake.current("feature_table") == before
    assert list(before.path.parent.iterdir()) == [before.path]


def test_an_artifact_without_any_part_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="no part"), Lake(tmp_path).writing("feature_table", DAY) as writing:
        writing.store()


def test_a_part_with_other_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="schema"):
        write_parts(Lake(tmp_path), table(1.0), pa.table({"other": [1.0]}))


def test_a_changed_byte_is_seen_before_the_first_part(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    written = write_parts(lake, table(1.0), table(2.0))
    content = bytearray(written.path.read_bytes())
    content[-20] ^= 1
    written.path.write_bytes(content)

    with pytest.raises(LakeError, match="SHA-256"):
        next(lake.parts(written))


def test_a_reader_keeps_its_rows_while_a_rerun_replaces_them(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    parts = lake.parts(write_parts(lake, table(1.0), table(2.0)))
    first = next(parts)

    write_parts(lake, table(7.0))

    assert [first, *parts] == [table(1.0), table(2.0)]


def test_shared_rows_are_the_same_file_and_outlive_the_first_name(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    extracted = write_parts(lake, table(1.0), table(2.0), name="telemetry_window")

    shared = lake.share(extracted, "validated_telemetry", expectations=3)
    write_parts(lake, table(9.0), name="telemetry_window")

    assert lake.current("validated_telemetry") == shared
    assert (shared.sha256, shared.rows, shared.window) == (extracted.sha256, 2, DAY)
    assert shared.facts == {"expectations": 3}
    assert [part.num_rows for part in lake.parts(shared)] == [1, 1]


def test_rows_are_shared_also_where_the_file_system_knows_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = Lake(tmp_path)
    extracted = write_parts(lake, table(1.0), name="telemetry_window")

    def refuse(*_: object) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)

    assert lake.read(lake.share(extracted, "validated_telemetry")).equals(table(1.0))


def test_what_killed_runs_left_behind_is_cleared_after_a_day(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    folder = lake.folder("feature_table", DAY)
    old, recent = folder / ".rows-old", folder / ".rows-recent"
    old.touch()
    recent.touch()
    long_ago_s = time.time() - 90_000
    os.utime(old, (long_ago_s, long_ago_s))

    write_parts(lake, table(1.0))

    assert (old.exists(), recent.exists()) == (False, True)
