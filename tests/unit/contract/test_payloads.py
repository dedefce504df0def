import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNELS
from pdm_platform.contract.errors import PayloadError
from pdm_platform.contract.payloads import (
    Alarm,
    Labelled,
    ModelPointer,
    ModelStatus,
    Prediction,
    Rejected,
    StateProbabilities,
    Telemetry,
    decode,
    encode,
)
from pdm_platform.contract.states import STATES

KINDS: tuple[type[msgspec.Struct], ...] = (Telemetry, Labelled, Prediction, Alarm, ModelPointer, ModelStatus, Rejected)
# a lone surrogate is no text: it cannot be written as UTF-8
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SHORT = st.text(st.characters(exclude_categories=["Cs"]), max_size=64)
PERCENT = st.floats(0, 100)
HOURS = st.floats(0, allow_infinity=False)
SEQUENCE = st.none() | st.integers(0, 2**63 - 1)
TIMESTAMP = st.none() | SHORT | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
READING: dict[str, st.SearchStrategy[Any]] = {
    "device_id": st.from_regex(r"\A[A-Za-z0-9._-]{1,64}\Z"),
    **{channel.name: st.none() | st.floats(channel.possible_min, channel.possible_max) for channel in CHANNELS},
    "measurement_id": SEQUENCE,
    "timestamp": TIMESTAMP,
    "last_maintenance": TIMESTAMP,
    "health_percent": st.none() | PERCENT,
}
VERDICT: dict[str, st.SearchStrategy[Any]] = {
    "device_id": READING["device_id"],
    "timestamp": TIMESTAMP,
    "state": st.sampled_from(STATES),
    "health_percent": PERCENT,
    "rul_hours": st.none() | HOURS,
    "model_version": SHORT,
    "inference_timestamp": SHORT,
}
PROBABILITY = st.floats(0, 1)
PROBABILITIES = st.builds(StateProbabilities, *[PROBABILITY] * 4)
SAID: dict[str, st.SearchStrategy[Any]] = {
    **dict.fromkeys(("rul_lower_hours", "rul_upper_hours", "novelty"), st.none() | HOURS),
    **dict.fromkeys(("failure_mode", "sensor_fault"), st.none() | SHORT),
    **dict.fromkeys(("failure_mode_probability", "sensor_fault_probability"), st.none() | PROBABILITY),
    **dict.fromkeys(("novel", "provisional"), st.booleans()),
}
PAYLOADS: st.SearchStrategy[msgspec.Struct] = st.one_of(
    st.builds(Telemetry, **READING),
    st.builds(
        Labelled,
        **READING,
        ground_truth=st.sampled_from(STATES),
        failure_mode=st.none() | SHORT,
        rul_hours=st.none() | HOURS,
        sensor_fault=st.none() | SHORT,
        disturbance=st.none() | SHORT,
    ),
    st.builds(Prediction, **VERDICT, **SAID, measurement_id=SEQUENCE, probabilities=PROBABILITIES),
    st.builds(
        Alarm,
        **VERDICT,
        condition=SHORT,
        active=st.booleans(),
        severity=st.integers(1, 1000),
        message=st.text(st.characters(exclude_categories=["Cs"]), max_size=500),
    ),
    st.builds(ModelPointer, version=SHORT, manifest_sha256=st.from_regex(r"\A[0-9a-f]{64}\Z"), promoted_at=SHORT),
    st.builds(ModelStatus, version=TEXT, loaded=st.booleans(), reason=TEXT, serving=TEXT, at=SHORT),
    st.builds(Rejected, topic=TEXT, reason=TEXT, payload=TEXT, payload_bytes=st.integers(0, 2**63 - 1), received=SHORT),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


def outcome(kind: type[msgspec.Struct], payload: bytes) -> msgspec.Struct | PayloadError:
    try:
        return decode(kind, payload)
    except PayloadError as refused:
        return refused


def reading(**changes: object) -> dict[str, object]:
    return {"device_id": "pump-001", **{channel.name: 1.0 for channel in CHANNELS}, **changes}


@given(PAYLOADS)
def test_a_payload_is_the_same_after_encoding_and_decoding(payload: msgspec.Struct) -> None:
    assert decode(type(payload), encode(payload)) == payload


@given(st.sampled_from(KINDS), st.binary())
@example(Telemetry, b"[" * 1_000_000)
@example(Telemetry, b'{"unknown":' + b"[" * 100_000 + b"]" * 100_000 + b"}")
@example(Telemetry, b'{"measurement_id":' + b"9" * 100_000 + b"}")
@example(Telemetry, b'{"device_id":"\xff"}')
@example(Telemetry, b'{"device_id":"\\ud800"}')
@example(Labelled, b'{"ground_truth":"\\ud800"}')
def test_any_bytes_decode_or_are_a_payload_error_and_nothing_else(kind: type[msgspec.Struct], payload: bytes) -> None:
    result = outcome(kind, payload)

    if isinstance(result, PayloadError):
        assert result.what.startswith(kind.__name__)
        assert len(result.what) < 400
    else:
        assert isinstance(result, kind)


@given(PAYLOADS, st.data())
def test_a_damaged_payload_decodes_or_is_a_payload_error(payload: msgspec.Struct, data: st.DataObject) -> None:
    whole = encode(payload)
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    damaged = whole[:start] + data.draw(st.binary(max_size=8)) + whole[end:]

    result = outcome(type(payload), damaged)

    assert isinstance(result, type(payload)) or (isinstance(result, PayloadError) and len(result.what) < 400)


@given(st.sampled_from(Labelled.__struct_fields__), JSON_VALUES)
def test_any_value_in_any_field_decodes_or_is_a_payload_error(field: str, value: object) -> None:
    result = outcome(Labelled, json.dumps({**reading(ground_truth="HEALTHY"), field: value}).encode())

    assert isinstance(result, PayloadError) or getattr(result, field) == value


@given(st.dictionaries(TEXT.filter(lambda name: name not in Telemetry.__struct_fields__), JSON_VALUES, max_size=4))
def test_unknown_fields_change_nothing(unknown: dict[str, Any]) -> None:
    try:
        payload = json.dumps({**unknown, **reading()}, allow_nan=False).encode()
    except ValueError:
        return  # NaN and infinities are no JSON: refused, as the tests above show

    assert decode(Telemetry, payload) == decode(Telemetry, json.dumps(reading()).encode())


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: str(channel.name))
def test_a_channel_may_be_null_but_not_left_out(channel: Any) -> None:
    without = reading()
    del without[channel.name]

    assert getattr(decode(Telemetry, json.dumps(reading(**{channel.name: None})).encode()), channel.name) is None
    with pytest.raises(PayloadError, match=f"missing required field `{channel.name}`"):
        decode(Telemetry, json.dumps(without).encode())


def test_a_long_wrong_value_does_not_make_a_long_reason() -> None:
    payload = json.dumps(reading(ground_truth="x" * 2**20)).encode()

    with pytest.raises(PayloadError) as refused:
        decode(Labelled, payload)

    assert len(refused.value.what) < 400
    assert "$.ground_truth" in refused.value.what


def test_optional_fields_that_are_not_set_are_left_out_and_channels_are_not() -> None:
    written = json.loads(encode(decode(Telemetry, json.dumps(reading(rpm=None)).encode())))

    assert set(written) == {"device_id", *(channel.name for channel in CHANNELS)}
    assert written["rpm"] is None


@pytest.mark.parametrize("timestamp", ["2026-01-01T00:00:00+02:00", 1767225600123, 1767225600123.5, 2**64 + 1])
def test_a_timestamp_is_echoed_as_it_came(timestamp: str | int | float) -> None:
    decoded = decode(Telemetry, json.dumps(reading(timestamp=timestamp)).encode())

    assert json.loads(encode(decoded))["timestamp"] == timestamp
    assert type(decoded.timestamp) is type(timestamp)
