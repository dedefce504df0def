"""Event time: what a payload may say about when a reading was taken, as int64 nanoseconds since 1970 (UTC)."""

from datetime import UTC, datetime, timedelta

from pdm_platform.contract.errors import PayloadError, SettingsError

Timestamp = str | int | float
NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
_YEAR_2000_NS = 946_684_800 * NS_PER_S
NS_PER_HOUR = 3_600 * NS_PER_S
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_NS = 2**63 - 1
# A number is epoch milliseconds. Below 1e11, the year 1973, it can only be seconds or a clock that was never set; from
# 1e14, the year 5138, only microseconds, and from 1e17 nanoseconds, which many clients send without being asked.
_MILLISECONDS_FROM = 10**11
_MICROSECONDS_FROM = 10**14
_NANOSECONDS_FROM = 10**17


def time_ns_of(timestamp: Timestamp) -> int:
    """Nanoseconds since 1970 of a payload's `timestamp`: ISO 8601 (UTC where it names no zone) or epoch ms.

    Raises PayloadError where the value is neither, lies beyond what 64 bits hold, or can only be seconds or a clock
    that was never set.
    """
    time_ns = _from_iso(timestamp) if isinstance(timestamp, str) else _from_number(timestamp)
    if not 0 <= time_ns <= _MAX_NS:
        raise PayloadError(f"timestamp {timestamp!r} lies outside 1970 to 2262")
    return time_ns


def time_of(text: str, field: str) -> int:
    """Nanoseconds of an ISO 8601 time that someone configured. Raises SettingsError naming the field."""
    try:
        return time_ns_of(text)
    except PayloadError as error:
        raise SettingsError(f"{field}: {error.what}", hint="For example 2026-03-01T00:00:00Z") from None


def _from_iso(timestamp: str) -> int:
    try:
        if timestamp.isdigit():  # epoch milliseconds in quotes: fromisoformat reads 1971010100000 as a day in 1971
            raise ValueError
        moment = datetime.fromisoformat(timestamp)
    except ValueError:
        raise PayloadError(f"timestamp {timestamp[:40]!r} is not ISO 8601") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1_000


def _from_number(timestamp: int | float) -> int:
    if not 0 <= timestamp <= _MAX_NS:  # written so that NaN is refused too
        # Python raises instead of printing an integer of more than 4300 digits
        shown = "of many digits" if isinstance(timestamp, int) and timestamp.bit_length() > 128 else timestamp
        raise PayloadError(f"timestamp {shown} lies outside 1970 to 2262")
    if timestamp < _MILLISECONDS_FROM:
        raise PayloadError(f"timestamp {timestamp!r} is before 1973 as milliseconds; are these seconds?")
    if timestamp >= _NANOSECONDS_FROM:
        return int(timestamp)
    if timestamp >= _MICROSECONDS_FROM:
        return int(timestamp) * 1_000
    whole = int(timestamp)
    return whole * NS_PER_MS + round((timestamp - whole) * NS_PER_MS)


def iso_of(time_ns: int) -> str:
    """ISO 8601 in UTC with microseconds, the form in which the platform itself writes times."""
    moment = _EPOCH + timedelta(microseconds=time_ns // 1_000)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def maintained_ns(moment: Timestamp | None) -> int:
    """When a pump was last maintained as its reading tells it, in ns; 0 where it does not.

    What cannot be read, and what lies before 2000, because some devices send how long ago it was, counts as not told:
    the reading is good without it.
    """
    if moment is None:
        return 0
    try:
        told_ns = time_ns_of(moment)
    except PayloadError:
        return 0
    return told_ns if told_ns >= _YEAR_2000_NS else 0
