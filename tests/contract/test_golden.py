"""Every golden payload decodes to what its index entry says, or is refused for the reason it names."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.json import encode as encode_json

from pdm_platform.contract.errors import PayloadError
from pdm_platform.contract.payloads import (
    Alarm,
    DeviceCommand,
    DeviceStatus,
    Labelled,
    ModelPointer,
    ModelStatus,
    Prediction,
    Rejected,
    Telemetry,
    decode,
    encode,
)
from pdm_platform.contract.times import time_ns_of
from pdm_platform.contract.topics import Kind, Topics

Entry = dict[str, Any]
GOLDEN = Path(__file__).parent / "golden"
TYPES: dict[str, type[msgspec.Struct]] = {
    "telemetry": Telemetry,
    "labelled": Labelled,
    "prediction": Prediction,
    "alarm": Alarm,
    "device_status": DeviceStatus,
    "device_command": DeviceCommand,
    "model_pointer": ModelPointer,
    "model_status": ModelStatus,
    "rejected": Rejected,
}
KINDS = {
    "telemetry": Kind.TELEMETRY,
    "labelled": Kind.TRAINING,
    "prediction": Kind.PREDICTION,
    "alarm": Kind.ALARM,
    "device_status": Kind.STATUS,
    "device_command": Kind.COMMAND,
    "model_pointer": Kind.MODEL_PRODUCTION,
    "model_status": Kind.MODEL_STATUS,
    "rejected": Kind.REJECTED,
}
INDEX: list[Entry] = json.loads((GOLDEN / "index.json").read_text(encoding="utf-8"))
VALID = [entry for entry in INDEX if entry["valid"]]
INVALID = [entry for entry in INDEX if not entry["valid"]]


def name_of(entry: Entry) -> str:
    return str(entry["file"]) if "file" in entry else f"made/{entry['kind']}_{entry['made']['field']}_one_megabyte"


def payload_of(entry: Entry) -> bytes:
    if "file" in entry:
        return (GOLDEN / str(entry["file"])).read_bytes()
    made: Entry = entry["made"]
    fields = json.loads((GOLDEN / made["base"]).read_bytes())
    return json.dumps({**fields, made["field"]: made["character"] * made["count"]}).encode()


def time_of(decoded: msgspec.Struct) -> int | None:
    timestamp = getattr(decoded, "timestamp", None)
    return None if timestamp is None else time_ns_of(timestamp)


def fields_of(decoded: msgspec.Struct) -> dict[str, Any]:
    found = {field: getattr(decoded, field) for field in decoded.__struct_fields__}
    return {field: json.loads(encode_json(value)) for field, value in found.items() if value is not msgspec.UNSET}


@pytest.mark.parametrize("entry", VALID, ids=name_of)
def test_a_valid_payload_decodes_to_the_values_and_the_time_in_the_index(entry: Entry) -> None:
    decoded = decode(TYPES[entry["kind"]], payload_of(entry))

    assert fields_of(decoded) == entry["decoded"]
    assert time_of(decoded) == entry["time_ns"]


@pytest.mark.parametrize("entry", VALID, ids=name_of)
def test_a_valid_payload_is_the_same_after_encoding_it_again(entry: Entry) -> None:
    decoded = decode(TYPES[entry["kind"]], payload_of(entry))

    again = decode(TYPES[entry["kind"]], encode(decoded))

    assert again == decoded


@pytest.mark.parametrize("entry", INVALID, ids=name_of)
def test_an_invalid_payload_is_refused_for_the_reason_in_the_index(entry: Entry) -> None:
    payload = payload_of(entry)

    with pytest.raises(PayloadError) as refused:
        time_of(decode(TYPES[entry["kind"]], payload))

    assert entry["reason"] in refused.value.what
    assert len(refused.value.what) < 400, "the reason goes to quarantine and must stay readable"


@pytest.mark.parametrize("entry", INDEX, ids=name_of)
def test_the_topic_of_an_entry_carries_its_kind(entry: Entry) -> None:
    address = Topics().parse(entry["topic"])

    assert address.kind is KINDS[entry["kind"]]
    if entry["valid"] and address.kind is not Kind.COMMAND:  # whom a command is for, its topic alone tells
        assert address.device_id == entry["decoded"].get("device_id", "")


def test_the_index_names_every_golden_file_once() -> None:
    named = [entry["file"] for entry in INDEX if "file" in entry]

    present = [path.relative_to(GOLDEN).as_posix() for path in GOLDEN.glob("*/*.json")]

    assert sorted(named) == sorted(present)


def test_the_golden_files_cover_every_kind_of_payload_both_ways() -> None:
    assert {entry["kind"] for entry in VALID} == set(TYPES)
    assert {entry["kind"] for entry in INVALID} == set(TYPES)
