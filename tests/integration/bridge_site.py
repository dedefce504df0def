"""A broker and a bridge as processes, for tests that publish to the one and look at what the other has stored."""

import json
import re
import signal
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import ALL_TIME, PUMP_TELEMETRY
from pdm_platform.local.processes import Process, Processes, free_port, pdmctl
from pdm_platform.runtime.mqtt import Link
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.telemetry import open_platform_store


@dataclass
class Site:
    """A broker and a bridge as processes below one folder; a killed one is started again."""

    platform: PlatformSettings
    processes: Processes
    broker: Process
    bridge: Process

    @property
    def store_path(self) -> Path:
        return self.platform.home / "store" / "telemetry.sqlite"

    def stored(self) -> int:
        store = open_platform_store(self.platform)
        try:
            return store.count(PUMP_TELEMETRY, ALL_TIME)
        finally:
            store.close()

    def kill(self, process: Process) -> None:
        restarts = process.restarts
        process.signal(signal.SIGKILL)
        wait_until(lambda: process.restarts > restarts and process.running, "the killed process runs again")

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.bridge.http_port}/metrics", timeout=5.0) as answer:
            found = re.search(rf"^pdm_bridge_{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0


@contextmanager
def running_site(home: Path, *, store_url: str = "", token: str = "", **more: str) -> Iterator[Site]:
    """A site whose bridge is healthy. store_url, token: of InfluxDB; without them the embedded store. more: of its
    environment."""
    values = {"home": home, "mqtt_port": free_port(), "store_url": store_url, "store_token": token}
    platform = PlatformSettings.model_validate(values)
    http_port = free_port()
    environment = {
        "PDM_HOME": str(home),
        "PDM_MQTT_PORT": str(platform.mqtt_port),
        "PDM_BROKER_NATS_PORT": str(free_port()),
        "PDM_BRIDGE_HTTP_PORT": str(http_port),
        "PDM_STORE_URL": store_url,
        "PDM_STORE_TOKEN": token,
        **more,
    }
    broker = Process("broker", pdmctl("broker"), environment, home / "broker.log")
    command = [sys.executable, "-m", "sensors_bridge.main"]
    bridge = Process("bridge", command, environment, home / "bridge.log", http_port)
    processes = Processes()
    try:
        processes.start(broker)
        processes.wait_listening(broker, platform.mqtt_port)
        processes.start(bridge)
        processes.wait_healthy(bridge)
        yield Site(platform, processes, broker, bridge)
    finally:
        processes.stop()


@contextmanager
def link_to(site: Site, client_id: str = "test", **options: object) -> Iterator[Link]:
    link = Link(site.platform, client_id, **options)  # type: ignore[arg-type]
    link.start()
    try:
        link.wait_ready(10.0)
        yield link
    finally:
        link.stop()


def wait_until(condition: Callable[[], bool], what: str, timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.05)


def reading(device_id: str, number: int, **changes: object) -> bytes:
    fields = {"device_id": device_id, **dict.fromkeys(CHANNEL_NAMES, 1.5), "measurement_id": number}
    return json.dumps(fields | changes).encode()
