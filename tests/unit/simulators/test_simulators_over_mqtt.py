"""The simulators as processes, on the real embedded broker."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pdm_platform.contract.payloads import Labelled, Telemetry, decode
from pdm_platform.local.processes import free_port
from pdm_platform.runtime.mqtt import Link, Message
from pdm_platform.runtime.settings import PlatformSettings

pytestmark = pytest.mark.integration
LIVES = "stress:24,accelerated:20"
BROKER = (
    "from pdm_platform.runtime.broker import BrokerSettings, PlatformSettings, run_broker;"
    "run_broker(PlatformSettings.load(), BrokerSettings.load())"
)
SIMULATE = "from simulators.cli import app; app()"


class Stack:
    """A broker on free ports, whose data outlives its process, and the environment that leads to it."""

    def __init__(self, home: Path) -> None:
        port = free_port()
        self.settings = PlatformSettings(home=home, mqtt_port=port)
        self._environment = {
            **os.environ,
            "PDM_HOME": str(home),
            "PDM_MQTT_PORT": str(port),
            "PDM_BROKER_NATS_PORT": str(free_port()),
        }
        self.start_broker()

    def start_broker(self) -> None:
        self.broker = self.start(BROKER, stderr=subprocess.DEVNULL)

    def start(self, code: str, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", code, *arguments], env=self._environment, **options)

    def simulate(self, *arguments: str) -> subprocess.Popen[bytes]:
        return self.start(SIMULATE, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Heard:
    """What a subscriber was given, each different payload once."""

    def __init__(self) -> None:
        self.payloads: set[bytes] = set()
        self._changed = threading.Condition()

    def add(self, message: Message) -> None:
        with self._changed:
            self.payloads.add(message.payload)
            self._changed.notify_all()

    def wait_for(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len(self.payloads) >= count, 30)


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    started = Stack(tmp_path / "home")
    yield started
    started.broker.kill()
    started.broker.wait()


@contextmanager
def listening(stack: Stack) -> Iterator[Heard]:
    heard = Heard()
    link: Link

    def keep(message: Message) -> None:
        heard.add(message)
        link.acknowledge([message])

    link = Link(stack.settings, "listener", subscriptions=[stack.settings.topics.everything], on_message=keep)
    link.start()
    link.wait_ready(20)
    yield heard
    link.stop()


def summary_of(process: subprocess.Popen[bytes], *, code: int = 0) -> dict[str, Any]:
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err.decode()
    summary = json.loads(out)
    assert isinstance(summary, dict)
    return summary


def test_a_campaign_that_is_stopped_and_resumed_arrives_whole(stack: Stack, tmp_path: Path) -> None:
    command = ("training", "--lives", LIVES, "--resume", str(tmp_path / "campaign.json"))
    with listening(stack) as heard:
        first = stack.simulate(*command)
        heard.wait_for(1)
        first.send_signal(signal.SIGTERM)
        interrupted = summary_of(first, code=1)
        complete = summary_of(stack.simulate(*command))
        arrived = heard.wait_for(complete["planned"])

    assert 0 < interrupted["readings"] < interrupted["planned"]
    assert complete["readings"] == complete["planned"] == sum(complete["counts"].values())
    assert arrived
    devices = [decode(Labelled, payload).device_id for payload in heard.payloads]
    assert {device: devices.count(device) for device in complete["counts"]} == complete["counts"]


def test_a_broker_killed_in_the_middle_costs_no_reading(stack: Stack) -> None:
    with listening(stack) as heard:
        campaign = stack.simulate("training", "--lives", LIVES)
        heard.wait_for(1)
        stack.broker.kill()
        stack.broker.wait()
        stack.start_broker()
        complete = summary_of(campaign)
        arrived = heard.wait_for(complete["planned"])

    assert arrived
    assert len(heard.payloads) == complete["readings"] == complete["planned"]


def test_a_live_fleet_of_a_hundred_pumps_keeps_pace_and_stops_cleanly_at_ctrl_c(stack: Stack, tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    arguments = (
        "--pumps",
        "100",
        "--chaos-pumps",
        "50",
        "--interval-s",
        "0.1",
        "--stagger-s",
        "0",
        "--truth",
        str(truth),
    )
    with listening(stack) as heard:
        fleet = stack.simulate("production", *arguments)
        # beyond the baseline, which disturbances spare
        heard.wait_for(5_000)
        fleet.send_signal(signal.SIGINT)
        report = summary_of(fleet)
        arrived = heard.wait_for(report["published"])

    assert arrived
    assert len(heard.payloads) == report["published"] == sum(report["counts"].values())
    assert len({decode(Telemetry, payload).device_id for payload in heard.payloads}) == len(report["counts"]) == 100
    assert report["acknowledged"]
    assert (report["skipped"], report["max_behind_s"] < 1.0) == (0, True)
    assert [json.loads(line) for line in truth.read_text().splitlines()] == report["events"]
    assert report["events"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("training", "--lives", "slow:3"), "PDM-CONFIG-001 plan 'slow:3'"),
        (("training", "--window-end", "yesterday"), "'yesterday' is not ISO 8601"),
        (("training", "--disturbance-share", "2"), "disturbance share of 2.0"),
        (("production", "--pumps", "0"), "0 pumps"),
        (("production", "--chaos", "storm:0.1:3"), "'storm' is not one of heatwave"),
        (("production", "--sensor-fault", "freeze:often:3"), "'often' is not a probability"),
        (("production", "--no-wearing"), "5 pumps cannot fail"),
        (("production", "--truth", f"{__file__}/truth"), "cannot be written"),
    ],
)
def test_what_cannot_be_simulated_is_told_before_any_connection(arguments: tuple[str, ...], told: str) -> None:
    process = subprocess.run([sys.executable, "-c", SIMULATE, *arguments], capture_output=True, timeout=30, check=False)

    assert process.returncode == 1
    assert told in process.stderr.decode()
    assert b"Traceback" not in process.stderr
    assert process.stdout == b""
