"""Redelivered readings without a time of their own."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.intake import IntakeLimits
from pdm_platform.contract.measurements import Measurement, Window
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.contract.topics import Topics
from pdm_platform.runtime.mqtt import Message
from pdm_platform.stores.sqlite import SqliteStore
from pdm_platform.stores.telemetry import TelemetryStore
from sensors_bridge import duplicates
from sensors_bridge.decode import Decoder, Rows
from sensors_bridge.duplicates import drop_known
from sensors_bridge.gaps import Gaps
from sensors_bridge.tables import to_table

NOW_NS = 1_767_225_600_000_000_000
Reading = tuple[int | None, bool]


@pytest.fixture
def store(tmp_path: Path) -> TelemetryStore:
    return SqliteStore(tmp_path / "telemetry.sqlite")


def rows_of(
    *readings: Reading, received_ns: int = NOW_NS, level: float = 1.0, gaps: Gaps | None = None, **fields: object
) -> Rows:
    """Rows of (measurement_id, DUP flag), all without a timestamp unless `fields` has one."""
    messages = [
        Message(
            topic="factory/pumps/pump-001/telemetry",
            payload=json.dumps(
                {"device_id": "pump-001", **dict.fromkeys(CHANNEL_NAMES, level), "measurement_id": number, **fields}
            ).encode(),
            qos=1,
            retain=False,
            dup=dup,
            mid=1,
            received_ns=received_ns,
            connection=1,
        )
        for number, dup in readings
    ]
    limits = IntakeLimits(30 * 24 * NS_PER_HOUR, NS_PER_HOUR)
    [rows] = Decoder(Topics(), limits, gaps or Gaps()).decode(messages).rows
    return rows


def numbers(rows: Rows) -> list[object]:
    return [getattr(payload, "measurement_id", None) for payload in rows.payloads]


def test_a_redelivered_reading_that_an_earlier_run_stored_is_dropped(store: TelemetryStore) -> None:
    earlier = rows_of((1, False), (2, False), received_ns=NOW_NS - 60 * 10**9)
    store.write(earlier.measurement, to_table(earlier))

    judged = drop_known(rows_of((2, True), (3, True), (4, False)), store)

    assert numbers(judged.rows) == [3, 4]
    assert (judged.known, judged.undecidable) == (1, 0)


def test_a_redelivered_reading_is_dropped_also_where_the_clock_was_set_back_since(store: TelemetryStore) -> None:
    earlier = rows_of((1, False), (2, False), received_ns=NOW_NS + 60 * 10**9)
    store.write(earlier.measurement, to_table(earlier))

    judged = drop_known(rows_of((1, True), (2, True), (3, True)), store)

    assert (numbers(judged.rows), judged.known) == ([3], 2)


def test_a_redelivered_reading_beside_its_first_delivery_is_dropped(store: TelemetryStore) -> None:
    judged = drop_known(rows_of((1, False), (2, True), (1, True), (2, True)), store)

    assert numbers(judged.rows) == [1, 2]
    assert judged.known == 2


def test_a_reading_that_its_sender_sent_again_is_dropped_though_the_broker_does_not_flag_it(
    store: TelemetryStore,
) -> None:
    judged = drop_known(rows_of((1, False), (2, False), (3, False), (2, False), (3, False), (4, False)), store)

    assert numbers(judged.rows) == [1, 2, 3, 4]
    assert judged.known == 2


def test_what_an_earlier_run_stored_is_dropped_when_its_sender_sends_it_again_to_the_next(
    store: TelemetryStore,
) -> None:
    earlier = rows_of((7, False), (8, False), (9, False), received_ns=NOW_NS - 60 * 10**9)
    store.write(earlier.measurement, to_table(earlier))

    judged = drop_known(rows_of((8, False), (9, False), (10, False)), store)

    assert (numbers(judged.rows), judged.known) == ([10], 2)


def test_once_the_store_was_asked_about_a_device_its_new_readings_are_beyond_doubt(store: TelemetryStore) -> None:
    gaps = Gaps()
    first = rows_of((7, False), gaps=gaps)

    drop_known(first, store)

    assert first.doubtful == [0]
    assert rows_of((8, False), (9, False), gaps=gaps).doubtful == []


def test_what_a_device_sent_since_it_was_restarted_may_come_again_however_far_it_had_counted_before(
    store: TelemetryStore,
) -> None:
    for first, minutes_ago in ((5_000, 50), (0, 10)):
        earlier = rows_of(*((first + n, False) for n in range(5)), received_ns=NOW_NS - minutes_ago * 60 * 10**9)
        store.write(earlier.measurement, to_table(earlier))
    gaps = Gaps()
    drop_known(rows_of((2, False), gaps=gaps), store)

    again = rows_of((3, False), (4, False), (5, False), gaps=gaps)

    assert numbers(drop_known(again, store).rows) == [5]


def test_what_was_stored_before_a_late_reading_may_come_again(store: TelemetryStore) -> None:
    earlier = rows_of((7, False), (9, False), (8, False), received_ns=NOW_NS - 60 * 10**9)
    store.write(earlier.measurement, to_table(earlier))
    gaps = Gaps()
    drop_known(rows_of((8, False), gaps=gaps), store)

    again = rows_of((9, False), (10, False), gaps=gaps)

    assert numbers(drop_known(again, store).rows) == [10]


def test_a_device_that_has_counted_to_the_end_is_looked_up_like_any_other(store: TelemetryStore) -> None:
    last = 2**63 - 1
    earlier = rows_of((None, False), (last, False), (None, False), received_ns=NOW_NS - 60 * 10**9)
    store.write(earlier.measurement, to_table(earlier))

    judged = drop_known(rows_of((last - 1, False), (last, False)), store)

    assert numbers(judged.rows) == [last - 1]


class Counting(SqliteStore):
    """Knows the most rows that were read at once."""

    most = 0

    def read(self, measurement: Measurement, window: Window, *, devices: Sequence[str] | None = None) -> pa.Table:
        table = super().read(measurement, window, devices=devices)
        self.most = max(self.most, table.num_rows)
        return table


def test_of_many_devices_a_few_minutes_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_AT_ONCE_NS", 300 * 10**9)
    store = Counting(tmp_path / "telemetry.sqlite")
    for number in range(60):
        earlier = rows_of((number, False), received_ns=NOW_NS - (60 - number) * 60 * 10**9)
        store.write(earlier.measurement, to_table(earlier))
    alive: list[int] = []
    gaps = Gaps()
    rows = rows_of((0, True), (31, True), (59, True), (60, True), gaps=gaps)

    judged = drop_known(rows, store, lambda: alive.append(store.most))

    assert numbers(judged.rows) == [60]
    assert store.most == 5
    assert len(alive) >= 24
    assert rows_of((61, False), gaps=gaps).doubtful == []


def test_a_late_reading_is_kept(store: TelemetryStore) -> None:
    judged = drop_known(rows_of((1, False), (4, False), (3, False), (2, False)), store)

    assert (numbers(judged.rows), judged.known) == ([1, 4, 3, 2], 0)


def test_a_device_that_counts_anew_is_not_taken_for_a_redelivery(store: TelemetryStore) -> None:
    earlier = rows_of((1, False), received_ns=NOW_NS - 60 * 10**9, level=1.0)
    store.write(earlier.measurement, to_table(earlier))

    judged = drop_known(rows_of((1, True), level=2.0), store)

    assert (numbers(judged.rows), judged.known) == ([1], 0)


def test_a_redelivered_reading_without_a_sequence_number_is_kept_and_counted(store: TelemetryStore) -> None:
    judged = drop_known(rows_of((None, True), (None, False)), store)

    assert (len(judged.rows.payloads), judged.undecidable) == (2, 1)


def test_a_redelivered_reading_with_a_timestamp_needs_no_judging(store: TelemetryStore) -> None:
    rows = rows_of((1, True), timestamp=NOW_NS // 10**6)

    judged = drop_known(rows, store)

    assert judged.rows is rows
    assert (judged.known, judged.undecidable) == (0, 0)
