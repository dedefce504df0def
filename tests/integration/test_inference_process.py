"""The inference process on the real embedded broker, spoken to by a plain client that is not the platform's."""

import json
import math
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.local.processes import free_port
from pdm_platform.runtime.announce import announce
from pdm_platform.runtime.mqtt import Link
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.registry import Manifest, Registry

pytestmark = [pytest.mark.integration, pytest.mark.skipif(os.name != "posix", reason="signals")]
Registered = Callable[..., tuple[Registry, Manifest]]
WITHIN_S = 60.0
PLAIN: dict[str, Any] = dict(zip(CHANNEL_NAMES, (0.6, 0.6, 0.5, 1.0, 38.0, 4.2, 7.8, 2_850.0), strict=True))
WORN: dict[str, Any] = dict(zip(CHANNEL_NAMES, (5.0, 5.0, 4.0, 8.1, 70.0, 3.0, 9.5, 2_780.0), strict=True))


class Plant:
    """Broker and inference service as processes, and a plain MQTT client beside them."""

    def __init__(self, home: Path) -> None:
        self.home, self.port, self.http_port = home, free_port(), free_port()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PDM_")},
            "PDM_HOME": str(home),
            "PDM_MQTT_PORT": str(self.port),
            "PDM_BROKER_NATS_PORT": str(free_port()),
            "PDM_INFERENCE_HTTP_PORT": str(self.http_port),
            "PDM_INFERENCE_SNAPSHOT_S": "0.2",
            "PDM_INFERENCE_RELOAD_S": "0.2",
        }
        self.log = home / "processes.log"
        self.received: list[tuple[str, bytes]] = []
        self._arrived = threading.Condition()
        self.start_broker()
        self.client = paho.Client(CallbackAPIVersion.VERSION2, client_id="somebody-else", clean_session=False)
        self.client.on_connect = lambda client, *_: client.subscribe("factory/#", qos=1)
        self.client.on_message = self._keep
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", self.port)
        self.client.loop_start()
        self.start_inference()

    def _start(self, command: str, **changes: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            arguments = [sys.executable, "-m", "pdm_platform.cli", command]
            return subprocess.Popen(arguments, env={**self.environment, **changes}, stderr=log)

    def start_broker(self) -> None:
        self.broker = self._start("broker")
        self.until(lambda: self.broker.poll() is not None or not self._refuses(), "the broker to listen")

    def start_inference(self, **changes: str) -> None:
        self.inference = self._start("inference", **changes)
        self.until(lambda: self.problems().keys() <= {"model"}, "the service to be well")

    def _refuses(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0

    def problems(self) -> dict[str, str]:
        assert self.inference.poll() is None, self.log.read_text(encoding="utf-8")[-2_000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/healthz", timeout=2):
                return {}
        except urllib.error.HTTPError as error:
            with error:
                found: dict[str, str] = json.loads(error.read())["problems"]
            return found
        except OSError as error:
            return {"http": str(error)}

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/metrics", timeout=2) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name))

    def _keep(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        with self._arrived:
            self.received.append((message.topic, bytes(message.payload)))
            self._arrived.notify_all()

    def until(self, done: Callable[[], Any], what: str) -> None:
        deadline_s = time.monotonic() + WITHIN_S
        while not done():
            assert time.monotonic() < deadline_s, f"waited for {what}; log:\n" + self.log.read_text("utf-8")[-2_000:]
            with self._arrived:
                self._arrived.wait(0.02)

    def publish(self, device: str, reading: dict[str, Any] | bytes, qos: int = 1) -> None:
        payload = reading if isinstance(reading, bytes) else json.dumps({"device_id": device, **reading})
        self.client.publish(f"factory/pumps/{device}/telemetry", payload, qos=qos)

    def payloads(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for found, payload in self.received if found == topic]

    def predictions(self, device: str, count: int) -> list[dict[str, Any]]:
        topic = f"factory/pumps/{device}/predictions"
        self.until(lambda: len(self.payloads(topic)) >= count, f"{count} predictions of {device}")
        return self.payloads(topic)

    def promote(self, registered: Registered, **files: bytes) -> Manifest:
        registry, manifest = registered(self.home / "registry", **files)
        registry.promote(manifest.version, actor="ana", reason="a test")
        return manifest

    def statuses(self, version: str) -> list[dict[str, Any]]:
        topic = "factory/platform/models/status"

        def found() -> list[dict[str, Any]]:
            return [status for status in self.payloads(topic) if status["version"] == version]

        self.until(found, f"word of {version}")
        return found()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
        for process in (self.inference, self.broker):
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    started = Plant(tmp_path_factory.mktemp("plant"))
    yield started
    started.close()


@pytest.fixture
def serving(plant: Plant, registered: Registered) -> str:
    """The version in production, promoted the first time it is asked for, and a service that runs it."""
    if plant.inference.poll() is not None:
        plant.start_inference()
    pointer = Registry(plant.home / "registry").production()
    version = pointer.version if pointer is not None else plant.promote(registered).version
    plant.until(lambda: not plant.problems(), "a model in service")
    return version


def test_a_plain_client_at_qos_0_gets_one_prediction_a_reading(plant: Plant, serving: str) -> None:
    for number in range(50):
        plant.publish("plain", {**PLAIN, "measurement_id": number}, qos=0)

    said = plant.predictions("plain", 50)

    assert [item["measurement_id"] for item in said] == list(range(50))
    assert all("timestamp" not in item for item in said)
    assert {(item["state"], item["model_version"], item["device_id"]) for item in said} == {
        ("HEALTHY", serving, "plain")
    }
    assert all(sum(item["probabilities"].values()) == pytest.approx(1.0) for item in said)
    assert all(0.0 <= item["health_percent"] <= 100.0 for item in said)


@pytest.mark.usefixtures("serving")
def test_a_reading_without_a_sequence_number_or_with_unknown_fields_is_predicted(plant: Plant) -> None:
    plant.publish("barest", PLAIN)
    plant.publish("barest", {**PLAIN, "site": "north", "nested": {"list": [1, 2]}})

    said = plant.predictions("barest", 2)

    assert [item.get("measurement_id") for item in said] == [None, None]


@pytest.mark.usefixtures("serving")
def test_a_timestamp_comes_back_in_the_very_form_it_was_sent(plant: Plant) -> None:
    now_s = time.time()
    iso = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now_s))
    sent = [
        f"{iso}Z",
        f"{iso}.250+00:00",
        iso,
        int(now_s * 1e3),
        now_s * 1e3 + 0.25,
        int(now_s * 1e6),
        int(now_s * 1e9),
    ]
    for number, timestamp in enumerate(sent):
        plant.publish("clock", {**PLAIN, "measurement_id": number, "timestamp": timestamp}, qos=1)

    said = plant.predictions("clock", len(sent))

    assert [item["timestamp"] for item in said] == sent
    assert [type(item["timestamp"]) for item in said] == [type(timestamp) for timestamp in sent]


def bad_payloads() -> dict[str, bytes]:
    year_ms = 365 * 86_400 * 1_000
    good = {"device_id": "bad", **PLAIN, "measurement_id": 1}
    changed: dict[str, Any] = {
        "nan": {"temperature": math.nan},
        "infinity": {"temperature": math.inf},
        "text for a number": {"temperature": "38"},
        "impossible": {"rpm": -1.0},
        "another device": {"device_id": "good"},
        "a year ahead": {"timestamp": int(time.time() * 1e3) + year_ms},
        "a year behind": {"timestamp": int(time.time() * 1e3) - year_ms},
        "no time at all": {"timestamp": "yesterday"},
        "a megabyte": {"device_id": "x" * 1_000_000},
    }
    payloads = {name: json.dumps({**good, **fields}).encode() for name, fields in changed.items()}
    missing = {name: value for name, value in good.items() if name != "pressure"}
    return {
        **payloads,
        "truncated": json.dumps(good).encode()[:60],
        "empty": b"",
        "not text": b"\xff\xfe\x00",
        "a list": b"[1, 2]",
        "deep": b"[" * 100_000,
        "a field missing": json.dumps(missing).encode(),
    }


@pytest.mark.usefixtures("serving")
def test_a_bad_payload_gets_no_prediction_and_stops_nothing(plant: Plant) -> None:
    process, refused = plant.inference.pid, plant.metric("pdm_inference_refused_total")
    bad = bad_payloads()
    for payload in bad.values():
        plant.publish("bad", payload, qos=1)
    plant.client.publish("factory/pumps/no such pump/telemetry".replace(" ", "~"), json.dumps(PLAIN), qos=1)
    plant.publish("bad", {**PLAIN, "measurement_id": 2}, qos=1)

    said = plant.predictions("bad", 1)

    plant.until(lambda: plant.metric("pdm_inference_refused_total") == refused + len(bad) + 1, "all to be refused")
    assert [item["measurement_id"] for item in said] == [2]
    assert plant.payloads("factory/pumps/good/predictions") == []
    assert (plant.inference.pid, plant.problems()) == (process, {})


@pytest.mark.usefixtures("serving")
def test_a_pump_first_seen_worn_raises_the_severest_alarm_though_nothing_is_known_of_its_life(plant: Plant) -> None:
    for number in range(3):
        plant.publish("worn", {**WORN, "measurement_id": number})

    plant.until(lambda: plant.payloads("factory/pumps/worn/alarms"), "an alarm")

    [alarm] = plant.payloads("factory/pumps/worn/alarms")
    assert (alarm["active"], alarm["severity"], alarm["state"]) == (True, 900, "BROKEN")


@pytest.mark.usefixtures("serving")
def test_the_alarm_of_a_pump_that_wears_out_rises_to_the_highest_severity(plant: Plant) -> None:
    for number in range(150):
        wear = min(max((number - 30) / 100, 0.0), 1.0)
        worn = {name: PLAIN[name] + wear * (WORN[name] - PLAIN[name]) for name in CHANNEL_NAMES}
        plant.publish("wearing", {**worn, "measurement_id": number}, qos=1)
    plant.predictions("wearing", 150)

    def severities() -> list[int]:
        told = plant.payloads("factory/pumps/wearing/alarms")
        return [alarm["severity"] for alarm in told if alarm["condition"] == "pump_state"]

    plant.until(lambda: severities() and severities()[-1] == 900, "the highest severity")
    assert severities() == sorted(severities())


@pytest.mark.usefixtures("serving")
def test_a_promoted_model_is_taken_without_a_restart_and_said_so(plant: Plant, registered: Registered) -> None:
    process = plant.inference.pid
    for number in range(30):
        plant.publish("swap", {**PLAIN, "measurement_id": number})
    plant.predictions("swap", 30)

    new = plant.promote(registered, note_txt=b"second")
    [status] = plant.statuses(new.version)
    plant.publish("swap", {**PLAIN, "measurement_id": 30})
    last = plant.predictions("swap", 31)[-1]

    assert (status["loaded"], status["serving"]) == (True, new.version)
    assert (last["model_version"], last["measurement_id"]) == (new.version, 30)
    assert plant.inference.pid == process


class Opens:
    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self._marker), "w"))


@pytest.mark.usefixtures("serving")
def test_a_pickle_in_a_version_is_never_opened(plant: Plant, registered: Registered, tmp_path: Path) -> None:
    marker = tmp_path / "opened"

    new = plant.promote(registered, pipeline_joblib=pickle.dumps(Opens(marker)))
    [status] = plant.statuses(new.version)

    assert status["loaded"]
    assert "pipeline.joblib" in new.files
    assert not marker.exists()


def test_a_version_with_one_byte_changed_is_refused_and_the_old_one_goes_on(
    plant: Plant, serving: str, registered: Registered
) -> None:
    registry, new = registered(plant.home / "registry", note_txt=b"changed later")
    path = registry.folder(new.version) / "state.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    plant.inference.send_signal(signal.SIGSTOP)  # the change comes before the service looks
    pointer = registry.promote(new.version, actor="ana", reason="a test")
    path.parent.chmod(0o755)
    path.chmod(0o644)
    path.write_bytes(content)

    plant.inference.send_signal(signal.SIGCONT)
    [refused] = plant.statuses(new.version)
    plant.publish("tampered", {**PLAIN, "measurement_id": 1})
    [said] = plant.predictions("tampered", 1)

    assert pointer.version == new.version
    assert not refused["loaded"]
    assert "state.onnx" in refused["reason"]
    assert "SHA-256" in refused["reason"]
    assert refused["serving"] == said["model_version"] == serving
    registry.rollback(actor="ana", reason="the other one was changed")
    plant.until(lambda: plant.statuses(serving)[-1]["loaded"], "the old one to be confirmed")


@pytest.mark.usefixtures("serving")
def test_what_is_known_of_the_pumps_outlives_a_kill(plant: Plant) -> None:
    for number in range(30):
        plant.publish("remembered", {**PLAIN, "measurement_id": number})
    plant.predictions("remembered", 30)
    snapshot = plant.home / "inference" / "state.npz"
    known_ns = time.time_ns()
    plant.until(lambda: snapshot.exists() and snapshot.stat().st_mtime_ns > known_ns, "a newer snapshot")

    plant.inference.kill()
    plant.inference.wait()
    plant.start_inference()
    plant.until(lambda: not plant.problems(), "a model in service")
    # known as worn only against the baseline it had before
    worn = {name: PLAIN[name] + 0.35 * (WORN[name] - PLAIN[name]) for name in CHANNEL_NAMES}
    for number in range(30, 42):
        plant.publish("remembered", {**worn, "measurement_id": number})
        plant.publish("unknown", {**worn, "measurement_id": number})

    def last_of(device: str) -> list[dict[str, Any]]:
        return [told for told in plant.predictions(device, 1) if told["measurement_id"] == 41]

    plant.until(lambda: last_of("remembered") and last_of("unknown"), "the last reading of both")
    remembered, unknown = last_of("remembered")[-1], last_of("unknown")[-1]

    assert (remembered["probabilities"], remembered["health_percent"]) != (
        unknown["probabilities"],
        unknown["health_percent"],
    )


@pytest.mark.usefixtures("serving")
def test_a_damaged_snapshot_is_set_aside_and_the_service_starts(plant: Plant) -> None:
    plant.inference.kill()
    plant.inference.wait()
    snapshot = plant.home / "inference" / "state.npz"
    snapshot.write_bytes(b"PK\x03\x04 half a file")

    plant.start_inference()
    plant.publish("afterwards", {**PLAIN, "measurement_id": 1}, qos=1)
    plant.predictions("afterwards", 1)

    assert snapshot.with_suffix(".refused").read_bytes() == b"PK\x03\x04 half a file"
    assert "cannot be used" in plant.log.read_text(encoding="utf-8")


@pytest.mark.usefixtures("serving")
def test_a_broker_that_was_killed_is_used_again(plant: Plant) -> None:
    process = plant.inference.pid
    plant.broker.kill()
    plant.broker.wait()
    plant.until(lambda: "broker" in plant.problems(), "the outage to be noticed")

    plant.start_broker()
    plant.until(lambda: not plant.problems(), "the broker to be used again")
    plant.until(plant.client.is_connected, "the client to be back")
    for number in range(20):
        plant.publish("after-outage", {**PLAIN, "measurement_id": number}, qos=1)
    said = plant.predictions("after-outage", 20)

    assert {item["measurement_id"] for item in said} == set(range(20))
    assert plant.inference.pid == process


@pytest.mark.usefixtures("serving")
def test_more_readings_than_the_queue_holds_are_all_answered_soon(plant: Plant) -> None:
    stop_inference(plant)
    for number in range(1_000):
        plant.publish("many", {**PLAIN, "measurement_id": number}, qos=1)

    plant.start_inference(PDM_INFERENCE_QUEUE_SIZE="50", PDM_INFERENCE_MAX_BATCH="20")
    said = plant.predictions("many", 1_000)
    stop_inference(plant)

    assert {item["measurement_id"] for item in said} == set(range(1_000))


def stop_inference(plant: Plant) -> float:
    """Seconds from SIGTERM to a clean end."""
    began_s = time.monotonic()
    plant.inference.terminate()
    code = plant.inference.wait(15)
    assert code == 0, plant.log.read_text(encoding="utf-8")[-2_000:]
    return time.monotonic() - began_s


@pytest.mark.parametrize("outage", [signal.SIGKILL, signal.SIGSTOP])
@pytest.mark.usefixtures("serving")
def test_a_stop_while_the_broker_is_away_takes_less_than_five_seconds(plant: Plant, outage: signal.Signals) -> None:
    plant.broker.send_signal(outage)

    took_s = stop_inference(plant)

    if outage == signal.SIGKILL:
        plant.broker.wait()
        plant.start_broker()
    else:
        plant.broker.send_signal(signal.SIGCONT)
    assert took_s < 5.0


def test_a_promotion_is_announced_to_a_service_that_would_look_only_later(
    plant: Plant, serving: str, registered: Registered
) -> None:
    stop_inference(plant)
    plant.start_inference(PDM_INFERENCE_RELOAD_S="3600")
    platform = PlatformSettings(home=plant.home, mqtt_port=plant.port)
    new = plant.promote(registered, note_txt=b"announced")
    pointer = Registry(plant.home / "registry").production()
    assert pointer is not None

    link = Link(platform, "announcer", persistent=False)
    link.start()
    link.wait_ready(WITHIN_S)
    announce(link, platform.topics, pointer)
    link.stop()

    assert plant.statuses(new.version)[-1]["loaded"]
    assert new.version != serving
    stop_inference(plant)
