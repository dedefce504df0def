"""Holes in a device's sequence numbers."""

import json
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import PUMP_TELEMETRY
from pdm_platform.contract.payloads import Telemetry, decode
from sensors_bridge.decode import Rows
from sensors_bridge.gaps import Gaps


def rows(*numbers: int | None, device_id: str = "pump-001", redelivered: bool = False) -> Rows:
    found = Rows(PUMP_TELEMETRY)
    for number in numbers:
        fields = {"device_id": device_id, **dict.fromkeys(CHANNEL_NAMES, 1.0), "measurement_id": number}
        found.add(decode(Telemetry, json.dumps(fields).encode()), 0, redelivered=redelivered)
    return found


@pytest.mark.parametrize(
    ("numbers", "missing"),
    [
        ([5, 6, 7], 0),
        ([5, 8], 2),
        ([5, 8, 6], 1),
        ([5, 8, 7, 6], 0),
        ([5, 6, 5, 6, 7], 0),
        ([40, 41, 0, 1, 2], 0),
        ([40, 41, 0, 3], 2),
        ([90_000, 7, 8], 0),
        ([None, None], 0),
        ([0, 2**62], 2**62 - 1),
    ],
)
def test_missing_numbers_are_counted_until_they_arrive(numbers: list[int | None], missing: int) -> None:
    gaps = Gaps()

    gaps.observe(rows(*numbers))

    assert gaps.missing.get("pump-001", 0) == missing


def test_devices_are_followed_apart_and_over_batches() -> None:
    gaps = Gaps()
    gaps.observe(rows(1, 2))
    gaps.observe(rows(1, 2, device_id="pump-002"))

    changes = gaps.observe(rows(5))
    gaps.observe(rows(3, device_id="pump-002"))

    assert changes == {"pump-001": 2}
    assert gaps.missing == {"pump-001": 2}


def test_a_redelivered_first_reading_is_no_restart() -> None:
    gaps = Gaps()
    gaps.observe(rows(0, 1, 2))
    gaps.observe(rows(0, redelivered=True))

    gaps.observe(rows(3))

    assert gaps.missing == {}


@given(st.sets(st.integers(1, 200)), st.integers(0, 2**32))
def test_in_any_order_what_never_arrives_is_what_is_missing(lost: set[int], seed: int) -> None:
    arrived = [number for number in range(1, 201) if number not in lost]
    Random(seed).shuffle(arrived)
    gaps = Gaps()
    gaps.observe(rows(1_000_000, 0))  # 0: the device has just begun to count

    gaps.observe(rows(*arrived, 201))

    assert gaps.missing.get("pump-001", 0) == len(lost)
