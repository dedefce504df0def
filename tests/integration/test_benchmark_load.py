"""The load generator against a real broker, counted; and a small benchmark run from its command to its file."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import servers
from benchmarks.figures import FURTHER, NAMES
from benchmarks.load import SOURCE, TELEMETRY, Load, LoadError, build, stop
from tests.servers.mosquitto import needs_mosquitto

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
READINGS = 4_000
needs_compiler = pytest.mark.skipif(
    not any(shutil.which(name) for name in ("cc", "gcc", "clang")),
    reason="no C compiler on PATH: Debian's package gcc brings one",
)


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    return build(tmp_path_factory.mktemp("load"))


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with servers.mosquitto(tmp_path_factory.mktemp("broker") / "mosquitto") as port:
        yield port


@needs_compiler
@needs_mosquitto
def test_every_reading_is_acknowledged_relayed_and_counted_once(load: Load, port: int) -> None:
    with load.relaying(port) as relay:
        with load.receiving(port, READINGS) as receiver:
            published = load.publish(port, READINGS, devices=100)
            received = receiver.received(READINGS)
        relayed = stop(relay)

    assert published.sent == published.acknowledged == READINGS
    assert relayed.relayed == received.received == received.messages == READINGS
    assert received.distinct == READINGS
    assert received.versions == {}  # the relay has no model
    assert received.bytes_each == 150.0
    assert 0 < received.p50_us <= received.p90_us <= received.p99_us <= received.max_us
    assert published.began_ns < received.first_ns <= received.last_ns


@needs_compiler
@needs_mosquitto
def test_a_rate_is_kept_on_many_connections(load: Load, port: int) -> None:
    with load.receiving(port, 1_000, TELEMETRY) as receiver:
        published = load.publish(port, 1_000, devices=300, rate=2_000.0, connections=50)
        receiver.received(1_000)

    # no upper bound: a busy machine may be late, and says so
    assert published.seconds >= 0.49
    assert published.acknowledged == 1_000


@needs_compiler
@needs_mosquitto
def test_what_was_published_is_what_the_contract_asks_for(load: Load, port: int) -> None:
    command = [
        "mosquitto_sub",
        "-h",
        "127.0.0.1",
        "-p",
        str(port),
        "-q",
        "1",
        "-t",
        TELEMETRY,
        "-C",
        "6",
        "-F",
        "%t %p",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as subscriber:
        assert subscriber.stdout is not None
        # published until the subscriber has seen enough: nothing else tells when it has subscribed
        while subscriber.poll() is None:
            load.publish(port, 6, devices=3, first=7)
        lines = subscriber.stdout.read().splitlines()

    for line in lines:
        topic, payload = line.split(" ", 1)
        reading = json.loads(payload)
        assert topic == f"factory/pumps/{reading['device_id']}/telemetry"
        assert reading["measurement_id"] in (1_000_000_007, 1_000_000_008)
        assert len(str(reading["timestamp"])) == 19
        assert 2_700 < reading["rpm"] < 3_000


@needs_compiler
@needs_mosquitto
def test_readings_that_do_not_come_are_an_error(load: Load, port: int) -> None:
    with load.receiving(port, 10, TELEMETRY) as receiver:
        load.publish(port, 4)
        receiver.process.terminate()
        with pytest.raises(LoadError, match=r"^[0-4] of 10 came$"):
            receiver.received(10)


@needs_compiler
@needs_mosquitto
def test_a_reading_that_is_answered_twice_is_an_error_whatever_their_number(load: Load, port: int) -> None:
    with load.relaying(port), load.relaying(port):
        with load.receiving(port, 4) as too_many:
            load.publish(port, 4)
            with pytest.raises(LoadError, match=r"^[5-8] of 4 came$"):
                too_many.received(4)
        with load.receiving(port, 8) as twice_each:
            load.publish(port, 4)
            with pytest.raises(LoadError, match="8 came, but 4 of them twice"):
                twice_each.received(8)


@needs_compiler
def test_a_wrong_option_and_a_broker_that_is_away_are_named(load: Load) -> None:
    with pytest.raises(LoadError, match=r"cannot connect to 127\.0\.0\.1:1: Connection refused"):
        load.publish(1, 1)
    with pytest.raises(LoadError, match="--port 0: a number from 1 to 65535 is needed"):
        load.publish(0, 1)


@needs_compiler
def test_both_compilers_find_nothing_to_warn_of(tmp_path: Path) -> None:
    for compiler in filter(shutil.which, ("gcc", "clang")):
        flags = ["-std=c11", "-pedantic", "-O2", "-Wall", "-Wextra", "-Werror"]
        done = subprocess.run(
            [compiler, *flags, "-o", str(tmp_path / compiler), str(SOURCE)], capture_output=True, text=True
        )

        assert done.returncode == 0, done.stderr


def test_a_small_run_names_every_figure_and_says_why_some_are_missing(tmp_path: Path) -> None:
    out = tmp_path / "bench" / "latest.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--rounds", "1", "--out", str(out)]

    done = subprocess.run(
        [*command, "--only", "simulators", "--only", "demo"], cwd=ROOT, capture_output=True, text=True, timeout=120.0
    )

    assert done.returncode == 0, done.stderr
    latest = json.loads(out.read_text(encoding="utf-8"))
    assert [name for name in (*NAMES, *FURTHER) if name not in latest] == []
    for name in ("simulate_arrays", "simulate_json"):
        assert latest[name]["unit"] == "pump-steps/s"
        assert latest[name]["spread"][0] <= latest[name]["ratio"] <= latest[name]["spread"][1]
    assert latest["demo"] == {
        **dict.fromkeys(("value", "unit", "reference", "ratio", "spread")),
        "reason": "left out of a quick run: it takes minutes",
    }
    assert latest["bridge_influxdb"]["reason"] == "not measured: --only simulators demo"
    assert latest["steady_inference"]["reason"] == "half an hour: only with --only steady"
    assert latest["machine"]["cores"] > 0
    assert out.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert "| `simulate_arrays` |" in done.stdout
