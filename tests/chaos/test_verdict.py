"""A verdict that cannot fail would be worth nothing: what is lost or doubled is found, and only that."""

import pyarrow as pa
import pytest

from tests.chaos.faults import Fault, What
from tests.chaos.ledger import DEVICES, Ledger, device_id, mark
from tests.chaos.verdict import Struck, judge

PER_DEVICE = 5
Reading = tuple[int, int]


def acknowledged_ledger() -> Ledger:
    """All were sent; number n of each device was acknowledged at 10 n seconds."""
    ledger = Ledger(PER_DEVICE)
    ledger.sent[:] = True
    for number in range(PER_DEVICE):
        ledger.acknowledged_s[:, number] = 10.0 * number
    return ledger


def rows(*, without: tuple[Reading, ...] = (), besides: tuple[Reading, ...] = ()) -> pa.Table:
    """What a store has that took every reading once, but for these."""
    every = [(device, number) for device in range(DEVICES) for number in range(PER_DEVICE)]
    kept = [reading for reading in every if reading not in without] + list(besides)
    return pa.table(
        {
            "device_id": [device_id(device) for device, _ in kept],
            "measurement_id": pa.array([number for _, number in kept], pa.int64()),
        }
    )


def struck(what: What, began_s: float, handed_over: bytes = b"") -> Struck:
    return Struck(Fault(int(began_s), what, 0, 1.0), began_s, began_s + 2.0, handed_over)


def test_all_that_was_acknowledged_stored_once_is_good() -> None:
    verdict = judge(acknowledged_ledger(), rows(), [struck(What.KILL_BROKER, 15.0)])

    assert verdict.good
    assert (verdict.sent, verdict.acknowledged, verdict.stored) == (1_000, 1_000, 1_000)


def test_a_lost_reading_fails_and_is_told_with_the_fault_before_it() -> None:
    strikes = [struck(What.KILL_BRIDGE, 5.0), struck(What.LOCK_STORE, 25.0), struck(What.CUT_BRIDGE, 35.0)]

    verdict = judge(acknowledged_ledger(), rows(without=((7, 3),)), strikes)

    assert not verdict.good
    (finding,) = verdict.lost
    assert (finding.device, finding.number, finding.copies) == (7, 3, 0)
    assert finding.nearest == strikes[1].fault
    assert any("pump-007 number 3: lost" in line and "store locked" in line for line in verdict.lines())


def test_a_doubled_reading_fails_and_is_told() -> None:
    verdict = judge(acknowledged_ledger(), rows(besides=((7, 3),)), [struck(What.KILL_BRIDGE, 5.0)])

    assert not verdict.good
    assert [(finding.device, finding.number, finding.copies) for finding in verdict.doubled] == [(7, 3, 2)]
    assert "VERDICT: FAILED" in list(verdict.lines())


def test_one_lost_and_another_doubled_do_not_make_up_for_each_other() -> None:
    verdict = judge(acknowledged_ledger(), rows(without=((1, 1),), besides=((2, 2),)), [])

    assert verdict.stored == verdict.acknowledged
    assert (len(verdict.lost), len(verdict.doubled), verdict.good) == (1, 1, False)


@pytest.mark.parametrize("stranger", [(DEVICES, 0), (0, PER_DEVICE)], ids=["device", "number"])
def test_a_reading_that_nobody_sent_fails(stranger: Reading) -> None:
    verdict = judge(acknowledged_ledger(), rows(besides=(stranger,)), [])

    assert (verdict.strangers, verdict.good) == (1, False)


@pytest.mark.parametrize("without", [(), ((4, 4),)], ids=["stored", "not stored"])
def test_a_reading_sent_but_never_acknowledged_may_be_there_or_not(without: tuple[Reading, ...]) -> None:
    ledger = acknowledged_ledger()
    ledger.acknowledged_s[4, 4] = float("nan")

    assert judge(ledger, rows(without=without), []).good


def test_a_run_without_any_acknowledgement_is_not_good() -> None:
    assert not judge(Ledger(PER_DEVICE), rows().slice(0, 0), []).good


# -- a broker that saves now and then


def test_a_kill_explains_what_was_acknowledged_since_the_last_save_and_it_is_counted_apart() -> None:
    verdict = judge(
        acknowledged_ledger(), rows(without=((7, 3), (8, 3))), [struck(What.KILL_BROKER, 32.0)], saves_every_s=11.0
    )

    assert verdict.good
    assert [(toll.lost, toll.oldest_s) for toll in verdict.tolls] == [(2, 2.0)]


@pytest.mark.parametrize(
    ("what", "began_s", "handed_over"),
    [
        (What.KILL_BROKER, 45.0, b""),
        (What.KILL_BROKER, 25.0, b""),
        (What.RESTART_BROKER, 32.0, b""),
        (What.KILL_BRIDGE, 32.0, b""),
        (What.KILL_BROKER, 32.0, f"...{mark(7, 3)},...".encode()),
    ],
    ids=["saved before", "acknowledged afterwards", "restarted", "not the broker", "handed to the bridge"],
)
def test_a_kill_explains_nothing_else(what: What, began_s: float, handed_over: bytes) -> None:
    verdict = judge(
        acknowledged_ledger(), rows(without=((7, 3),)), [struck(what, began_s, handed_over)], saves_every_s=11.0
    )

    assert not verdict.good
    assert len(verdict.lost) == 1


def test_a_number_that_begins_like_a_lost_one_does_not_pass_for_it() -> None:
    handed_over = f"...{mark(7, 31)},...".encode()

    verdict = judge(
        acknowledged_ledger(),
        rows(without=((7, 3),)),
        [struck(What.KILL_BROKER, 32.0, handed_over)],
        saves_every_s=11.0,
    )

    assert verdict.good
