"""Reports reach a browser; nothing else below the home folder does."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from pdm_platform.local.processes import free_port
from pdm_platform.local.report_server import served_reports
from pdm_platform.runtime.healthz import ask
from tests.e2e.program import wait_until


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


def test_a_link_that_leads_out_of_the_folder_is_not_served(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "outside.html").write_text("outside")
    (home / "inside.html").symlink_to(tmp_path / "outside.html")

    with served_reports(home) as url, pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{url}/inside.html")

    assert refused.value.code == 404


def test_the_command_serves_until_a_signal_and_says_when_its_folder_is_gone(tmp_path: Path) -> None:
    home, port = tmp_path / "home", free_port()
    (home / "lake").mkdir(parents=True)
    (home / "lake" / "drift.html").write_text("<p>drift</p>")
    code = (
        "from pathlib import Path; from pdm_platform.local.report_server import run_reports;"
        "from pdm_platform.runtime.settings import PlatformSettings;"
        f"raise SystemExit(run_reports(PlatformSettings(home=Path({str(home)!r})), '127.0.0.1', {port}))"
    )
    with subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: ask(port)[0], "the reports are served")
            served, page = ask(port, "/lake/drift.html")
            home.rename(tmp_path / "gone")
            healthy_without_folder, _ = ask(port)
        finally:
            process.send_signal(signal.SIGTERM)
        exit_code = process.wait(timeout=10)

    assert (served, page) == (True, "<p>drift</p>")
    assert not healthy_without_folder
    assert exit_code == 0
