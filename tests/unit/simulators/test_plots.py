"""The pictures of the documentation."""

import sys
from pathlib import Path

import pytest

from simulators import plots

PICTURES = {"simulation-modes.png", "simulation-wear.png", "simulation-duty.png", "simulation-lives.png"}


def test_all_pictures_are_drawn_and_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["plots", "--folder", str(tmp_path)])

    plots.main()

    assert {file.name for file in tmp_path.iterdir()} == PICTURES
    assert max(file.stat().st_size for file in tmp_path.iterdir()) < 250_000
    assert all(f"images/{name}" in Path("docs/simulation.md").read_text(encoding="utf-8") for name in PICTURES)
