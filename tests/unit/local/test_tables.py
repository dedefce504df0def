"""Rows are a table for people and lines for programs."""

import pytest

from pdm_platform.local.tables import print_rows

HEADINGS, ROWS = ("name", "pattern"), [("a-name-that-is-not-to-be-cut", "[red]x[0-9]+")]


def test_piped_rows_are_lines_of_cells_between_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(HEADINGS, ROWS)

    assert capsys.readouterr().out == "name\tpattern\na-name-that-is-not-to-be-cut\t[red]x[0-9]+\n"


def test_a_terminal_shows_a_table_with_every_cell_as_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")

    print_rows(HEADINGS, ROWS)

    shown = capsys.readouterr().out
    assert "┃" in shown
    assert "a-name-that-is-not-to-be-cut" in shown
    assert "[red]x[0-9]+" in shown
