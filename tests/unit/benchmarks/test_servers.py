"""The broker of the benchmarks holds for a session what the shipped one holds."""

import re
from pathlib import Path

import pytest

from benchmarks import servers
from benchmarks.figures import UnavailableError

SHIPPED = Path(__file__).parents[3] / "deploy" / "mosquitto" / "mosquitto.conf"


@pytest.mark.parametrize(
    "setting", ["max_inflight_messages", "max_queued_messages", "max_queued_bytes", "set_tcp_nodelay"]
)
def test_what_bounds_a_session_is_as_shipped(setting: str) -> None:
    line = re.compile(rf"^{setting} .*$", re.MULTILINE)

    assert line.findall(servers.MOSQUITTO) == line.findall(SHIPPED.read_text(encoding="utf-8")) != []


def test_without_mosquitto_the_reason_says_what_brings_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "_PATH", str(tmp_path))

    with pytest.raises(UnavailableError, match="Debian's package mosquitto brings it"), servers.mosquitto(tmp_path):
        pass
