"""Publishing, against a link that keeps what it is given."""

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import pytest

from pdm_platform.contract.errors import BrokerError, BrokerRefusedError, SettingsError
from pdm_platform.contract.payloads import Telemetry, decode
from pdm_platform.contract.topics import Topics
from pdm_platform.runtime.mqtt import Link
from simulators import publisher
from simulators.live import EventKind
from simulators.plans import FleetPlan, LivesPlan
from simulators.publisher import publish_lives, run_fleet
from simulators.tally import FleetProgress, FleetReport

TOPICS = Topics()
END_NS = 1_770_000_000_000_000_000
PLAN = LivesPlan(stress=8, accelerated=0, nominal=0)


class FakeLink:
    """Acknowledges all, up to `broken_after` messages."""

    def __init__(self, broken_after: int | None = None) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.broken_after = broken_after
        self.refusal: BrokerRefusedError | None = None
        self.ready = True

    def publish(self, topic: str, payload: bytes) -> int:
        self.sent.append((topic, payload))
        return len(self.sent)

    def flush(self, timeout_s: float) -> bool:
        if self.broken_after is not None and len(self.sent) > self.broken_after:
            time.sleep(min(timeout_s, 0.01))
            return False
        return True

    def check(self) -> None:
        if self.refusal is not None:
            raise self.refusal


def publish(link: FakeLink, **options: Any) -> publisher.Campaign:
    return publish_lives(cast(Link, link), TOPICS, PLAN, window_end_ns=END_NS, **options)


def run(link: FakeLink, plan: FleetPlan, **options: Any) -> FleetReport:
    return run_fleet(cast(Link, link), TOPICS, plan, **({"stop": threading.Event()} | options))


def test_a_campaign_counts_what_was_acknowledged_of_each_device() -> None:
    link, steps = FakeLink(), list[tuple[int, int]]()

    campaign = publish(link, progress=lambda done, planned: steps.append((done, planned)))

    assert campaign.complete
    assert campaign.readings == len(link.sent) == sum(campaign.counts.values())
    assert campaign.counts == Counter(TOPICS.parse(topic).device_id for topic, _ in link.sent)
    assert campaign.devices == tuple(f"life-7-stress-{n:03d}" for n in range(8))
    assert steps[-1] == (campaign.readings, campaign.readings)


def test_a_rerun_sends_the_same_bytes() -> None:
    first, second = FakeLink(), FakeLink()

    publish(first)
    publish(second)

    assert first.sent == second.sent


def test_an_interrupted_campaign_goes_on_and_misses_nothing(tmp_path: Path) -> None:
    stop, whole, first, second = threading.Event(), FakeLink(), FakeLink(), FakeLink()
    publish(whole)

    interrupted = publish(first, resume=tmp_path / "state.json", stop=stop, progress=lambda *_: stop.set())
    complete = publish(second, resume=tmp_path / "state.json")

    assert not interrupted.complete
    assert complete.complete
    assert first.sent + second.sent == whole.sent
    assert list(tmp_path.iterdir()) == []


def test_a_campaign_stops_although_the_broker_is_away_and_counts_only_what_it_has() -> None:
    stop, link = threading.Event(), FakeLink(broken_after=500)

    campaign = publish(link, stop=stop, progress=lambda *_: stop.set())

    assert campaign.readings == 500


def test_a_broker_that_acknowledges_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "_PATIENCE_S", 0.05)

    with pytest.raises(BrokerError, match="not acknowledged"):
        publish(FakeLink(broken_after=0))


def test_a_broker_that_refuses_ends_the_campaign() -> None:
    link = FakeLink(broken_after=0)
    link.refusal = BrokerRefusedError("refused")

    with pytest.raises(BrokerRefusedError):
        publish(link)


def test_a_live_fleet_keeps_its_schedule_for_the_time_it_is_given() -> None:
    link, heard = FakeLink(), list[FleetProgress]()

    report = run(link, FleetPlan(pumps=5, interval_s=0.05, failing=0), duration_s=1.0, report=heard.append)

    assert report.published == len(link.sent) == 5 * 20
    assert report.counts == Counter(TOPICS.parse(topic).device_id for topic, _ in link.sent)
    times = [int(decode(Telemetry, payload).timestamp or 0) * 1_000_000 for _, payload in link.sent]
    assert report.window.start_ns <= min(times)
    assert max(times) < report.window.end_ns
    assert report.acknowledged
    assert report.skipped == 0
    assert heard[-1].published == 100


def test_a_fleet_ends_when_every_pump_has_failed() -> None:
    plan = FleetPlan(pumps=2, failing=2, chaos_pumps=0, interval_s=0.001, stagger_s=0.0)

    report = run(FakeLink(), plan)

    assert [event.kind for event in report.events] == [EventKind.FAILURE] * 2
    assert 240 <= report.published <= 400


def test_while_the_broker_is_away_nothing_piles_up_and_it_is_made_up_for_afterwards() -> None:
    link, stop = FakeLink(), threading.Event()
    link.ready = False
    away: list[int] = []

    def back(_progress: FleetProgress) -> None:
        away.append(len(link.sent))
        link.ready = True

    report = run(link, FleetPlan(pumps=3, interval_s=0.1, failing=0), stop=stop, duration_s=2.0, report=back)

    assert away[0] == 0
    assert report.published == 3 * 20
    assert report.max_behind_s > 0.5


def test_a_stop_ends_the_fleet_at_once_and_what_is_missing_is_told() -> None:
    link, stop = FakeLink(broken_after=0), threading.Event()
    threading.Timer(0.1, stop.set).start()

    report = run(link, FleetPlan(pumps=3, interval_s=0.02, failing=0), stop=stop)

    assert report.published > 0
    assert not report.acknowledged


@pytest.mark.parametrize("duration_s", [0.0, -1.0, float("nan"), float("inf")])
def test_a_duration_that_cannot_be_is_refused(duration_s: float) -> None:
    with pytest.raises(SettingsError, match="duration"):
        run(FakeLink(), FleetPlan(), duration_s=duration_s)


def test_a_fleet_goes_on_where_its_resume_file_says(tmp_path: Path) -> None:
    link, plan = FakeLink(), FleetPlan(pumps=2, failing=0, chaos_pumps=0, interval_s=0.02)
    resume = tmp_path / "fleet.json"

    first = run(link, plan, duration_s=0.2, resume=resume)
    second = run(link, plan, duration_s=0.2, resume=resume)

    numbers = [decode(Telemetry, payload).measurement_id for topic, payload in link.sent if "pump-001" in topic]
    assert numbers == list(range(len(numbers)))
    assert second.window.start_ns == first.window.start_ns
    assert first.published + second.published == len(link.sent)


def test_a_resume_file_of_another_fleet_is_refused(tmp_path: Path) -> None:
    resume = tmp_path / "fleet.json"
    run(FakeLink(), FleetPlan(pumps=2, failing=0, interval_s=0.02), duration_s=0.1, resume=resume)

    with pytest.raises(SettingsError, match=r"fleet\.json"):
        run(FakeLink(), FleetPlan(pumps=3, failing=0, interval_s=0.02), duration_s=0.1, resume=resume)
