"""Every message becomes a row or a rejection, with the event time and the reason it should have."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.intake import IntakeLimits
from pdm_platform.contract.topics import Topics
from pdm_platform.runtime.mqtt import Message
from sensors_bridge.decode import Cause, Decoder
from sensors_bridge.gaps import Gaps
from sensors_bridge.tables import to_table

NOW_NS = 1_767_225_600_000_000_000
DAY_NS = 86_400_000_000_000
LIMITS = IntakeLimits(max_age_ns=30 * DAY_NS, max_ahead_ns=300_000_000_000)
TELEMETRY = "factory/pumps/pump-001/telemetry"


def decoder() -> Decoder:
    return Decoder(Topics(), LIMITS, Gaps())


def message(topic: str, payload: bytes, **changes: Any) -> Message:
    delivery = {"qos": 1, "retain": False, "dup": False, "mid": 1, "received_ns": NOW_NS, "connection": 1}
    return Message(topic, payload, **(delivery | changes))


def reading(**changes: object) -> bytes:
    return json.dumps({"device_id": "pump-001", **dict.fromkeys(CHANNEL_NAMES, 1.0), **changes}).encode()


def prediction(**changes: object) -> bytes:
    fields = {
        "device_id": "pump-001",
        "state": "WARNING",
        "probabilities": {"HEALTHY": 0.1, "WARNING": 0.7, "FAULTY": 0.2, "BROKEN": 0.0},
        "health_percent": 51.5,
        "rul_hours": None,
        "model_version": "v1",
        "inference_timestamp": "2026-01-01T00:00:00.000001Z",
    }
    return json.dumps(fields | changes).encode()


def rows_of(*messages: Message) -> list[dict[str, Any]]:
    decoded = decoder().decode(messages)
    assert decoded.rejected == []
    return [row for rows in decoded.rows for row in to_table(rows).to_pylist()]


def test_a_reading_is_stored_whole_at_its_own_time() -> None:
    payload = reading(timestamp=NOW_NS // 10**6 - 7, measurement_id=4, temperature=None, last_maintenance=5)

    [row] = rows_of(message(TELEMETRY, payload))

    assert row == {
        "device_id": "pump-001",
        "time_ns": NOW_NS - 7_000_000,
        **dict.fromkeys(CHANNEL_NAMES, 1.0),
        "temperature": None,
        "measurement_id": 4,
        "last_maintenance": "5",
        "health_percent": None,
    }


def test_readings_without_a_timestamp_get_receive_times_that_differ() -> None:
    rows = rows_of(*[message(TELEMETRY, reading(), received_ns=NOW_NS) for _ in range(3)])

    assert [row["time_ns"] for row in rows] == [NOW_NS, NOW_NS + 1, NOW_NS + 2]


def test_labelled_readings_go_to_the_labels_however_old() -> None:
    more = {"sensor_fault": "temperature:freeze", "disturbance": "heatwave"}
    payload = reading(timestamp=(NOW_NS - 365 * DAY_NS) // 10**6, ground_truth="FAULTY", rul_hours=2.5, **more)

    decoded = decoder().decode([message("factory/training/pump-001/training_data", payload)])

    [row] = to_table(decoded.rows[0]).to_pylist()
    assert decoded.rows[0].measurement.name == "pump_labels"
    assert (row["ground_truth"], row["rul_hours"], row["failure_mode"]) == ("FAULTY", 2.5, None)
    assert (row["sensor_fault"], row["disturbance"]) == ("temperature:freeze", "heatwave")


def test_a_prediction_is_stored_at_the_time_of_its_reading() -> None:
    payload = prediction(timestamp="2025-12-31T23:59:59Z", measurement_id=9)

    [row] = rows_of(message("factory/pumps/pump-001/predictions", payload))

    assert row["time_ns"] == NOW_NS - 1_000_000_000
    assert (row["state"], row["p_warning"], row["rul_hours"], row["measurement_id"]) == ("WARNING", 0.7, None, 9)
    assert row["inference_time_ns"] == NOW_NS + 1_000


def test_all_that_a_model_says_of_a_reading_is_stored() -> None:
    said = {
        "rul_hours": 12.0,
        "rul_lower_hours": 8.0,
        "rul_upper_hours": 20.5,
        "failure_mode": "seal_leakage",
        "failure_mode_probability": 0.75,
        "novelty": 1.5,
        "novel": True,
        "sensor_fault": "temperature",
        "sensor_fault_probability": 0.9,
        "provisional": True,
    }

    [row] = rows_of(message("factory/pumps/pump-001/predictions", prediction(**said)))

    assert {name: row[name] for name in said} == said
    assert (type(row["novel"]), type(row["provisional"])) == (int, int)


def test_what_a_model_does_not_say_is_null_and_its_marks_are_not_set() -> None:
    [row] = rows_of(message("factory/pumps/pump-001/predictions", prediction()))

    assert (row["novel"], row["provisional"]) == (0, 0)
    unsaid = ("rul_lower_hours", "rul_upper_hours", "failure_mode", "novelty", "sensor_fault")
    assert [row[name] for name in unsaid] == [None] * len(unsaid)


def test_predictions_of_one_inference_batch_without_timestamps_are_points_of_their_own() -> None:
    payloads = [prediction(measurement_id=number) for number in range(500)]

    rows = rows_of(*[message("factory/pumps/pump-001/predictions", payload) for payload in payloads])

    assert len({row["time_ns"] for row in rows}) == 500


def test_predictions_of_one_pump_and_microsecond_do_not_meet_after_a_restart() -> None:
    topic = "factory/pumps/pump-001/predictions"
    numbers = range(2**40, 2**40 + 200)  # of 200 places by chance out of 1,000 some are the same

    rows = [rows_of(message(topic, prediction(measurement_id=number)))[0] for number in numbers]

    assert len({row["time_ns"] for row in rows}) == 200


def test_a_redelivered_prediction_is_the_same_point_also_after_a_restart() -> None:
    first, second = prediction(health_percent=1.0), prediction(health_percent=2.0)
    topic = "factory/pumps/pump-001/predictions"
    before = rows_of(message(topic, first), message(topic, second), message(topic, second, dup=True))

    after = rows_of(message(topic, second, dup=True))

    assert before[1]["time_ns"] == before[2]["time_ns"] == after[0]["time_ns"] != before[0]["time_ns"]


def test_an_alarm_is_stored_with_its_condition_as_part_of_its_key() -> None:
    payload = prediction(condition="pump_state", active=True, severity=300, message="rising vibration")

    [row] = rows_of(message("factory/pumps/pump-001/alarms", payload))

    assert (row["condition"], row["active"], row["severity"]) == ("pump_state", 1, 300)


def test_the_platforms_own_topics_are_neither_stored_nor_rejected() -> None:
    topics = ["factory/platform/rejected", "factory/platform/models/production", "factory/platform/models/status"]

    assert rows_of(*[message(topic, b"anything") for topic in topics]) == []


def test_a_status_and_a_command_are_passed_over_and_counted() -> None:
    status, command = "factory/pumps/pump-001/status", "factory/pumps/pump-001/command"
    online = b'{"device_id": "pump-001", "online": true, "timestamp": 5}'
    statuses = [message(status, online, retain=True), message(status, b"")]
    commands = [message(command, payload) for payload in (b'{"report": true}', b"for the device to refuse", b"")]

    decoded = decoder().decode([*statuses, *commands, message("factory/platform/rejected", b"anything")])

    assert (decoded.rows, decoded.rejected, decoded.passed_over) == ([], [], 6)


@pytest.mark.parametrize(
    ("topic", "payload", "changes", "cause", "reason"),
    [
        ("factory/pumps/pump-001/humidity", reading(), {}, Cause.TOPIC, "not one of the contract's"),
        ("factory/pumps/pump 1/telemetry", reading(), {}, Cause.TOPIC, "not one of the contract's"),
        (TELEMETRY, reading()[:40], {}, Cause.PAYLOAD, "truncated"),
        (TELEMETRY, b'{"device_id": NaN}', {}, Cause.PAYLOAD, "malformed"),
        (TELEMETRY, reading(temperature="warm"), {}, Cause.PAYLOAD, r"`$.temperature`"),
        (TELEMETRY, reading(device_id="x" * 1_000_000), {}, Cause.PAYLOAD, r"`$.device_id`"),
        (TELEMETRY, b"\xff\xfe\x00", {}, Cause.PAYLOAD, "Telemetry"),
        (TELEMETRY, b"[" * 100_000, {}, Cause.PAYLOAD, "Telemetry"),
        (TELEMETRY, reading(device_id="pump-002"), {}, Cause.DEVICE, "is not the topic's 'pump-001'"),
        (TELEMETRY, reading(timestamp=(NOW_NS - 365 * DAY_NS) // 10**6), {}, Cause.TIME, "30 days"),
        (TELEMETRY, reading(timestamp="2027-01-01T00:00:00Z"), {}, Cause.TIME, "300 s ahead"),
        (TELEMETRY, reading(timestamp="yesterday"), {}, Cause.TIME, "'yesterday' is not ISO 8601"),
        (TELEMETRY, reading(), {"retain": True}, Cause.TIME, "retained"),
        ("factory/training/pump-001/training_data", reading(), {}, Cause.PAYLOAD, "ground_truth"),
        ("factory/pumps/pump-001/status", b'{"device_id": "pump-001"}', {}, Cause.PAYLOAD, "`online`"),
        ("factory/pumps/pump-001/status", b'{"device_id": "p", "online": true}', {}, Cause.DEVICE, "the topic's"),
        ("factory/pumps/pump-001/predictions", prediction(device_id="p"), {}, Cause.DEVICE, "the topic's 'pump-001'"),
        (
            "factory/pumps/pump-001/predictions",
            prediction(timestamp="2001-01-01T00:00:00Z"),
            {},
            Cause.TIME,
            "2001-01-01",
        ),
        ("factory/pumps/pump-001/predictions", prediction(inference_timestamp="?"), {}, Cause.TIME, "ISO 8601"),
    ],
)
def test_what_breaks_the_contract_is_rejected_with_its_cause(
    topic: str, payload: bytes, changes: dict[str, Any], cause: Cause, reason: str
) -> None:
    broken = message(topic, payload, **changes)

    decoded = decoder().decode([message(TELEMETRY, reading()), broken])

    [rejection] = decoded.rejected
    assert (rejection.message, rejection.cause) == (broken, cause)
    assert reason in rejection.reason
    assert len(rejection.reason) < 500
    assert [len(rows.payloads) for rows in decoded.rows] == [1], "the good reading beside it is kept"


@given(
    payload=st.one_of(
        st.binary(max_size=300),
        st.dictionaries(
            st.sampled_from([*CHANNEL_NAMES, "device_id", "timestamp", "measurement_id", "health_percent"]),
            st.one_of(st.none(), st.integers(), st.floats(), st.text(max_size=5), st.just("pump-001")),
        ).map(lambda fields: json.dumps(fields).encode()),
        st.fixed_dictionaries(
            {"timestamp": st.one_of(st.integers(), st.floats(), st.text()), "last_maintenance": st.text()}
        ).map(lambda fields: reading(**fields)),
    ),
    kind=st.sampled_from(["pumps/pump-001/telemetry", "training/pump-001/training_data", "pumps/pump-001/alarms", "x"]),
)
def test_whatever_arrives_is_one_row_or_one_rejection(payload: bytes, kind: str) -> None:
    decoded = decoder().decode([message(f"factory/{kind}", payload)])

    rows = sum(to_table(found).num_rows for found in decoded.rows)
    assert rows + len(decoded.rejected) == 1
