import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import PayloadError
from pdm_platform.contract.intake import DeviceClock, IntakeLimits, accept_reading
from pdm_platform.contract.payloads import Labelled, Telemetry
from pdm_platform.contract.topics import Address, Kind

NS_PER_S = 10**9
DAY_NS = 86_400 * NS_PER_S
NOW_NS = 1_767_225_600 * NS_PER_S
LIMITS = IntakeLimits(max_age_ns=30 * DAY_NS, max_ahead_ns=300 * NS_PER_S)
LIVE = Address(Kind.TELEMETRY, "pump-001")
HISTORY = Address(Kind.TRAINING, "pump-001")


def payload(**changes: object) -> bytes:
    return json.dumps({"device_id": "pump-001", **dict.fromkeys(CHANNEL_NAMES, 1.0), **changes}).encode()


def test_a_reading_is_taken_at_its_own_time() -> None:
    reading, time_ns = accept_reading(LIVE, payload(timestamp=NOW_NS // 10**6 - 5_000), NOW_NS, LIMITS)

    assert type(reading) is Telemetry
    assert time_ns == NOW_NS - 5 * NS_PER_S


def test_a_reading_without_a_timestamp_is_taken_and_has_no_time_yet() -> None:
    reading, time_ns = accept_reading(LIVE, payload(), NOW_NS, LIMITS)

    assert reading.device_id == "pump-001"
    assert time_ns is None


def test_training_data_carries_its_label() -> None:
    reading, _ = accept_reading(HISTORY, payload(ground_truth="FAULTY"), NOW_NS, LIMITS)

    assert isinstance(reading, Labelled)


def test_a_reading_of_another_device_than_the_topics_is_refused() -> None:
    with pytest.raises(PayloadError, match=r"'pump-002' is not the topic's 'pump-001'"):
        accept_reading(LIVE, payload(device_id="pump-002"), NOW_NS, LIMITS)


@pytest.mark.parametrize(("offset_ns", "words"), [(365 * DAY_NS, "300 s ahead"), (-365 * DAY_NS, "30 days before")])
def test_a_clock_a_year_off_is_refused_with_the_limit(offset_ns: int, words: str) -> None:
    with pytest.raises(PayloadError, match=words):
        accept_reading(LIVE, payload(timestamp=(NOW_NS + offset_ns) // 10**6), NOW_NS, LIMITS)


@pytest.mark.parametrize("offset_ns", [LIMITS.max_ahead_ns, -LIMITS.max_age_ns])
def test_a_clock_just_at_the_limit_is_taken(offset_ns: int) -> None:
    _, time_ns = accept_reading(LIVE, payload(timestamp=(NOW_NS + offset_ns) // 10**6), NOW_NS, LIMITS)

    assert time_ns == NOW_NS + offset_ns


def test_old_training_data_is_taken_but_none_from_the_future() -> None:
    old_ms = (NOW_NS - 365 * DAY_NS) // 10**6
    future_ms = (NOW_NS + DAY_NS) // 10**6

    _, time_ns = accept_reading(HISTORY, payload(ground_truth="HEALTHY", timestamp=old_ms), NOW_NS, LIMITS)

    assert time_ns == NOW_NS - 365 * DAY_NS
    with pytest.raises(PayloadError, match="ahead"):
        accept_reading(HISTORY, payload(ground_truth="HEALTHY", timestamp=future_ms), NOW_NS, LIMITS)


def test_a_device_that_may_not_speak_is_refused() -> None:
    limits = replace(LIMITS, allowed_devices=re.compile(r"pump-9\d\d"))

    with pytest.raises(PayloadError, match="PDM_ALLOWED_DEVICES"):
        accept_reading(LIVE, payload(), NOW_NS, limits)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 2**62)), max_size=30))
def test_times_given_by_the_receive_clock_increase_within_each_device(arrivals: list[tuple[str, int]]) -> None:
    clock = DeviceClock()

    given_times = [(device_id, clock.time_ns(device_id, received_ns)) for device_id, received_ns in arrivals]

    for wanted in ("a", "b"):
        times = [time_ns for device_id, time_ns in given_times if device_id == wanted]
        assert times == sorted(set(times))
    assert all(time_ns >= received for (_, time_ns), (_, received) in zip(given_times, arrivals, strict=True))
