"""Ours beside published: one layout for the figures of every benchmark. Pure."""

from collections.abc import Sequence
from typing import NamedTuple


class Figures(NamedTuple):
    """The figures of one method, in the order of the headings; None where a source does not tell one."""

    method: str
    values: tuple[float | None, ...]
    remark: str = ""


def side_by_side(headings: Sequence[str], formats: Sequence[str], rows: Sequence[Figures]) -> str:
    """A line a method, columns aligned. headings, formats (as for `format`): one for each figure."""
    told = [(row.method, *map(_told, row.values, formats)) for row in rows]
    widths = [max(map(len, column)) for column in zip(("", *headings), *told, strict=True)]
    lines = []
    for cells, remark in zip((("", *headings), *told), ("", *(row.remark for row in rows)), strict=True):
        name, *values = (
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        lines.append("  ".join([name, *values, remark]).rstrip())
    return "\n".join(lines)


def _told(value: float | None, how: str) -> str:
    return "-" if value is None else format(value, how)
