"""Rows cut anew between devices."""

from collections.abc import Iterator

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.measurements import DEVICE
from pdm_platform.stores.rows import whole_devices


def table(*devices: str) -> pa.Table:
    return pa.table({DEVICE: pa.array(devices, pa.string())})


def devices(tables: Iterator[pa.Table]) -> list[str]:
    return ["".join(found[DEVICE].to_pylist()) for found in tables]


def test_a_device_that_comes_in_several_tables_stays_together() -> None:
    assert devices(whole_devices([table("a", "b"), table("b"), table("b", "c")], 2)) == ["a", "bbb", "c"]


def test_several_devices_share_a_table_up_to_the_limit() -> None:
    assert devices(whole_devices([table(*"aabbbcd")], 5)) == ["aabbb", "cd"]


def test_no_rows_give_no_table() -> None:
    assert list(whole_devices([], 5)) == []
    assert list(whole_devices([table(), table()], 5)) == []


@given(st.lists(st.integers(1, 6), max_size=12), st.integers(1, 5), st.integers(1, 12))
def test_nothing_is_lost_split_or_larger_than_it_must_be(counts: list[int], cut_at: int, max_rows: int) -> None:
    letters = [chr(ord("a") + device) for device, count in enumerate(counts) for _ in range(count)]
    tables = [table(*letters[first : first + cut_at]) for first in range(0, len(letters), cut_at)]

    found = devices(whole_devices(tables, max_rows))

    assert "".join(found) == "".join(letters)
    assert len({letter for part in found for letter in set(part)}) == sum(len(set(part)) for part in found)
    assert all(len(part) <= max_rows or len(set(part)) == 1 for part in found)
