import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES, CHANNELS
from pdm_platform.contract.measurements import (
    MEASUREMENTS,
    PUMP_LABELS,
    PUMP_PREDICTION,
    PUMP_TELEMETRY,
    TIME,
    Measurement,
    Window,
)
from pdm_platform.contract.payloads import Labelled, Telemetry


@pytest.mark.parametrize("measurement", MEASUREMENTS.values(), ids=lambda measurement: str(measurement.name))
def test_columns_are_the_tags_then_the_time_then_the_fields(measurement: Measurement) -> None:
    assert measurement.schema.names == [*measurement.tags, TIME, *measurement.fields]
    assert len(set(measurement.schema.names)) == len(measurement.schema.names)


@pytest.mark.parametrize("measurement", MEASUREMENTS.values(), ids=lambda measurement: str(measurement.name))
def test_only_what_makes_the_key_must_be_there(measurement: Measurement) -> None:
    required = {field.name for field in measurement.schema if not field.nullable}

    assert required == {*measurement.tags, TIME}


@pytest.mark.parametrize(
    ("measurement", "released"),
    [
        (PUMP_TELEMETRY, (*CHANNEL_NAMES, "measurement_id", "last_maintenance", "health_percent")),
        (PUMP_LABELS, (*PUMP_TELEMETRY.fields, "ground_truth", "failure_mode", "rul_hours")),
        (
            PUMP_PREDICTION,
            (
                *("measurement_id", "state", "p_healthy", "p_warning", "p_faulty", "p_broken"),
                *("health_percent", "rul_hours", "model_version", "inference_time_ns"),
            ),
        ),
    ],
    ids=lambda value: str(getattr(value, "name", "released")),
)
def test_fields_of_the_first_release_keep_their_places(measurement: Measurement, released: tuple[str, ...]) -> None:
    assert measurement.fields[: len(released)] == released, "in InfluxDB a point names its fields by their places"


def test_every_measurement_is_found_under_its_own_name() -> None:
    assert {name: measurement.name for name, measurement in MEASUREMENTS.items()} == {
        name: name for name in MEASUREMENTS
    }


def test_a_reading_keeps_all_that_its_payload_says() -> None:
    assert set(PUMP_TELEMETRY.fields) == set(Telemetry.__struct_fields__) - {"device_id", "timestamp"}
    assert set(PUMP_LABELS.fields) == set(Labelled.__struct_fields__) - {"device_id", "timestamp"}


def test_what_is_plausible_is_possible() -> None:
    for channel in CHANNELS:
        assert channel.possible_min <= channel.plausible_min < channel.plausible_max <= channel.possible_max
    assert tuple(channel.name for channel in CHANNELS) == CHANNEL_NAMES


def test_a_window_may_be_empty_but_not_end_before_it_starts() -> None:
    assert Window(5, 5) < Window(5, 6) < Window(6, 6)
    with pytest.raises(ValueError, match=r"ends \(4\) before it starts \(5\)"):
        Window(5, 4)
