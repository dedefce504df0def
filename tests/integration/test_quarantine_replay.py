"""A rejected reading is repaired, replayed and stored once, at the time it was taken; at real brokers."""

from pathlib import Path

import pytest

from pdm_platform.contract.errors import BrokerError
from pdm_platform.contract.measurements import ALL_TIME, PUMP_TELEMETRY, TIME
from pdm_platform.contract.times import time_ns_of
from pdm_platform.deployment.access import User
from pdm_platform.stores.telemetry import open_platform_store
from sensors_bridge import replay_outlet
from sensors_bridge.quarantine_index import Entry, Selection, entries
from sensors_bridge.replay_command import Choice, run_replay
from tests.integration.bridge_site import Site, link_to, reading, running_site, wait_until
from tests.servers.mosquitto import needs_mosquitto, running_mosquitto
from tests.unit.sensors_bridge.quarantine_data import kept, rejection
from tests.unit.sensors_bridge.quarantine_data import reading as reading_of_pump_1

pytestmark = pytest.mark.integration
TOPIC = "factory/pumps/pump-900/telemetry"


def quarantined(site: Site) -> list[Entry]:
    return list(entries(site.platform.home / "quarantine"))


def replay(site: Site, *ids: str, payload: Path | None = None, again: bool = False) -> int:
    choice = Choice(ids, Selection(), everything=not ids)
    return run_replay(site.platform, choice, payload_file=str(payload or ""), again=again, dry_run=False)


def test_a_repaired_reading_is_stored_once_at_its_arrival_however_often_it_is_replayed(tmp_path: Path) -> None:
    repaired = tmp_path / "repaired.json"
    repaired.write_bytes(reading("pump-900", 1, rpm=2850.0))
    with running_site(tmp_path / "site") as site:
        with link_to(site) as link:
            link.publish(TOPIC, reading("pump-900", 1, rpm="fast"))
        wait_until(lambda: len(quarantined(site)) == 1, "the reading is in quarantine")
        [entry] = quarantined(site)
        as_it_was = replay(site, entry.id)

        mended = replay(site, entry.short_id, payload=repaired)
        wait_until(lambda: site.stored() == 1, "the repaired reading is stored")
        replay(site, entry.id, payload=repaired, again=True)
        wait_until(lambda: site.metric("received_total") == 3, "the second replay has arrived")
        wait_until(lambda: site.metric('stored_total{measurement="pump_telemetry"}') == 2, "and is written")
        store = open_platform_store(site.platform)
        found = store.read(PUMP_TELEMETRY, ALL_TIME)
        store.close()
        [after] = quarantined(site)

    assert (as_it_was, mended) == (1, 0)
    assert found["rpm"].to_pylist() == [2850.0]
    assert found[TIME].to_pylist() == [time_ns_of(entry.record.received)]
    assert after.mark is not None


@needs_mosquitto
def test_what_mosquitto_acknowledges_and_drops_is_not_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay_outlet, "_ANSWER_WITHIN_S", 2.0)
    choice = Choice((), Selection(), everything=True)
    kept(tmp_path / "quarantine", rejection(reading_of_pump_1()))
    with running_mosquitto(tmp_path / "broker") as broker:
        reader, bridge = (broker.client(user, tls=False, home=tmp_path) for user in (User.OPERATOR, User.BRIDGE))

        with pytest.raises(BrokerError, match="handed them to nobody"):
            run_replay(reader, choice, payload_file="", again=False, dry_run=False)
        by_reader = [entry.mark for entry in entries(tmp_path / "quarantine")]
        by_bridge = run_replay(bridge, choice, payload_file="", again=False, dry_run=False)

    assert by_reader == [None]
    assert by_bridge == 0
    assert all(entry.mark for entry in entries(tmp_path / "quarantine"))
