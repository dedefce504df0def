"""Lives in bulk, as arrays and as lines of JSON."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from pdm_platform.contract.payloads import Telemetry, decode
from simulators import pump as pump_module
from simulators.bulk import simulate_arrays, simulate_json
from simulators.encoding import behind_ms, telemetry_payloads
from simulators.lines import LineFormat
from simulators.lives import Lives
from simulators.plans import LivesPlan
from tests.unit.simulators.fleets import fleet_of

END_NS = 1_770_000_000_000_000_000


def lives(**facts: int) -> Lives:
    plan = LivesPlan(**{"stress": 25, "accelerated": 6, "nominal": 0} | facts, sensor_fault_share=0.8)
    return Lives.lay_out(plan, END_NS)


@pytest.mark.parametrize("workers", [1, 2])
def test_bulk_arrays_are_the_fleets_own_readings_bit_for_bit(workers: int) -> None:
    fleet = lives(nominal=1).fleet

    blocks = list(simulate_arrays(fleet, workers=workers))

    assert sum(len(block.step) for block in blocks) == fleet.life.readings.sum()
    for block in blocks:
        readings = fleet.readings(block.pump, block.step)
        assert np.array_equal(block.observed.channels.T, readings.channels, equal_nan=True)
        assert np.array_equal(100.0 * (1.0 - block.observed.wear.astype(np.float64)), readings.health_percent)
        assert np.array_equal(block.observed.fault, readings.sensor_fault)


def test_every_reading_comes_once_and_pump_by_pump() -> None:
    fleet = lives().fleet

    pumps = np.concatenate([block.pump for block in simulate_arrays(fleet)])

    assert np.bincount(pumps).tolist() == fleet.life.readings.tolist()


def test_pumps_that_do_not_wear_are_simulated_as_long_as_one_asks() -> None:
    fleet = fleet_of(3, wearing=np.zeros(3, dtype=np.bool_))

    blocks = list(simulate_arrays(fleet, readings=10_000))

    assert sum(len(block.step) for block in blocks) == 30_000
    assert all((block.observed.wear == 0.0).all() for block in blocks)


def test_lines_decode_to_what_the_contracts_own_encoding_decodes_to() -> None:
    campaign = lives()
    fleet = campaign.fleet
    blocks = list(simulate_arrays(fleet))
    pumps, steps = (np.concatenate([getattr(block, name) for block in blocks]) for name in ("pump", "step"))
    readings = fleet.readings(pumps, steps)
    interval_ms = np.round(fleet.interval_s * 1_000).astype(np.int64)
    own = telemetry_payloads(
        [campaign.devices[pump] for pump in pumps],
        readings,
        measurement_id=steps,
        time_ms=campaign.start_ms[pumps] + steps * interval_ms[pumps] - behind_ms(readings),
        last_maintenance=[None] * len(pumps),
    )

    text = b"".join(simulate_json(fleet, campaign.devices, campaign.start_ms))

    lines = text.splitlines()
    assert len(lines) == len(own)
    assert [decode(Telemetry, line) for line in lines] == [decode(Telemetry, payload) for payload in own]


def test_lines_are_the_same_whatever_the_number_of_workers() -> None:
    campaign = lives()

    one, two = (
        b"".join(simulate_json(campaign.fleet, campaign.devices, campaign.start_ms, workers=workers))
        for workers in (1, 2)
    )

    assert one == two


def test_numbers_that_do_not_fit_a_field_are_written_all_the_same() -> None:
    names = ("p", "a-longer.name_9")
    channels = np.array([[0.0, 0.0005, 9_999.9994, 10_000.0, np.nan, -3.25, 12.34]] * 8, dtype=np.float32)
    count = channels.shape[1]
    numbers = np.array([0, 9_999, 10_000, 99_999_999, 100_000_000, 5, 2**62])
    times = np.array([0, 10**8, 10**11, 1_770_000_000_000, 10**15, 10**16, 12_345])

    text = LineFormat.of(names).write(np.arange(count) % 2, channels, np.full(count, 12.3456), numbers, times)

    lines = [msgspec.json.decode(line) for line in text.splitlines()]
    assert [line["device_id"] for line in lines] == ["p", "a-longer.name_9"] * 3 + ["p"]
    assert [line["measurement_id"] for line in lines] == numbers.tolist()
    assert [line["timestamp"] for line in lines] == times.tolist()
    assert [line["rpm"] for line in lines] == [0.0, 0.0, 10_000.0, 10_000.0, None, -3.2, 12.3]
    assert [line["pressure"] for line in lines] == [0.0, 0.001, 9_999.999, 10_000.0, None, -3.25, 12.34]
    assert {line["health_percent"] for line in lines} == {12.346}


def test_a_fleet_without_readings_gives_no_blocks() -> None:
    fleet = fleet_of(2)
    still = replace(fleet, life=replace(fleet.life, readings=np.zeros(2, dtype=np.int64)))

    assert list(simulate_arrays(still)) == []
    assert pump_module.CHUNK > 0
