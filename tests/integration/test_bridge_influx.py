"""The bridge before a real InfluxDB that is killed, stands still or has no disk left: what it acknowledged is there."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pdm_platform.contract.measurements import ALL_TIME, PUMP_TELEMETRY
from pdm_platform.stores.telemetry import open_platform_store
from sensors_bridge import quarantine
from tests.integration.bridge_site import Site, link_to, reading, running_site, wait_until
from tests.servers.influxd import Influxd, needs_own_influxd, running_influxd
from tests.servers.small_disk import fill, small_disk

pytestmark = [pytest.mark.integration, needs_own_influxd]
READINGS = 3_000
DEVICES = 20
FROZEN_S = 5.0
SMALL_DISK_MB = 24
BATCH = 50  # so that a write that does not end leaves others waiting


@contextmanager
def plant(folder: Path, influxd_folder: Path) -> Iterator[tuple[Influxd, Site]]:
    with running_influxd(influxd_folder, "--no-tasks") as server:
        server.create_buckets("pdm")
        url, token = server.store_url("pdm"), server.operator_token
        with running_site(folder, store_url=url, token=token, PDM_BRIDGE_BATCH_SIZE=str(BATCH)) as site:
            yield server, site


def stored_numbers(site: Site) -> list[int]:
    """The rpm of all stored readings, which the tests use as a number."""
    store = open_platform_store(site.platform)
    try:
        return sorted(int(rpm) for rpm in store.read(PUMP_TELEMETRY, ALL_TIME)["rpm"].to_pylist())
    finally:
        store.close()


def publish(site: Site, numbers: range, pause_s: float = 0.0, on_each: Callable[[int], None] = lambda _n: None) -> None:
    """One reading a number, which is its rpm; returns when the broker has all of them."""
    start_ms = time.time_ns() // 10**6 - READINGS
    with link_to(site, f"publisher-{numbers.start}") as link:
        for number in numbers:
            device = f"pump-{number % DEVICES:03d}"
            values = {"rpm": float(number), "timestamp": start_ms + number}
            link.publish(f"factory/pumps/{device}/telemetry", reading(device, number // DEVICES, **values))
            on_each(number)
            time.sleep(pause_s)
        assert link.flush(30.0)


def counted(site: Site) -> int:
    """How many readings the bridge has stored, and so acknowledged, by its own metric."""
    return int(site.metric('stored_total{measurement="pump_telemetry"}'))


def store_fails(site: Site) -> bool:
    return "store" in site.bridge.problems()


def test_a_store_killed_twice_loses_nothing_and_holds_nothing_twice(tmp_path: Path) -> None:
    moments = threading.Event(), threading.Event()

    def mark(number: int) -> None:
        if number in (READINGS // 4, READINGS // 2):
            moments[number == READINGS // 2].set()

    with plant(tmp_path / "site", tmp_path / "influxd") as (server, site):
        publisher = threading.Thread(target=publish, args=(site, range(READINGS), 0.001, mark))
        publisher.start()
        acknowledged = [0]
        for moment in moments:
            assert moment.wait(60.0)
            wait_until(lambda: counted(site) > acknowledged[-1], "some more are stored")
            server.kill()
            acknowledged.append(counted(site))
            wait_until(lambda: store_fails(site), "/healthz names the store")
            server.start()
            assert site.stored() >= acknowledged[-1]
        publisher.join(60.0)
        wait_until(lambda: site.stored() >= READINGS, f"{READINGS} readings are stored")
        found = stored_numbers(site)
        wait_until(lambda: site.bridge.problems() == {}, "the bridge is healthy again")

        assert acknowledged[-1] < READINGS
        assert found == list(range(READINGS))
        assert site.bridge.restarts == 0


def test_a_store_that_stands_still_holds_the_readings_back_and_the_bridge_lives(tmp_path: Path) -> None:
    with plant(tmp_path / "site", tmp_path / "influxd") as (server, site):
        publish(site, range(100))
        # by the bridge's own count: the store has them a moment before its answer has arrived
        wait_until(lambda: counted(site) == 100, "the first are stored")
        with server.frozen():
            began_s = time.monotonic()
            publish(site, range(100, 400))
            wait_until(lambda: site.metric("queue_length") > 0, "readings wait")
            time.sleep(max(0.0, FROZEN_S - (time.monotonic() - began_s)))
            stored_meanwhile = counted(site)
            problems_meanwhile = site.bridge.problems()

        wait_until(lambda: site.stored() == 400, "all of it is stored")
        assert stored_meanwhile == 100
        assert problems_meanwhile.keys() <= {"store"}
        assert stored_numbers(site) == list(range(400))
        assert (site.bridge.restarts, site.bridge.running) == (0, True)


def test_with_a_full_disk_nothing_is_acknowledged_until_there_is_room_and_the_store_restarted(tmp_path: Path) -> None:
    with (
        small_disk(tmp_path / "disk", SMALL_DISK_MB) as disk,
        plant(tmp_path / "site", disk / "influxd") as (server, site),
    ):
        publish(site, range(100))
        wait_until(lambda: site.stored() == 100, "the first are stored")
        ballast = fill(disk)
        publish(site, range(100, 400))
        wait_until(lambda: store_fails(site), "/healthz names the store")
        problem = site.bridge.problems()["store"]
        restarts = site.bridge.restarts
        # had it acknowledged any, the broker would not deliver it to the next bridge
        site.kill(site.bridge)

        ballast.unlink()
        # influxd fails on for ever, or not, depending on where in its write-ahead log the disk was full
        server.stop()
        server.start()

        wait_until(lambda: site.stored() >= 400, "all of it is stored")
        assert "no space left on device" in problem
        assert restarts == 0
        assert stored_numbers(site) == list(range(400))
        wait_until(lambda: site.bridge.problems() == {}, "the bridge is healthy again")


def test_a_reading_that_influxdb_refuses_is_quarantined_with_its_reason_and_its_neighbours_are_stored(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "site"
    with running_influxd(tmp_path / "influxd", "--no-tasks") as server:
        server.create_bucket("pdm_raw", retention_s=3_600)
        with running_site(folder, store_url=server.store_url("pdm"), token=server.operator_token) as site:
            now_ms = time.time_ns() // 10**6
            with link_to(site) as link:
                for number, age_ms in enumerate((0, 7_200_000, 1)):
                    payload = reading("pump-1", number, rpm=float(number), timestamp=now_ms - age_ms)
                    link.publish("factory/pumps/pump-1/telemetry", payload)
            wait_until(lambda: quarantine.count(folder / "quarantine") == 1, "the old reading is in quarantine")
            wait_until(lambda: counted(site) == 2, "the others are stored")
            numbers = stored_numbers(site)

    [record] = quarantine.read(folder / "quarantine")
    assert numbers == [0, 2]
    assert (record.cause, '"rpm": 1.0' in record.payload) == ("store", True)
    assert "outside retention policy of duration 1h0m0s" in record.reason
