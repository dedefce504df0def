"""Where heavy work runs: in this process, in processes beside it, or on a Dask cluster. PDM_COMPUTE says which."""

import importlib
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

from pdm_platform.contract.errors import ProcessError, SettingsError

Item = TypeVar("Item")
Result = TypeVar("Result")

LOCAL: Final = "local"
PROCESSES: Final = "processes"
_DASK: Final = re.compile(r"dask://(?P<address>[^\s:/]+:\d{1,5})")
# Beyond the one that each worker has: what it finds when it is done, while the results before are written.
_WAITING_A_WORKER: Final = 1
_CONNECT_S: Final = 10


class Compute(Protocol):
    """Runs one function over many items. What is in flight is bounded, however many items there are."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """The results in the order of the items, each as soon as it and all before it are there.

        function: importable by name where the work runs. An item is taken only when there is room for it, by the
        thread that takes the results. Raises what the function raises, ProcessError where a worker ended.
        """


def checked(where: str) -> str:
    """`where` itself. Raises SettingsError where it is none of `local`, `processes` and `dask://HOST:PORT`."""
    if where not in (LOCAL, PROCESSES) and not _DASK.fullmatch(where):
        raise SettingsError(
            f"PDM_COMPUTE={where!r} names no place to compute", hint="`local`, `processes` or `dask://HOST:PORT`."
        )
    return where


@contextmanager
def computing(where: str) -> Iterator[Compute]:
    """The place that `where` names, its processes or its connection released afterwards.

    Raises SettingsError for a place that there is not or that is not installed, ProcessError where no cluster answers.
    """
    if checked(where) == LOCAL:
        yield InThisProcess()
    elif where == PROCESSES:
        with _processes() as compute:
            yield compute
    else:
        with _dask(where.removeprefix("dask://")) as compute:
            yield compute


class InThisProcess:
    """One item after the other, with the least memory."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """See Compute.map."""
        return map(function, items)


class _Future(Protocol):
    def result(self) -> Any: ...

    def cancel(self) -> object: ...


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """submit: hands one item to a worker. lost: what says that a worker ended.

    joblib's own `Parallel` hands out an item whenever a worker is free, wanted or not: where the results are written
    more slowly than they are made, they pile up in memory. Here taking a result makes room for the next item.
    """

    submit: Callable[[Callable[[Any], Any], Any], _Future]
    in_flight: int
    lost: type[Exception]

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """See Compute.map."""
        waiting: deque[_Future] = deque()
        try:
            for item in items:
                waiting.append(self.submit(function, item))
                del item  # its place in memory belongs to the worker now
                if len(waiting) == self.in_flight:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except self.lost as error:
            raise ProcessError(
                f"a worker ended in the middle of its work: {error}",
                hint="It may have run out of memory: give it more, or set PDM_COMPUTE=local.",
            ) from error
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def _processes() -> Iterator[Compute]:
    """A process for each core, by joblib's loky: they start fresh, whatever threads this process has."""
    from joblib.externals.loky import ProcessPoolExecutor
    from joblib.externals.loky.process_executor import BrokenProcessPool

    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    executor = ProcessPoolExecutor(max_workers=workers)
    try:
        yield _Elsewhere(executor.submit, workers * (1 + _WAITING_A_WORKER), BrokenProcessPool)
    except BaseException:
        executor.shutdown(kill_workers=True)  # nobody wants what they are at
        raise
    executor.shutdown()


@contextmanager
def _dask(address: str) -> Iterator[Compute]:
    """The workers of the scheduler at `address`, which need the platform installed in the same version."""
    try:
        # an optional dependency, and without types
        distributed: Any = importlib.import_module("distributed")
    except ImportError:
        raise SettingsError(
            f"PDM_COMPUTE=dask://{address} needs Dask, which is not installed",
            hint="pip install 'pdm-platform[cluster]'",
        ) from None
    try:
        client = distributed.Client(f"tcp://{address}", timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError) as error:
        raise ProcessError(
            f"no Dask scheduler answers at {address}: {error}", hint="Is it running, and is PDM_COMPUTE right?"
        ) from error
    with client:
        workers = sum(client.nthreads().values())
        if not workers:
            raise ProcessError(f"the Dask scheduler at {address} has no workers", hint=f"dask worker tcp://{address}")

        def submit(function: Callable[[Any], Any], item: Any) -> Any:
            # sent to a worker first: a task with its data inside would pass through the scheduler
            return client.submit(function, client.scatter(item, hash=False), pure=False)

        yield _Elsewhere(submit, workers * (1 + _WAITING_A_WORKER), distributed.KilledWorker)
