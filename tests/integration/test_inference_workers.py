"""Two inference processes beside each other on the shipped Mosquitto: each reading is answered by one of them."""

import json
import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.deployment.access import User
from pdm_platform.deployment.secrets import MQTT_PASSWORD_FILES
from pdm_platform.inference.workers import worker_of
from pdm_platform.local.processes import Process, Processes, free_port, pdmctl
from pdm_platform.stores.registry import Manifest, Registry
from tests.servers.mosquitto import Mosquitto, needs_mosquitto, running_mosquitto, wait_until
from tests.servers.mqtt_clients import connected
from tests.small_fleet import NEW_PUMP

pytestmark = [pytest.mark.integration, needs_mosquitto]
Registered = Callable[..., tuple[Registry, Manifest]]
PUMPS, READINGS = 20, 15


def environment(broker: Mosquitto, home: Path, number: int, output: str) -> dict[str, str]:
    return {
        "PDM_HOME": str(home),
        "PDM_MQTT_PORT": str(broker.plain_port),
        "PDM_MQTT_USERNAME": User.INFERENCE,
        "PDM_MQTT_PASSWORD_FILE": str(broker.settings.secrets_dir / MQTT_PASSWORD_FILES[User.INFERENCE]),
        "PDM_INFERENCE_WORKERS": "2",
        "PDM_INFERENCE_WORKER": str(number),
        "PDM_INFERENCE_OUTPUT": output,
    }


def predicted(worker: Process) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{worker.http_port}/metrics", timeout=5.0) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[1]) for line in lines if line.startswith("pdm_inference_predicted_total"))


@contextmanager
def two_workers(broker: Mosquitto, home: Path, output: str) -> Iterator[list[Process]]:
    processes = Processes()
    ports = [free_port(), free_port()]
    workers = [
        Process(
            f"inference-{number}",
            pdmctl("inference"),
            {**environment(broker, home, number, output), "PDM_INFERENCE_HTTP_PORT": str(port)},
            home / f"inference-{number}.log",
            port,
        )
        for number, port in enumerate(ports)
    ]
    try:
        for worker in workers:
            processes.start(worker)
            processes.wait_healthy(worker)
        yield workers
    finally:
        processes.stop()


@pytest.mark.parametrize("output", ["full", "simple"])
def test_two_workers_answer_every_reading_once_and_in_full_a_pump_stays_with_one(
    output: str, tmp_path: Path, registered: Registered
) -> None:
    home = tmp_path / "home"
    registry, manifest = registered(home / "registry")
    registry.promote(manifest.version, actor="ana", reason="a test")
    values = dict(zip(CHANNEL_NAMES, NEW_PUMP.tolist(), strict=True))
    sent = {(f"pump-{pump:02d}", number) for pump in range(PUMPS) for number in range(READINGS)}
    with (
        running_mosquitto(tmp_path / "site") as broker,
        two_workers(broker, home, output) as workers,
        connected(broker.client(User.BRIDGE, tls=False), "factory/pumps/+/predictions") as told,
        connected(broker.client(User.SIMULATOR, tls=False), client_id="plant") as plant,
    ):
        for device, number in sorted(sent, key=lambda each: each[1]):
            payload = json.dumps({"device_id": device, **values, "measurement_id": number}).encode()
            plant.link.publish(f"factory/pumps/{device}/telemetry", payload)
        wait_until(lambda: len(told.payloads) >= len(sent), "every reading is answered", timeout_s=30.0)
        answered = Counter((said["device_id"], said["measurement_id"]) for said in map(json.loads, told.payloads))
        by_worker = [predicted(worker) for worker in workers]

    assert answered == Counter(sent)
    assert sum(by_worker) == len(sent)
    if output == "full":
        mine = sum(worker_of(f"pump-{pump:02d}", 2) == 0 for pump in range(PUMPS))
        assert by_worker == [mine * READINGS, (PUMPS - mine) * READINGS]
    else:
        assert min(by_worker) > 0


def test_workers_that_share_a_subscription_say_that_the_embedded_broker_cannot(tmp_path: Path) -> None:
    port = free_port()
    shared = {"PDM_HOME": str(tmp_path), "PDM_MQTT_PORT": str(port), "PDM_BROKER_NATS_PORT": str(free_port())}
    processes, broker = Processes(), Process("broker", pdmctl("broker"), shared, tmp_path / "broker.log")
    settings = {"PDM_INFERENCE_WORKERS": "2", "PDM_INFERENCE_OUTPUT": "simple"}
    try:
        processes.start(broker)
        processes.wait_listening(broker, port)
        ended = subprocess.run(
            [sys.executable, "-m", "pdm_platform.cli", "inference"],
            env={**os.environ, **shared, **settings},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        processes.stop()

    assert ended.returncode == 1
    assert "knows no shared subscriptions" in ended.stderr
