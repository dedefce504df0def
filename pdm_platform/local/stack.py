"""The embedded stack: broker, bridge and inference service as a plant would run them, on this machine's loopback."""

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pdm_platform.contract.errors import ProcessError
from pdm_platform.local.processes import Process, Processes, free_port, pdmctl
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.runtime.usage_data import NO_TELEMETRY

# No usage data, no sign-up dialog in front of the graph, and one run after the other: they share the lake.
DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
concurrency:
  runs:
    max_concurrent_runs: 1
"""


@dataclass(slots=True)
class Stack:
    """The running processes below one home folder, and the environment that makes others part of it."""

    platform: PlatformSettings
    environment: Mapping[str, str]
    processes: Processes
    by_name: dict[str, Process] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Folder of everything the stack writes."""
        return self.platform.home

    def start(
        self, name: str, *arguments: str, http_port: int = 0, stdout: int | None = None, restart: bool = True
    ) -> Process:
        """Start `pdmctl ARGUMENTS` as one of the stack's processes, its log below home/logs."""
        process = Process(
            name=name,
            command=pdmctl(*arguments),
            environment=self.environment,
            log_path=self.home / "logs" / f"{name}.log",
            http_port=http_port,
            restart=restart,
            stdout=stdout,
        )
        self.by_name[name] = self.processes.start(process)
        return process

    def run_job(
        self, job: str, on_event: Callable[[dict[str, Any]], None], *, config: dict[str, Any] | None = None
    ) -> None:
        """Run one Dagster job of the very definitions that the UI loads; `on_event` gets each step as it happens.

        Raises ProcessError with Dagster's description where the job fails.
        """
        arguments = ["job", job]
        if config is not None:
            path = self.home / f"{job}-config.json"
            path.write_text(json.dumps(config, indent=2), encoding="utf-8")
            arguments += ["--config", str(path)]
        process = self.start(f"job-{job}", *arguments, stdout=subprocess.PIPE, restart=False)
        assert process.handle is not None
        assert process.handle.stdout is not None
        failure = ""
        with process.handle.stdout as lines:
            for line in lines:
                event = _event(line)
                failure = event.get("description", failure)
                on_event(event)
        if process.handle.wait() != 0:
            raise ProcessError(
                f"job {job!r} failed: {failure}", hint=f"Its log, {process.log_path}, ends:\n{process.log_tail()}"
            )


def _event(line: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError:
        event = None  # a library that prints
    return event if isinstance(event, dict) and "event" in event else {"event": "log", "text": line.rstrip()}


@contextmanager
def embedded_stack(home: Path, *, mqtt_port: int = 0) -> Iterator[Stack]:
    """Start broker, bridge and inference service below `home`, wait until each is healthy, stop all at the end."""
    home = home.absolute()
    for name in [name for name in os.environ if name.startswith("PDM_")]:
        # the stack is a platform of its own: what is set for a plant must neither bend it nor be touched by it
        del os.environ[name]
    bridge_port, inference_port = free_port(), free_port()
    environment = {
        **NO_TELEMETRY,
        "PDM_HOME": str(home),
        "PDM_MQTT_HOST": "127.0.0.1",
        "PDM_MQTT_PORT": str(mqtt_port or free_port()),
        "PDM_BROKER_NATS_PORT": str(free_port()),
        "PDM_BRIDGE_HTTP_PORT": str(bridge_port),
        "PDM_INFERENCE_HTTP_PORT": str(inference_port),
        "PDM_STORE_URL": f"sqlite:///{home / 'store' / 'telemetry.sqlite'}",
        "DAGSTER_HOME": str(home / "dagster"),
        "PYTHONUNBUFFERED": "1",
    }
    for folder in ("dagster", "store"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    (home / "dagster" / "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")
    platform = PlatformSettings(
        home=home, mqtt_port=int(environment["PDM_MQTT_PORT"]), store_url=environment["PDM_STORE_URL"]
    )
    stack = Stack(platform, environment, Processes())
    lock = _locked(home)
    try:
        broker = stack.start("broker", "broker")
        stack.processes.wait_listening(broker, platform.mqtt_port)
        bridge = stack.start("bridge", "bridge", http_port=bridge_port)
        inference = stack.start("inference", "inference", http_port=inference_port)
        stack.processes.wait_healthy(bridge)
        # a new platform has no model yet, which is what `retrain` is for
        stack.processes.wait_healthy(inference, besides="model")
        yield stack
    finally:
        stack.processes.stop()
        lock.release()


def _locked(home: Path) -> FileLock:
    """Two brokers on one folder would damage each other's files."""
    lock = FileLock(home / "stack.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise ProcessError(f"a stack runs on {home} already", hint="Stop it, or name another `--folder`.") from None
    return lock
