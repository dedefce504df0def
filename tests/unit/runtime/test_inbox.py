"""The inbox is bounded, hands over in order, and lets everyone go when it closes."""

import threading
import time

import pytest

from pdm_platform.runtime.inbox import Inbox
from pdm_platform.runtime.mqtt import Message


def message(mid: int, received_ns: int = 0) -> Message:
    return Message("t", b"", 1, False, False, mid, received_ns or time.time_ns(), 1)


def mids(batch: list[Message]) -> list[int]:
    return [item.mid for item in batch]


def put_all(inbox: Inbox, *numbers: int) -> None:
    for mid in numbers:
        inbox.put(message(mid))


def in_thread(work: threading.Thread) -> threading.Thread:
    work.daemon = True
    work.start()
    return work


def test_messages_come_out_in_order_and_no_more_than_asked_for() -> None:
    inbox = Inbox(10)
    for mid in range(5):
        inbox.put(message(mid))

    assert mids(inbox.take(3, 0.0)) == [0, 1, 2]
    assert mids(inbox.take(3, 0.0)) == [3, 4]
    assert len(inbox) == 0


def test_an_empty_inbox_gives_nothing_after_the_wait() -> None:
    began_s = time.monotonic()

    assert Inbox(1).take(10, 0.05) == []
    assert 0.04 < time.monotonic() - began_s < 1.0


def test_a_waiting_taker_gets_the_first_message_at_once() -> None:
    inbox = Inbox(1)
    threading.Timer(0.05, inbox.put, [message(1)]).start()
    began_s = time.monotonic()

    assert mids(inbox.take(10, 10.0)) == [1]
    assert time.monotonic() - began_s < 5.0


def test_lingering_fills_the_batch_but_not_beyond_its_size() -> None:
    inbox = Inbox(10)
    inbox.put(message(0))
    later = [threading.Timer(0.02 * mid, inbox.put, [message(mid)]) for mid in (1, 2, 3)]
    for timer in later:
        timer.start()

    batch = inbox.take(3, 1.0, linger_s=10.0)
    later[-1].join()

    assert mids(batch) == [0, 1, 2]
    assert mids(inbox.take(3, 0.0)) == [3]


def test_a_full_inbox_holds_back_who_puts_until_there_is_room() -> None:
    inbox = Inbox(2)
    putting = in_thread(threading.Thread(target=put_all, args=(inbox, 0, 1, 2, 3)))
    putting.join(0.1)

    held_back = putting.is_alive()
    waiting = len(inbox)
    taken = mids(inbox.take(10, 1.0))
    putting.join(5.0)

    assert (held_back, waiting) == (True, 2)
    assert taken + mids(inbox.take(10, 1.0)) == [0, 1, 2, 3]
    assert not putting.is_alive()


def test_closing_lets_a_waiting_putter_go_and_drops_its_message() -> None:
    inbox = Inbox(1)
    inbox.put(message(1))
    putting = in_thread(threading.Thread(target=inbox.put, args=(message(2),)))
    putting.join(0.05)

    inbox.close()
    putting.join(5.0)

    assert not putting.is_alive()
    assert mids(inbox.take(10, 0.0)) == [1]
    assert inbox.take(10, 0.0) == []


def test_closing_lets_a_waiting_taker_go() -> None:
    inbox = Inbox(1)
    threading.Timer(0.05, inbox.close).start()
    began_s = time.monotonic()

    assert inbox.take(10, 30.0) == []
    assert time.monotonic() - began_s < 5.0


def test_the_age_is_that_of_the_oldest_message() -> None:
    inbox = Inbox(2)
    empty_s = inbox.oldest_age_s()
    inbox.put(message(1, received_ns=time.time_ns() - 3 * 10**9))
    inbox.put(message(2))

    assert empty_s == 0.0
    assert inbox.oldest_age_s() == pytest.approx(3.0, abs=1.0)


def test_many_putters_and_one_taker_lose_nothing() -> None:
    inbox = Inbox(7)
    taken: list[int] = []
    putters = [
        in_thread(threading.Thread(target=put_all, args=(inbox, *range(first, first + 200))))
        for first in range(0, 4_000, 1_000)
    ]
    while len(taken) < 800:
        batch = inbox.take(5, 5.0)
        assert batch
        taken += mids(batch)

    for putter in putters:
        putter.join(5.0)
    assert sorted(taken) == sorted(number * 1_000 + k for number in range(4) for k in range(200))
    assert all(sorted(found) == found for found in ([mid for mid in taken if mid // 1_000 == n] for n in range(4)))
