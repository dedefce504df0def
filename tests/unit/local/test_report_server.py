"""Reports reach a browser; nothing else below the home folder does."""

import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pdm_platform.local.report_server import served_reports


def test_a_report_is_served(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "drift.html").write_text("<p>drift</p>")

    with served_reports(tmp_path) as url, urllib.request.urlopen(f"{url}/lake/drift.html") as answer:
        assert answer.read() == b"<p>drift</p>"


@pytest.mark.parametrize("path", ["store.sqlite", "", "lake/", "../outside.html", "%2e%2e/outside.html"])
def test_anything_else_is_not(tmp_path: Path, path: str) -> None:
    home = tmp_path / "home"
    (home / "lake").mkdir(parents=True)
    (home / "store.sqlite").write_text("secret")
    (tmp_path / "outside.html").write_text("outside")

    with served_reports(home) as url, pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{url}/{path}")

    assert refused.value.code == 404
