"""Faults made to happen: each in a thread of its own, never two at once to the same part of the plant."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Final

from tests.chaos.faults import BROKER_KILLS, EVERYWHERE, Fault, What
from tests.chaos.parts import Server, SqliteFile
from tests.chaos.plant import Plant
from tests.chaos.verdict import Struck

# In which order a fault takes hold of the parts it happens to.
_PARTS: Final = ("publishers", "broker", "bridge", "store")
TAKEN_OF: Final[Mapping[What, tuple[str, ...]]] = {
    # What is lost by it shall be told from what a bridge loses that is killed, or cannot write, just then.
    What.KILL_BROKER: ("broker", "bridge", "store"),
    What.KILL_BROKER_ALONE: ("broker", "bridge", "store"),
    What.FREEZE_BROKER: ("broker",),
    What.RESTART_BROKER: ("broker",),
    What.KILL_BRIDGE: ("bridge",),
    What.KILL_BRIDGE_UNSEEN: ("publishers", "bridge"),
    What.FREEZE_BRIDGE: ("bridge",),
    What.RESTART_BRIDGE: ("bridge",),
    What.CUT_PUBLISHERS: ("publishers",),
    What.CUT_BRIDGE: ("bridge",),
    What.CUT_STORE: ("store",),
    What.KILL_STORE: ("store",),
    What.FREEZE_STORE: ("store",),
    What.LOCK_STORE: ("store",),
    What.FILL_DISK: ("store",),
}
# Within this a bridge has stored what it had taken when its broker was killed.
_STORED_AFTER_S: Final = 2.0


def kinds_of(plant: Plant) -> list[What]:
    """The faults that can be made to happen here."""
    store = plant.store
    if isinstance(store, SqliteFile):
        return [*EVERYWHERE, What.LOCK_STORE, *([What.FILL_DISK] if store.disk else [])]
    return [*EVERYWHERE, What.CUT_STORE, What.KILL_STORE, What.FREEZE_STORE]


class Strikes:
    """Makes faults happen to a plant, and keeps what happened when."""

    def __init__(self, plant: Plant) -> None:
        self._plant = plant
        self._parts = {part: threading.Lock() for part in _PARTS}
        self._threads: list[threading.Thread] = []
        self.done: list[Struck] = []
        self.failures: list[str] = []

    def begin(self, fault: Fault) -> None:
        """Have it happen, once the parts are free that it happens to."""
        thread = threading.Thread(target=self._strike, args=(fault,), name=fault.what)
        self._threads.append(thread)
        thread.start()

    @property
    def under_way(self) -> int:
        """Faults that have begun, or wait for another to end."""
        return sum(thread.is_alive() for thread in self._threads)

    def join(self) -> None:
        """Wait until all are over. Fails where one could not be made to happen or did not end."""
        for thread in self._threads:
            thread.join()
        assert not self.failures, "; ".join(self.failures)

    def _strike(self, fault: Fault) -> None:
        with ExitStack() as stack:
            for part in TAKEN_OF[fault.what]:
                stack.enter_context(self._parts[part])
            try:
                self.done.append(self._happen(fault))
            except Exception as error:
                self.failures.append(f"{fault}: {type(error).__name__}: {error}")

    def _happen(self, fault: Fault) -> Struck:
        began_s = time.monotonic()
        handed_over = b""
        if fault.what in BROKER_KILLS:
            began_s, handed_over = self._kill_broker(fault)
        else:
            ACTIONS[fault.what](self._plant, fault.for_s)
        ended_s = time.monotonic()
        if fault.what in BROKER_KILLS:
            time.sleep(_STORED_AFTER_S)
        return Struck(fault, began_s, ended_s, handed_over)

    def _kill_broker(self, fault: Fault) -> tuple[float, bytes]:
        """When it was killed, and what a bridge that was there and stays there had been handed over."""
        plant = self._plant
        alone = fault.what is What.KILL_BROKER_ALONE
        if alone:
            plant.bridge.stop()
            time.sleep(fault.for_s)
        began_s = time.monotonic()
        plant.broker.kill()
        # a bridge that has ended keeps nothing that it did not acknowledge: that is the broker's again
        handed_over = b"" if alone else plant.bridge_link.handed_over()
        if not alone:
            time.sleep(fault.for_s)
        plant.broker.start()
        if alone:
            plant.bridge.start()
        return began_s, handed_over


def _killed(server: Server, for_s: float) -> None:
    server.kill()
    time.sleep(for_s)
    server.start()


def _restarted(server: Server, for_s: float) -> None:
    server.stop()
    time.sleep(for_s)
    server.start()


def _while(state: AbstractContextManager[None], for_s: float) -> None:
    with state:
        time.sleep(for_s)


def _file(plant: Plant) -> SqliteFile:
    assert isinstance(plant.store, SqliteFile)
    return plant.store


def _store_server(plant: Plant) -> Server:
    assert not isinstance(plant.store, SqliteFile)
    return plant.store


def _cut_store(plant: Plant, for_s: float) -> None:
    assert plant.store_link is not None
    _while(plant.store_link.cut(), for_s)


def _kill_bridge_unseen(plant: Plant, for_s: float) -> None:
    """What the publishers send again afterwards the bridge has stored, but the next bridge has not seen."""
    with plant.publishers_link.cut():
        time.sleep(_STORED_AFTER_S)
        _killed(plant.bridge, for_s)


ACTIONS: Final[Mapping[What, Callable[[Plant, float], None]]] = {
    What.FREEZE_BROKER: lambda plant, for_s: _while(plant.broker.frozen(), for_s),
    What.RESTART_BROKER: lambda plant, for_s: _restarted(plant.broker, for_s),
    What.KILL_BRIDGE: lambda plant, for_s: _killed(plant.bridge, for_s),
    What.KILL_BRIDGE_UNSEEN: _kill_bridge_unseen,
    What.FREEZE_BRIDGE: lambda plant, for_s: _while(plant.bridge.frozen(), for_s),
    What.RESTART_BRIDGE: lambda plant, for_s: _restarted(plant.bridge, for_s),
    What.CUT_PUBLISHERS: lambda plant, for_s: _while(plant.publishers_link.cut(), for_s),
    What.CUT_BRIDGE: lambda plant, for_s: _while(plant.bridge_link.cut(), for_s),
    What.CUT_STORE: _cut_store,
    What.KILL_STORE: lambda plant, for_s: _killed(_store_server(plant), for_s),
    What.FREEZE_STORE: lambda plant, for_s: _while(_store_server(plant).frozen(), for_s),
    What.LOCK_STORE: lambda plant, for_s: _while(_file(plant).locked(), for_s),
    What.FILL_DISK: lambda plant, for_s: _while(_file(plant).full(), for_s),
}
