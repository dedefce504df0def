"""A line that the server refuses costs no other line."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdm_platform.contract.errors import StoreError
from pdm_platform.contract.measurements import DEVICE, PUMP_TELEMETRY, TIME
from pdm_platform.stores import influx_writes
from pdm_platform.stores.influx_http import LinesRefusedError
from pdm_platform.stores.influx_lines import Lines, to_lines
from pdm_platform.stores.influx_writes import write_lines


class Server:
    """Answers as influxd does: it names the first reason only, and may or may not have stored what it did not drop."""

    def __init__(self, bad: set[int], *, counts: bool) -> None:
        self._bad, self._counts = bad, counts
        self.requests = 0
        self.accepted: list[int] = []

    def write(self, bucket: str, lines: bytes) -> None:
        assert bucket == "pdm_raw"
        self.requests += 1
        times = [int(line.rpartition(b" ")[2]) for line in lines.splitlines()]
        dropped = [time for time in times if time in self._bad]
        if dropped:
            raise LinesRefusedError(f"time {dropped[0]}" + (f" dropped={len(dropped)}" if self._counts else ""))
        self.accepted += times


def lines_at(count: int) -> Lines:
    rows = [{DEVICE: "p1", TIME: time} for time in range(count)]
    return to_lines(PUMP_TELEMETRY, pa.Table.from_pylist(rows, schema=PUMP_TELEMETRY.schema))


@given(count=st.integers(0, 40), bad=st.sets(st.integers(0, 39)), counts=st.booleans())
def test_every_line_but_the_culprits_is_in_a_request_that_succeeded_in_order(
    count: int, bad: set[int], counts: bool
) -> None:
    server = Server(bad, counts=counts)

    refused = write_lines(server, "pdm_raw", lines_at(count))

    assert set(refused) == bad & set(range(count))
    assert server.accepted == [time for time in range(count) if time not in bad]
    if not counts:
        assert all(reason == f"time {row}" for row, reason in refused.items())


def test_one_culprit_among_thousands_is_found_in_some_twenty_requests() -> None:
    server = Server({1_234}, counts=True)

    refused = write_lines(server, "pdm_raw", lines_at(5_000))

    assert refused == {1_234: "time 1234 dropped=1"}
    assert server.requests <= 2 * 13 + 1


def test_where_the_server_dropped_all_lines_none_is_sent_again() -> None:
    server = Server(set(range(5_000)), counts=True)

    refused = write_lines(server, "pdm_raw", lines_at(5_000))

    assert (len(refused), server.requests) == (5_000, 1)


def test_a_large_write_goes_in_several_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(influx_writes, "MAX_BODY_BYTES", 1_000)
    server = Server(set(), counts=True)

    write_lines(server, "pdm_raw", lines_at(100))

    assert server.requests > 3
    assert server.accepted == list(range(100))


def test_a_failure_of_the_server_is_not_taken_for_a_refusal() -> None:
    class Full(Server):
        def write(self, bucket: str, lines: bytes) -> None:
            raise StoreError(f"{bucket}: no space left on device for {len(lines)} bytes")

    with pytest.raises(StoreError, match="no space left"):
        write_lines(Full(set(), counts=True), "pdm_raw", lines_at(10))
