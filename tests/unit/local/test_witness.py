"""The witness counts what the broker carries, each reading once, and never falls over a payload."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.payloads import Alarm, ModelStatus, Prediction, StateProbabilities, encode
from pdm_platform.contract.states import State
from pdm_platform.local.witness import Witness
from pdm_platform.runtime.mqtt import Link, Message
from pdm_platform.runtime.settings import PlatformSettings


class FakeLink:
    def __init__(self) -> None:
        self.acknowledged: list[Message] = []

    def acknowledge(self, messages: Iterable[Message]) -> None:
        self.acknowledged += messages


@pytest.fixture
def witness(tmp_path: Path) -> Witness:
    watching = Witness(PlatformSettings(home=tmp_path))
    watching._link = cast(Link, FakeLink())
    return watching


NOW_NS = 1_800_000_000 * 10**9


def hear(witness: Witness, topic: str, payload: bytes) -> None:
    witness._received(Message(f"factory/{topic}", payload, 1, False, False, 1, NOW_NS, 1))


def reading(device: str = "p-1", **fields: Any) -> bytes:
    return json.dumps({"device_id": device, **dict.fromkeys(CHANNEL_NAMES, 1.0), **fields}).encode()


def prediction(timestamp: int, health_percent: float = 90.0) -> bytes:
    return encode(
        Prediction(
            device_id="p-1",
            timestamp=timestamp,
            state=State.HEALTHY,
            probabilities=StateProbabilities(1.0, 0.0, 0.0, 0.0),
            health_percent=health_percent,
            rul_hours=None,
            model_version="v1",
            inference_timestamp="2027-01-15T08:00:00Z",
        )
    )


def alarm(*, active: bool, condition: str = "pump_state", severity: int = 700) -> bytes:
    return encode(
        Alarm(
            device_id="p-1",
            timestamp=1_800_000_000_000,
            condition=condition,
            active=active,
            severity=severity,
            state=State.FAULTY,
            health_percent=30.0,
            rul_hours=0.1,
            message="p-1 is FAULTY",
            model_version="v1",
            inference_timestamp="2027-01-15T08:00:00Z",
        )
    )


def test_a_reading_that_is_delivered_again_counts_once(witness: Witness) -> None:
    for timestamp in (1_800_000_000_000, 1_800_000_001_000, 1_800_000_000_000):
        hear(witness, "pumps/p-1/telemetry", reading(timestamp=timestamp))

    assert (witness.published, witness.redelivered) == (2, 1)


def test_one_moment_in_two_forms_is_one_reading(witness: Witness) -> None:
    hear(witness, "pumps/p-1/telemetry", reading(timestamp=1_800_000_000_000))
    hear(witness, "pumps/p-1/telemetry", reading(timestamp="2027-01-15T08:00:00Z"))

    assert witness.telemetry == {("p-1", 1_800_000_000 * 10**9)}


def test_labelled_and_live_readings_are_both_published_and_kept_apart(witness: Witness) -> None:
    hear(witness, "training/p-1/training_data", reading(timestamp=1_800_000_000_000, ground_truth="HEALTHY"))
    hear(witness, "pumps/p-1/telemetry", reading(timestamp=1_800_000_000_000))
    hear(witness, "pumps/p-1/predictions", prediction(1_800_000_000_000))

    assert (len(witness.training), len(witness.telemetry), len(witness.predictions)) == (1, 1, 1)
    assert witness.published == 2


def test_whatever_is_heard_is_acknowledged_and_nothing_ends_the_watching(witness: Witness) -> None:
    heard = [
        ("pumps/p-1/telemetry", b'{"device_id": "p-'),
        ("pumps/p-1/telemetry", reading()),
        ("pumps/p-1/telemetry", reading(timestamp="yesterday")),
        ("no/such/topic", b""),
        ("pumps/p-1/predictions", b"[]"),
        ("platform/rejected", b"{}"),
        ("platform/models/production", b"not read"),
    ]
    for topic, payload in heard:
        hear(witness, topic, payload)

    assert len(cast(FakeLink, witness._link).acknowledged) == len(heard)
    assert (witness.undecodable, witness.rejected, witness.published, witness.untimed) == (4, 1, 1, 1)


def test_what_the_bridge_must_quarantine_was_not_published(witness: Witness) -> None:
    hear(witness, "pumps/p-1/telemetry", reading(timestamp=1_700_000_000_000))
    hear(witness, "pumps/p-1/telemetry", reading("p-2", timestamp=1_800_000_000_000))

    assert (witness.published, witness.undecodable) == (0, 2)


def test_readings_before_a_model_serves_are_remembered_as_such(witness: Witness) -> None:
    hear(witness, "pumps/p-1/telemetry", reading(timestamp=1_800_000_000_000))
    witness.serving = "v20260101T000000-00000000"
    hear(witness, "pumps/p-1/telemetry", reading(timestamp=1_800_000_001_000))

    assert (len(witness.telemetry), witness.before_model) == (2, {("p-1", 1_800_000_000 * 10**9)})


def test_a_pump_shows_its_last_prediction_its_truth_and_whether_it_failed(witness: Witness) -> None:
    hear(witness, "pumps/p-1/telemetry", reading(timestamp=1_800_000_000_000, health_percent=40.0))
    hear(witness, "pumps/p-1/predictions", prediction(1_800_000_000_000, 60.0))
    hear(witness, "pumps/p-1/predictions", prediction(1_800_000_001_000, 35.0))
    before = witness.pumps["p-1"].failed
    hear(witness, "pumps/p-1/telemetry", reading(timestamp=1_800_000_002_000, health_percent=0.0))

    pump = witness.pumps["p-1"]
    assert pump.prediction is not None
    assert (pump.prediction.health_percent, pump.true_health_percent) == (35.0, 0.0)
    assert (before, pump.failed) == (False, True)


def test_an_alarm_stands_until_it_returns_to_normal(witness: Witness) -> None:
    hear(witness, "pumps/p-1/alarms", alarm(active=True))
    standing = witness.pumps["p-1"].alarm
    hear(witness, "pumps/p-1/alarms", alarm(active=False))

    assert standing is not None
    assert witness.pumps["p-1"].alarm is None
    assert [heard.active for heard in witness.alarms] == [True, False]


def test_each_condition_of_a_pump_stands_by_itself(witness: Witness) -> None:
    hear(witness, "pumps/p-1/alarms", alarm(active=True))
    hear(witness, "pumps/p-1/alarms", alarm(active=True, condition="sensor_fault", severity=200))
    both = witness.pumps["p-1"].alarm
    hear(witness, "pumps/p-1/alarms", alarm(active=False))

    left = witness.pumps["p-1"].alarm
    assert (both and both.condition, left and left.condition) == ("pump_state", "sensor_fault")


def test_the_serving_version_and_refusals_are_known_from_what_the_service_says(witness: Witness) -> None:
    for version, loaded, serving in (("v1", True, "v1"), ("v2", False, "v1")):
        status = ModelStatus(version=version, loaded=loaded, reason="changed", serving=serving, at="now")
        hear(witness, "platform/models/status", encode(status))

    assert witness.serving == "v1"
    assert [status.version for status in witness.refused] == ["v2"]


def test_the_rate_is_of_the_last_five_seconds(witness: Witness) -> None:
    for number in range(10):
        hear(witness, "pumps/p-1/telemetry", reading(timestamp=1_800_000_000_000 + number))
    lately = witness.messages_per_s()
    witness._arrivals = type(witness._arrivals)(moment - 10 for moment in witness._arrivals)

    assert lately == pytest.approx(2.0)
    assert witness.messages_per_s() == 0.0
