from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.errors import PayloadError
from pdm_platform.contract.times import NS_PER_S, iso_of, maintained_ns, time_ns_of

NEW_YEAR_2026_NS = 1_767_225_600 * 10**9
MAX_NS = 2**63 - 1
LATEST = datetime(2262, 4, 11)
OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


def outcome(timestamp: str | int | float) -> int | PayloadError:
    try:
        return time_ns_of(timestamp)
    except PayloadError as refused:
        return refused


@given(
    st.one_of(
        st.text(max_size=80),
        st.integers(),
        st.floats(),
        st.from_regex(r"\A[0-9]{1,5}-?[0-9W]{1,3}-?[0-9]{1,2}[T ]?[0-9:.,]{0,16}(Z|[+-][0-9:]{1,8})?\Z"),
        st.integers(-(10**6_000), 10**6_000),
    )
)
def test_any_timestamp_is_a_64_bit_time_or_a_payload_error(timestamp: str | int | float) -> None:
    result = outcome(timestamp)

    if isinstance(result, PayloadError):
        assert "timestamp" in result.what
        assert len(result.what) < 200
    else:
        assert isinstance(result, int)
        assert 0 <= result <= MAX_NS


@pytest.mark.parametrize(
    "timestamp",
    [float("inf"), float("-inf"), float("nan"), 1e308, -1, -0.5, 2.0**63, 2**63, 10**5_000, -(10**5_000)],
    ids=lambda value: f"{value:g}" if isinstance(value, float) else f"{value.bit_length()}-bit",
)
def test_a_number_that_is_no_time_is_refused(timestamp: float) -> None:
    with pytest.raises(PayloadError, match="outside 1970 to 2262"):
        time_ns_of(timestamp)


@pytest.mark.parametrize("timestamp", ["", "now", "1767225600000", "1971010100000", "2026-13-01", "2026-01-01T25:00Z"])
def test_a_text_that_is_not_iso_8601_is_refused(timestamp: str) -> None:
    with pytest.raises(PayloadError, match="is not ISO 8601"):
        time_ns_of(timestamp)


@given(st.datetimes(min_value=datetime(1970, 1, 2), max_value=LATEST), OFFSETS)
def test_the_same_moment_is_the_same_time_in_every_zone(moment: datetime, zone: timezone) -> None:
    there = moment.replace(tzinfo=UTC).astimezone(zone)

    assert time_ns_of(there.isoformat()) == time_ns_of(moment.isoformat() + "Z") == time_ns_of(moment.isoformat())


@given(st.integers(10**11, MAX_NS // 10**6))
def test_milliseconds_are_exact(milliseconds: int) -> None:
    assert time_ns_of(milliseconds) == milliseconds * 10**6


@pytest.mark.parametrize("timestamp", [0, 12_345, 1_767_225_600, 1_767_225_600.5])
def test_seconds_and_clocks_never_set_are_refused(timestamp: float) -> None:
    with pytest.raises(PayloadError, match="before 1973 as milliseconds"):
        time_ns_of(timestamp)


@given(st.integers(10**17, MAX_NS))
def test_nanoseconds_are_exact(time_ns: int) -> None:
    assert time_ns_of(time_ns) == time_ns


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "2025-12-31T19:00:00-05:00",
        1_767_225_600_000,
        1_767_225_600_000.0,
        1_767_225_600_000_000,
        NEW_YEAR_2026_NS,
    ],
)
def test_every_way_to_write_new_year_2026_is_the_same_time(timestamp: str | int | float) -> None:
    assert time_ns_of(timestamp) == NEW_YEAR_2026_NS


@given(st.integers(0, MAX_NS))
def test_what_iso_of_writes_is_read_back_to_the_microsecond(time_ns: int) -> None:
    text = iso_of(time_ns)

    assert text.endswith("Z")
    assert time_ns_of(text) == time_ns // 1_000 * 1_000


@given(st.integers(0, MAX_NS), st.integers(0, MAX_NS))
def test_iso_texts_sort_as_their_times(one_ns: int, other_ns: int) -> None:
    earlier, later = sorted((one_ns, other_ns))

    assert iso_of(earlier) <= iso_of(later)


@pytest.mark.parametrize(
    ("moment", "expected_ns"),
    [
        (None, 0),
        ("2026-01-01T00:00:00Z", 1_767_225_600 * NS_PER_S),
        (1_767_225_600_000, 1_767_225_600 * NS_PER_S),
        ("last Tuesday", 0),
        (523.5, 0),  # hours since the maintenance, say
        ("1999-12-31T23:59:59Z", 0),
    ],
)
def test_a_maintenance_is_told_by_a_moment_and_by_nothing_else(moment: str | float | None, expected_ns: int) -> None:
    assert maintained_ns(moment) == expected_ns
