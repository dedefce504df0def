"""Twenty of the firmware's pumps over TLS to the shipped Mosquitto, the bridge and the inference service behind it.

The network is cut, the pumps lose their power, and every reading is in the store once.
"""

import json
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

from pdm_platform.contract.measurements import (
    ALL_TIME,
    PUMP_LABELS,
    PUMP_PREDICTION,
    PUMP_TELEMETRY,
    Measurement,
)
from pdm_platform.contract.topics import Kind
from pdm_platform.deployment.access import User
from pdm_platform.deployment.roles import Role
from pdm_platform.local.processes import Process, Processes, free_port, pdmctl
from pdm_platform.stores.registry import Manifest, Registry
from pdm_platform.stores.sqlite import SqliteStore
from tests.chaos.proxy import Proxy, running_proxy
from tests.pump_twin import needs_compiler, program
from tests.servers.embedded_broker import EmbeddedBroker
from tests.servers.mosquitto import Mosquitto, needs_mosquitto, running_mosquitto, wait_until
from tests.servers.mqtt_clients import connected

pytestmark = [pytest.mark.integration, needs_mosquitto, needs_compiler]
Registered = Callable[..., tuple[Registry, Manifest]]
PUMPS: Final = 20
COLLECTOR: Final = "twin-001"
SETTINGS: Final = {"speed": "stress", "failure_mode": "in_turn", "interval_s": 0.2, "chaos": [{"name": "heatwave"}]}


@dataclass
class Plant:
    """Broker, bridge and inference service, and the firmware's program that publishes through a cable one can cut."""

    broker: Mosquitto
    cable: Proxy
    home: Path
    running: list["subprocess.Popen[str]"] = field(default_factory=list)

    def start_pumps(self, duration_s: float, *options: str, settings: dict[str, Any] | None = None) -> None:
        words = [
            str(program()), "run", "--pumps", str(PUMPS), "--broker", f"localhost:{self.cable.port}",
            "--ca", str(self.broker.ca), "--passwords", str(self.home / "passwords"),
            "--state", str(self.home / "flash"), "--settings", json.dumps(settings or SETTINGS),
            "--duration-s", str(duration_s), *options,
        ]  # fmt: skip
        with (self.home / "pumps.log").open("a") as log:
            self.running.append(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True))

    def pumps_told(self) -> dict[str, int]:
        """The summary that the program prints when it is done."""
        said, _ = self.running[-1].communicate(timeout=60.0)
        assert self.running[-1].returncode == 0, (self.home / "pumps.log").read_text()[-2_000:]
        summary: dict[str, int] = json.loads(said)
        return summary

    def lose_power(self) -> None:
        self.running[-1].kill()
        self.running[-1].communicate()

    def stored(self, measurement: Measurement = PUMP_TELEMETRY) -> int:
        return sum(len(ids) for ids in self.ids(measurement).values())

    def ids(self, measurement: Measurement = PUMP_TELEMETRY) -> dict[str, list[int]]:
        """measurement_id of each device's points, in the order of their time."""
        if not (self.home / "store").is_dir():  # the bridge makes it at its first write
            return {}
        store = SqliteStore(self.home / "store" / "telemetry.sqlite")
        try:
            points = store.read(measurement, ALL_TIME)
        finally:
            store.close()
        ids: dict[str, list[int]] = {}
        for device, number in zip(points["device_id"].to_pylist(), points["measurement_id"].to_pylist(), strict=True):
            ids.setdefault(device, []).append(number)
        return ids


def write_accounts(broker: Mosquitto, home: Path) -> None:
    """An account for each pump, in the file of passwords that the program takes."""
    names = [f"twin-{number:03d}" for number in range(1, PUMPS + 1)]
    made = [broker.accounts.add(name, Role.COLLECTOR if name == COLLECTOR else None) for name in names]
    lines = "".join(f"{account.name} {account.password}\n" for account in made)
    (home / "passwords").write_text(lines, encoding="utf-8")


@pytest.fixture
def plant(tmp_path: Path, registered: Registered) -> Iterator[Plant]:
    home = tmp_path / "home"
    home.mkdir()
    registry, manifest = registered(home / "registry")
    registry.promote(manifest.version, actor="ana", reason="a test")
    processes = Processes()
    with running_mosquitto(tmp_path / "site") as broker, running_proxy(broker.tls_port) as cable:
        write_accounts(broker, home)
        plant = Plant(broker, cable, home)
        try:
            for name, user, port in (
                ("bridge", User.BRIDGE, "PDM_BRIDGE_HTTP_PORT"),
                ("inference", User.INFERENCE, "PDM_INFERENCE_HTTP_PORT"),
            ):
                http_port = free_port()
                service = Process(
                    name, pdmctl(name), {**broker.environment(user, home), port: str(http_port)},
                    home / f"{name}.log", http_port,
                )  # fmt: skip
                processes.start(service)
                processes.wait_healthy(service)
            yield plant
        finally:
            for pumps in plant.running:
                if pumps.poll() is None:
                    pumps.kill()
                    pumps.communicate()
            processes.stop()


def assert_each_once(ids: dict[str, list[int]]) -> None:
    """Of every pump all readings from the first on, none missing and none twice, in the order of their time."""
    assert len(ids) == PUMPS
    for device, numbers in ids.items():
        assert numbers == list(range(len(numbers))), device


def test_what_twenty_pumps_measure_while_the_network_is_cut_is_stored_once_and_predicted(plant: Plant) -> None:
    # long enough for the back-off after the second cut to pass
    plant.start_pumps(24.0)
    wait_until(lambda: plant.stored() > 200, "readings flow", timeout_s=30.0)
    for _ in range(2):
        with plant.cable.cut():
            time.sleep(2.0)
        time.sleep(1.0)

    told = plant.pumps_told()

    assert (told["waiting"], told["dropped"], told["undated"], told["skipped"]) == (0, 0, 0, 0)
    assert told["reconnects"] >= PUMPS
    wait_until(lambda: plant.stored() >= told["acknowledged"], "all of it is stored", timeout_s=30.0)
    assert_each_once(plant.ids())
    assert plant.stored() == told["acknowledged"] >= PUMPS * 50
    wait_until(lambda: plant.stored(PUMP_PREDICTION) >= told["acknowledged"], "predictions are stored", timeout_s=30.0)
    assert_each_once(plant.ids(PUMP_PREDICTION))


def test_readings_that_wait_in_flash_outlive_a_loss_of_power(plant: Plant) -> None:
    plant.start_pumps(60.0)
    wait_until(lambda: plant.stored() > 200, "readings flow", timeout_s=30.0)
    with plant.cable.cut():
        time.sleep(2.0)
        plant.lose_power()
    before = {device: len(numbers) for device, numbers in plant.ids().items()}

    plant.start_pumps(3.0)
    told = plant.pumps_told()

    assert (told["waiting"], told["dropped"], told["torn"], told["undated"]) == (0, 0, 0, 0)
    wait_until(lambda: plant.stored() >= sum(before.values()) + told["acknowledged"] - 1, "stored", timeout_s=30.0)
    assert_each_once(plant.ids())
    # at least the eight of the two seconds without network, and those of the second start
    assert all(len(numbers) >= before[device] + 8 + 10 for device, numbers in plant.ids().items())


def test_before_the_clock_is_set_readings_wait_and_are_then_stored_at_the_time_they_were_taken(plant: Plant) -> None:
    start_ns = time.time_ns()
    plant.start_pumps(6.0, "--clock-after-s", "3")

    told = plant.pumps_told()

    assert (told["waiting"], told["undated"]) == (0, 0)
    wait_until(lambda: plant.stored() >= told["acknowledged"], "all of it is stored", timeout_s=30.0)
    assert_each_once(plant.ids())
    store = SqliteStore(plant.home / "store" / "telemetry.sqlite")
    try:
        times = store.read(PUMP_TELEMETRY, ALL_TIME, devices=["twin-001"])["time_ns"].to_pylist()
    finally:
        store.close()
    steps_ms = {round((later - earlier) / 1e6) for earlier, later in pairwise(times)}
    assert times[0] < start_ns + 2_000_000_000
    assert steps_ms <= {199, 200, 201}


def test_a_retained_command_switches_a_pump_to_labels_and_what_is_wrong_with_one_is_told(plant: Plant) -> None:
    operator = plant.broker.client(User.OPERATOR)
    topics = operator.topics
    plant.start_pumps(60.0)
    wait_until(lambda: plant.stored() > 100, "readings flow", timeout_s=30.0)

    with connected(operator, topics.every(Kind.STATUS)) as listener:

        def told(device: str, field: str, value: object) -> None:
            topic = topics.of(Kind.STATUS, device)

            def found() -> bool:
                messages = [message for message in list(listener.messages) if message.topic == topic]
                return any(json.loads(message.payload)[field] == value for message in messages)

            wait_until(found, f"{device} tells {field} {value!r}", timeout_s=20.0)

        command = topics.of(Kind.COMMAND, "twin-002")
        listener.link.publish(command, b'{"interval_s": 1e9, "mode": "data_collection"}', retain=True)
        told("twin-002", "command", "interval_s 1e9 is not 0.05 to 3600, nor null")
        listener.link.publish(topics.of(Kind.COMMAND, COLLECTOR), b'{"mode": "data_collection"}', retain=True)
        told(COLLECTOR, "mode", "data_collection")
        wait_until(lambda: plant.stored(PUMP_LABELS) >= 10, "labels are stored", timeout_s=20.0)
        plant.running[-1].send_signal(signal.SIGTERM)
        summary = plant.pumps_told()
        told(COLLECTOR, "online", False)

    assert summary["waiting"] == 0
    measured, labelled = plant.ids(), plant.ids(PUMP_LABELS)
    assert list(labelled) == [COLLECTOR]
    measured[COLLECTOR] += labelled[COLLECTOR]
    assert_each_once(measured)


def run_briefly(*options: str) -> "subprocess.CompletedProcess[str]":
    words = [str(program()), "run", "--duration-s", "2", "--settings", json.dumps(SETTINGS), *options]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_the_embedded_broker_takes_them_too_with_dots_in_their_names(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path)
    try:
        address = f"127.0.0.1:{broker.settings.mqtt_port}"
        done = run_briefly("--pumps", "3", "--prefix", "north.pump-", "--broker", address)
    finally:
        broker.kill()

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["acknowledged"] >= 3 * 9


def test_what_waits_where_nothing_keeps_it_is_lost_and_the_exit_code_says_so(tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"

    lost, kept = run_briefly("--broker", nobody), run_briefly("--broker", nobody, "--state", str(tmp_path / "flash"))

    assert (lost.returncode, kept.returncode) == (1, 0)
    assert json.loads(lost.stdout)["waiting"] >= 9
    assert "unreachable" in lost.stderr
    assert json.loads(kept.stdout)["waiting"] >= 9
