"""Work in processes beside this one, whose results come back through shared memory, in order.

Threads do not do: a block is some hundred short calls of numpy, and after each a thread waits for Python's lock. A pipe
does not do either: it would copy every result four times, in pieces of 64 KiB.
"""

import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.shared_memory import SharedMemory
from typing import Any, ClassVar, Final, TypeVar

import numpy as np

Item = TypeVar("Item")
Result = TypeVar("Result")
# for each worker: what it is at, and what waits to be fetched or to be begun
_SLOTS_A_WORKER: Final = 2
_SLOT_BYTES: Final = 8 * 2**20
_KEEP_BYTES: Final = 24 * 2**20


def keep_memory() -> None:
    """Make the C library keep freed memory instead of giving it back to the system and faulting it in again.

    It does so once a large piece was freed. Otherwise that costs as much as the arithmetic.
    """
    np.empty(_KEEP_BYTES, dtype=np.uint8)


def in_order(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """`work` done on each item, in the order of the items, at most two for each worker at a time.

    workers: processes, 1 for none but this one. With more, work and items are pickled, and a script that is run as such
    needs its `if __name__ == "__main__":`, because each process imports it.
    """
    keep_memory()
    if workers == 1:
        yield from map(work, items)
        return
    slots = _SLOTS_A_WORKER * workers
    with _shared(slots * _SLOT_BYTES) as memory, _pool(workers, work, memory) as pool:
        running: deque[tuple[int, Future[_Parcel]]] = deque()
        for number, item in enumerate(items):
            if number >= slots:
                yield _next(memory, running)
            running.append((number % slots, pool.submit(_Worker.do, item, number % slots)))
        while running:
            yield _next(memory, running)


@dataclass(frozen=True, slots=True)
class _Parcel:
    """A pickled result. buffers: size in bytes of each array that lies in the slot instead, and whether it is const."""

    pickled: bytes
    buffers: list[tuple[int, bool]] = field(default_factory=list)

    @classmethod
    def of(cls, result: Any, slot: memoryview) -> "_Parcel":
        """Pickled with its arrays in the slot, or, if they do not fit, as a whole."""
        found: list[pickle.PickleBuffer] = []
        whole = pickle.PickleBuffer(result) if isinstance(result, bytes) else result
        pickled = pickle.dumps(whole, protocol=5, buffer_callback=found.append)
        views = [buffer.raw() for buffer in found]
        if sum(view.nbytes for view in views) > len(slot):
            return cls(pickle.dumps(result, protocol=5))
        at = 0
        for view in views:
            slot[at : at + view.nbytes] = view
            at += view.nbytes
        return cls(pickled, [(view.nbytes, view.readonly) for view in views])

    def opened(self, slot: memoryview) -> Any:
        """The result, with copies of its own of the arrays in the slot."""
        copies: list[bytes | bytearray] = []
        at = 0
        for size, constant in self.buffers:
            view = slot[at : at + size]
            copies.append(bytes(view) if constant else bytearray(view))
            at += size
        return pickle.loads(self.pickled, buffers=copies)


class _Worker:
    """What a worker process has, one for all its items."""

    work: ClassVar[Callable[[Any], Any]]
    memory: ClassVar[SharedMemory]

    @classmethod
    def begin(cls, work: Callable[[Any], Any], name: str) -> None:
        # Ctrl+C reaches all processes of a terminal; the first one ends the others
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        keep_memory()
        cls.work, cls.memory = staticmethod(work), SharedMemory(name)

    @classmethod
    def do(cls, item: Any, slot: int) -> _Parcel:
        return _Parcel.of(cls.work(item), _slot(cls.memory, slot))


def _next(memory: SharedMemory, running: deque[tuple[int, Future[_Parcel]]]) -> Any:
    slot, future = running.popleft()
    return future.result().opened(_slot(memory, slot))


def _slot(memory: SharedMemory, number: int) -> memoryview:
    assert memory.buf is not None
    return memory.buf[number * _SLOT_BYTES : (number + 1) * _SLOT_BYTES]


@contextmanager
def _shared(size: int) -> Iterator[SharedMemory]:
    memory = SharedMemory(create=True, size=size)
    try:
        yield memory
    finally:
        memory.close()
        memory.unlink()


@contextmanager
def _pool(workers: int, work: Callable[[Any], Any], memory: SharedMemory) -> Iterator[ProcessPoolExecutor]:
    # a fork of this process would copy locks that its threads hold
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["simulators.bulk"])
    pool = ProcessPoolExecutor(workers, context, _Worker.begin, (work, memory.name))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
