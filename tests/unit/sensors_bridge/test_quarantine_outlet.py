"""Replayed is what the broker has acknowledged and handed out, and nothing else."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from queue import SimpleQueue

import pytest

from pdm_platform.contract.errors import BrokerError
from pdm_platform.runtime.mqtt import Message
from sensors_bridge.quarantine_index import Entry
from sensors_bridge.replay import Prepared
from sensors_bridge.replay_outlet import ConfirmedOutlet
from tests.unit.sensors_bridge.quarantine_data import TOPIC, kept, rejection


class FakeBroker:
    """Acknowledges what it is told to, and hands out what `passes` lets through."""

    def __init__(self, *, acknowledges: bool = True, passes: Callable[[bytes], bool] = lambda _payload: True) -> None:
        self.arrived: SimpleQueue[Message] = SimpleQueue()
        self.confirmed: list[bytes] = []
        self.open = False
        self._acknowledges, self._passes = acknowledges, passes

    def start(self) -> None:
        self.open = True

    def wait_ready(self, timeout_s: float) -> None:
        assert timeout_s > 0

    def stop(self) -> None:
        self.open = False

    def publish(self, topic: str, payload: bytes) -> None:
        assert self.open
        if self._passes(payload):
            self.arrived.put(Message(topic, payload, 1, False, False, 1, time.time_ns(), 1))

    def flush(self, timeout_s: float) -> bool:
        assert timeout_s > 0
        return self._acknowledges

    def acknowledge(self, messages: Iterable[Message]) -> None:
        self.confirmed += [message.payload for message in messages]


def outlet_at(broker: FakeBroker) -> ConfirmedOutlet:
    return ConfirmedOutlet(broker, broker.arrived, user="ann", within_s=0.1)


def prepared(folder: Path) -> list[Prepared]:
    def item(entry: Entry) -> Prepared:
        return Prepared(entry, entry.record.payload.encode(), timestamped=False)

    return [item(entry) for entry in kept(folder, rejection(b"1"), rejection(b"2"))]


def test_a_batch_is_at_the_broker_once_it_came_back(tmp_path: Path) -> None:
    broker = FakeBroker()
    broker.arrived.put(Message(TOPIC, b"someone else's", 1, False, False, 1, time.time_ns(), 1))
    outlet = outlet_at(broker)

    outlet.publish(prepared(tmp_path))
    outlet.close()

    assert broker.confirmed == [b"someone else's", b"1", b"2"]
    assert not broker.open


def test_what_is_acknowledged_and_dropped_is_an_error_that_names_the_account(tmp_path: Path) -> None:
    broker = FakeBroker(passes=lambda payload: payload != b"2")

    with pytest.raises(BrokerError, match="acknowledged 1 records and handed them to nobody") as error:
        outlet_at(broker).publish(prepared(tmp_path))

    assert "PDM_MQTT_USERNAME='ann'" in error.value.hint


def test_the_broker_s_kept_copy_of_an_earlier_message_is_no_sign_that_this_one_was_handed_out(tmp_path: Path) -> None:
    broker = FakeBroker(passes=lambda payload: payload != b"2")
    broker.arrived.put(Message(TOPIC, b"2", 1, True, False, 1, time.time_ns(), 1))

    with pytest.raises(BrokerError, match="acknowledged 1 records and handed them to nobody"):
        outlet_at(broker).publish(prepared(tmp_path))


def test_what_is_not_acknowledged_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="did not acknowledge a batch of 2"):
        outlet_at(FakeBroker(acknowledges=False)).publish(prepared(tmp_path))
