"""Where heavy work runs: the same results in the same order everywhere, and never more in flight than there is room."""

import importlib
import os
import socket
import sys
import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from pdm_platform.contract.errors import ProcessError, SettingsError
from pdm_platform.runtime.compute import Compute, checked, computing

ITEMS = 12


def squared(table: pa.Table) -> pa.Table:
    """A table's work, importable where it is done."""
    return pa.table({"value": [value**2 for value in table["value"].to_pylist()], "pid": [os.getpid()]})


def refuse(table: pa.Table) -> pa.Table:
    raise ValueError(f"no work for {table['value'][0]}")


def die(_table: pa.Table) -> pa.Table:
    os._exit(3)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A real Dask cluster on this machine, its workers in processes of their own."""
    dask, distributed = (importlib.import_module(name) for name in ("dask", "distributed"))  # they have no types

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
        ) as running,
    ):
        yield running.scheduler_address.replace("tcp://", "dask://")


@pytest.fixture(params=["local", "processes", "dask"])
def where(request: pytest.FixtureRequest) -> str:
    if request.param == "dask":
        return str(request.getfixturevalue("cluster"))
    return str(request.param)


@pytest.fixture
def compute(where: str) -> Iterator[Compute]:
    with computing(where) as opened:
        yield opened


def tables(count: int = ITEMS) -> Iterator[pa.Table]:
    return (pa.table({"value": [float(number)]}) for number in range(count))


def test_results_come_in_the_order_of_the_items(compute: Compute) -> None:
    found = [table["value"][0].as_py() for table in compute.map(squared, tables())]

    assert found == [float(number) ** 2 for number in range(ITEMS)]


def test_no_items_give_no_results(compute: Compute) -> None:
    assert list(compute.map(squared, tables(0))) == []


def test_what_the_function_raises_comes_through(compute: Compute) -> None:
    with pytest.raises(ValueError, match=r"no work for 0\.0"):
        list(compute.map(refuse, tables()))


def test_items_are_taken_only_while_there_is_room_and_by_the_thread_that_takes_results(compute: Compute) -> None:
    taken: list[int] = []

    def counted() -> Iterator[pa.Table]:
        for table in tables(100):
            taken.append(threading.get_ident())
            yield table

    results = compute.map(squared, counted())
    next(iter(results))

    assert len(taken) <= 2 * (os.cpu_count() or 1) + 2
    assert set(taken) == {threading.get_ident()}


@pytest.mark.parametrize("where", ["processes", "dask"], indirect=True)
def test_the_work_is_done_in_other_processes(compute: Compute) -> None:
    assert os.getpid() not in {table["pid"][0].as_py() for table in compute.map(squared, tables())}


def test_local_work_is_done_in_this_process() -> None:
    with computing("local") as compute:
        (result,) = compute.map(squared, tables(1))

    assert result["pid"][0].as_py() == os.getpid()


@pytest.mark.parametrize("where", ["processes", "dask"], indirect=True)
def test_a_worker_that_ends_is_told_and_not_waited_for(compute: Compute) -> None:
    with pytest.raises(ProcessError, match="a worker ended"):
        list(compute.map(die, tables(1)))


def test_a_cluster_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdm_platform.runtime.compute._CONNECT_S", 1)
    with socket.socket() as listening_to_nobody:
        listening_to_nobody.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{listening_to_nobody.getsockname()[1]}"

        with (
            pytest.raises(ProcessError, match=f"no Dask scheduler answers at {address}"),
            computing(f"dask://{address}"),
        ):
            pass


def test_without_dask_installed_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)

    with pytest.raises(SettingsError) as error, computing("dask://127.0.0.1:1"):
        pass

    assert "pdm-platform[cluster]" in error.value.hint


@pytest.mark.parametrize("where", ["", "spark", "dask://", "dask://host", "dask://host:port", "dask://host:1/x"])
def test_a_place_that_there_is_not_is_refused_by_name(where: str) -> None:
    with pytest.raises(SettingsError, match="PDM_COMPUTE="):
        checked(where)
