"""docs/contract.md says what the code does: device developers work from it alone."""

from pathlib import Path

import msgspec
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES, CHANNELS, Channel
from pdm_platform.contract.failure_modes import ISO_14224_CODES, Disturbance, SensorFault
from pdm_platform.contract.measurements import MEASUREMENTS, PUMP_LABELS, PUMP_TELEMETRY, Measurement
from pdm_platform.contract.payloads import (
    Alarm,
    ChaosRule,
    DeviceCommand,
    DeviceStatus,
    Labelled,
    ModelPointer,
    ModelStatus,
    Prediction,
    Rejected,
    Telemetry,
)
from pdm_platform.contract.states import STATES
from pdm_platform.contract.topics import Kind, Topics
from pdm_platform.core.alarms import (
    CLEAR_AFTER_READINGS,
    CONDITION,
    CONDITIONS,
    FLAG_SEVERITIES,
    RAISE_AFTER_READINGS,
    SEVERITIES,
)

DOCUMENT = (Path(__file__).parents[3] / "docs" / "contract.md").read_text(encoding="utf-8")


def section(title: str) -> str:
    return DOCUMENT.split(f"# {title}\n", 1)[1].split("\n#", 1)[0]


def rows(text: str) -> dict[str, str]:
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    return {line.split("`")[1]: line for line in lines}


@pytest.mark.parametrize("channel", CHANNELS, ids=lambda channel: str(channel.name))
def test_a_channel_has_its_unit_and_ranges_in_the_document(channel: Channel) -> None:
    possible = f"{channel.possible_min:.15g} to {channel.possible_max:.15g}"
    plausible = f"{channel.plausible_min:.15g} to {channel.plausible_max:.15g}"

    assert f"| {channel.unit} | {possible} | {plausible} |" in rows(section("Channels"))[channel.name]


@pytest.mark.parametrize("kind", Kind)
def test_a_topic_is_in_the_document(kind: Kind) -> None:
    topic = Topics().of(kind, "DEVICE").replace("DEVICE", "{device_id}")

    assert topic in rows(section("Topics"))


@pytest.mark.parametrize(
    "kind",
    [
        *(Telemetry, Labelled, Prediction, Alarm, DeviceStatus, DeviceCommand, ChaosRule),
        *(ModelPointer, ModelStatus, Rejected),
    ],
)
def test_the_fields_of_a_payload_are_those_in_the_document(kind: type[msgspec.Struct]) -> None:
    described = dict(rows(section(kind.__name__)))
    inherited = set(Telemetry.__struct_fields__) if kind is Labelled else set(CHANNEL_NAMES)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind) if field.name not in inherited}

    assert set(described) == set(fields)
    for name, field in fields.items():
        assert ("| required" in described[name]) is field.required, name


@pytest.mark.parametrize("measurement", MEASUREMENTS.values(), ids=lambda measurement: str(measurement.name))
def test_the_columns_of_a_measurement_are_those_in_the_document(measurement: Measurement) -> None:
    _, _, tags, fields, _ = rows(section("Store"))[measurement.name].split("|")
    inherited = PUMP_TELEMETRY.fields if measurement is PUMP_LABELS else ()
    types = {"string": " string", "int64": " int64", "double": ""}
    described = [f"`{name}`{types[str(measurement.schema.field(name).type)]}" for name in measurement.fields]

    assert [tag.strip(" `") for tag in tags.split(",")] == list(measurement.tags)
    assert [field.strip() for field in fields.split(",")][bool(inherited) :] == described[len(inherited) :]


def test_the_states_are_in_the_document_in_the_order_of_wear() -> None:
    assert list(rows(section("States"))) == [state.value for state in STATES]


def test_the_failure_modes_are_in_the_document_with_their_iso_14224_codes() -> None:
    described = {name: line.split("|")[2].strip() for name, line in rows(section("Failure modes")).items()}

    assert described == {mode.value: ", ".join(codes) for mode, codes in ISO_14224_CODES.items()}


def test_the_sensor_faults_and_disturbances_are_in_the_document() -> None:
    assert list(rows(section("Sensor faults and disturbances"))) == [*SensorFault, *Disturbance]


def test_the_conditions_of_alarms_are_in_the_document_with_their_severities() -> None:
    described = rows(section("Conditions"))

    assert set(described) == set(CONDITIONS)
    assert all(f"{severity} {state.value}" in described[CONDITION] for state, severity in SEVERITIES.items())
    assert all(f"| {severity} |" in described[name] for name, severity in FLAG_SEVERITIES.items())
    assert all(f"from {RAISE_AFTER_READINGS} " in line for line in described.values())
    assert all(f"until {CLEAR_AFTER_READINGS} " in line for line in described.values())
