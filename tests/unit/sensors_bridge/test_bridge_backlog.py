"""What waits at the broker is estimated, and told well before the broker is full."""

import logging

import pytest

from sensors_bridge.backlog import Backlog


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


def kept_up(clock: Clock, room: int, per_s: int, seconds: int = 60) -> Backlog:
    backlog = Backlog(room, clock)
    for _ in range(seconds):
        clock.now_s += 1.0
        backlog.took(per_s, all_of_them=True)
    return backlog


def test_nothing_waits_while_the_bridge_keeps_up() -> None:
    backlog = kept_up(Clock(), 10_000, 100)

    assert backlog.messages == 0
    assert backlog.fault() is None


def test_a_store_that_stands_still_lets_messages_pile_up_at_the_usual_rate() -> None:
    clock = Clock()
    backlog = kept_up(clock, 10_000, 100)

    clock.now_s += 30.0

    assert backlog.messages == pytest.approx(3_000)
    assert (
        backlog.fault()
        == "about 3,000 messages wait at the broker, which keeps 10,000; at 100 a second it is full in 1 min"
    )


def test_what_is_taken_meanwhile_does_not_wait_any_more() -> None:
    clock = Clock()
    backlog = kept_up(clock, 10_000, 100)
    clock.now_s += 30.0

    backlog.took(2_500, all_of_them=False)

    assert backlog.messages == pytest.approx(500)


def test_the_warning_comes_once_and_so_does_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    backlog = kept_up(clock, 1_000, 100)
    clock.now_s += 5.0

    backlog.fault()
    backlog.fault()
    backlog.took(500, all_of_them=True)
    backlog.fault()

    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_burst_after_a_long_calm_does_not_pass_for_what_always_comes() -> None:
    clock = Clock()
    backlog = kept_up(clock, 1_000_000, 10, seconds=300)

    clock.now_s += 1.0
    backlog.took(10_000, all_of_them=True)
    clock.now_s += 10.0

    assert 100 < backlog.messages < 1_000
