"""Brokers and services that are measured: processes on loopback, in folders of their own, ended afterwards."""

import os
import re
import shutil
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.figures import UnavailableError
from pdm_platform.local.processes import Process, Processes, free_port, pdmctl

# What the shipped broker allows one session, see deploy/mosquitto/mosquitto.conf. Without what costs it time that is
# not the services': a log, passwords, saves.
MOSQUITTO: Final = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 10000
max_queued_messages 800000
max_queued_bytes 400000000
set_tcp_nodelay true
log_dest stderr
log_type error
"""
# Debian puts it where ordinary users do not look
_PATH: Final = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"
_LOOPBACK: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_HEALTHY_WITHIN_S: Final = 60.0


@contextmanager
def _started(
    name: str, command: list[str], environment: dict[str, str], folder: Path, http_port: int = 0
) -> Iterator[tuple[Processes, Process]]:
    processes = Processes()
    process = Process(name, command, environment, folder / f"{name}.log", http_port, restart=False)
    try:
        yield processes, processes.start(process)
    finally:
        processes.stop()


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """Mosquitto; its port. Raises UnavailableError where it is not installed."""
    program = shutil.which("mosquitto", path=_PATH)
    if program is None:
        raise UnavailableError("no mosquitto on PATH: Debian's package mosquitto brings it")
    folder.mkdir(parents=True)
    port = free_port()
    configuration = folder / "mosquitto.conf"
    configuration.write_text(MOSQUITTO.format(port=port), encoding="utf-8")
    with _started("mosquitto", [program, "-c", str(configuration)], {}, folder) as (processes, process):
        processes.wait_listening(process, port)
        yield port


@contextmanager
def nats(folder: Path) -> Iterator[int]:
    """The embedded broker; its port."""
    folder.mkdir(parents=True)
    port = free_port()
    environment = {"PDM_HOME": str(folder), "PDM_MQTT_PORT": str(port), "PDM_BROKER_NATS_PORT": str(free_port())}
    with _started("broker", pdmctl("broker"), environment, folder) as (processes, process):
        processes.wait_listening(process, port)
        yield port


@dataclass(frozen=True, slots=True)
class Service:
    """A running bridge or inference service, and the broker's port."""

    port: int
    process: Process

    def metric(self, name: str) -> float:
        """One of its figures; 0 where it has not counted yet. name: with its labels, as /metrics prints it."""
        with _LOOPBACK.open(f"http://127.0.0.1:{self.process.http_port}/metrics", timeout=30.0) as answer:
            found = re.search(rf"^{re.escape(name)} (\S+)$", answer.read().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0


@contextmanager
def service(
    name: str, folder: Path, port: int, settings: Mapping[str, str], *, command: list[str] | None = None
) -> Iterator[Service]:
    """`pdmctl NAME` below `folder`, once it is healthy. settings: further ones. command: runs it another way."""
    http_port = free_port()
    given = {
        "PDM_HOME": str(folder),
        "PDM_MQTT_PORT": str(port),
        f"PDM_{name.upper()}_HTTP_PORT": str(http_port),
        "PDM_LOG_LEVEL": "WARNING",
        **settings,
    }
    with _started(name, command or pdmctl(name), given, folder, http_port) as (processes, process):
        processes.wait_healthy(process, _HEALTHY_WITHIN_S)
        yield Service(port, process)
