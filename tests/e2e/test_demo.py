"""The real demo, small: every process, every step, with processes killed meanwhile."""

import json
import re
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as paho
import psutil
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import PUMP_PREDICTION, PUMP_TELEMETRY
from tests.e2e.program import Program, running, stored, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(480)]
SUMMARY_FIELDS = {
    *("duration_s", "published", "stored", "predicted", "quarantined", "lost", "duplicated", "model_version"),
    *("macro_f1_unseen", "baseline_macro_f1", "devices", "failures", "failures_warned", "median_warning_s"),
    *("false_alarms", "drift_detected", "intervals_told", "interval_share_held", "modes_told", "modes_right"),
    *("novel_readings", "provisional_readings", "sensor_faults_called", "sensor_faults_right", "sensor_faults_missed"),
}
# a pump of another maker: no two readings alike, no time, no sequence number
FOREIGN = [
    dict(zip(CHANNEL_NAMES, (0.6, 0.6, 0.5, 1.0 + n / 1000, 38.0 + n / 100, 4.2, 7.8, 2_850.0 + n), strict=True))
    for n in range(40)
]


def kill_service(demo: Program, is_it: Callable[[list[str]], bool]) -> None:
    (service,) = [child for child in psutil.Process(demo.process.pid).children() if is_it(child.cmdline())]
    service.kill()


def is_bridge(command: list[str]) -> bool:
    return command[-1:] == ["bridge"]


def is_broker(command: list[str]) -> bool:
    return Path(command[0]).name == "nats-server"


def publish_foreign(mqtt_port: int) -> None:
    """With a plain client, at QoS 0, ten a second."""
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="another-maker")
    client.connect("127.0.0.1", mqtt_port)
    client.loop_start()
    for reading in FOREIGN:
        client.publish("factory/pumps/foreign/telemetry", json.dumps({"device_id": "foreign", **reading}), qos=0)
        time.sleep(0.1)
    client.disconnect()
    client.loop_stop()


def test_nothing_is_lost_or_doubled_while_the_bridge_is_killed_twice_and_the_broker_once(tmp_path: Path) -> None:
    def of_foreign() -> tuple[int, int]:
        return stored(home, PUMP_TELEMETRY, ["foreign"]).num_rows, stored(home, PUMP_PREDICTION, ["foreign"]).num_rows

    with running("demo", "--small", "--folder", str(tmp_path), PDM_DEMO_SEED="11") as demo:
        mqtt_port = int(demo.read_until("MQTT on ").split("127.0.0.1:")[1].split(",")[0])
        (home,) = tmp_path.glob("run-*")
        demo.read_until("2/6")
        demo.read_until("the broker has")
        kill_service(demo, is_bridge)
        demo.read_until("4/6")
        publish_foreign(mqtt_port)
        # QoS 0 promises nothing to those who die: the kills wait until these are through
        wait_until(lambda: of_foreign() == (40, 40), "readings of the foreign pump stored and predicted")
        demo.read_until("next:")
        kill_service(demo, is_broker)
        demo.read_until("next:")
        kill_service(demo, is_bridge)
        exit_code = demo.read_to_end()

    assert exit_code == 0, demo.output
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary.keys() >= SUMMARY_FIELDS
    assert summary["seed"] == 11
    assert summary["stored"] == summary["published"] > 5_000
    assert (summary["lost"], summary["duplicated"], summary["unpredicted"]) == (0, 0, 0)
    assert summary["predicted"] > 1_000
    assert summary["devices"] == 11
    assert summary["failures"] == 2
    assert all(failed["true_mode"] for failed in summary["failed_pumps"]), "the simulator wrote down what happened"
    assert summary["macro_f1_unseen"] > summary["baseline_macro_f1"] + 0.05
    assert stored(home, PUMP_TELEMETRY, ["foreign"]).select(CHANNEL_NAMES).to_pylist() == FOREIGN
    assert of_foreign() == (40, 40)
    report = (tmp_path / "report.html").read_text()
    assert report.count("data:image/png;base64,") == 4
    assert not re.search(r"""(src|href)=["']?http""", report)


# while a fleet streams, test_dev stops the same stack
@pytest.mark.parametrize("moment", ["1/6", "the broker has", "failure mode"])
def test_an_interrupt_stops_every_process_within_five_seconds(tmp_path: Path, moment: str) -> None:
    with running("demo", "--small", "--folder", str(tmp_path)) as demo:
        demo.read_until(moment)
        started = demo.alive()

        ended_after_s = demo.interrupt()
        left = demo.alive()

    assert started
    assert demo.process.returncode == 130
    assert ended_after_s < 5
    assert not left
