"""Rows for people at a terminal, and the same rows, separated by tabs, for whatever they are piped into."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table


def print_rows(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print on stdout: a table where it is a terminal, else a line a row, headings first."""
    console = Console()
    if not console.is_terminal:
        for row in (headings, *rows):
            print("\t".join(row))
        return
    table = Table(*headings, header_style="bold", show_lines=False)
    table.columns[0].no_wrap = True
    for row in rows:
        table.add_row(*(escape(cell) for cell in row))
    console.print(table)
