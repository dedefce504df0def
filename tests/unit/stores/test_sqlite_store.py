"""What is particular to the store in a file: its address, its file, its locks."""

import os
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from adbc_driver_sqlite import dbapi

import pdm_platform.stores.sqlite as sqlite_module
from pdm_platform.contract.errors import SettingsError, StoreError
from pdm_platform.contract.measurements import DEVICE, PUMP_PREDICTION, PUMP_TELEMETRY, TIME, Window
from pdm_platform.stores.sqlite import SqliteStore
from pdm_platform.stores.telemetry import open_store

ALL_TIME = Window(0, 2**63 - 1)


def readings(count: int, device_id: str = "p1") -> pa.Table:
    return pa.Table.from_pylist(
        [{DEVICE: device_id, TIME: time_ns} for time_ns in range(count)], schema=PUMP_TELEMETRY.schema
    )


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("mysql://host/db", "'mysql'"),
        ("telemetry.sqlite", "'telemetry.sqlite'"),
        ("sqlite://folder/file", "sqlite:///"),
        ("sqlite:///", "sqlite:///"),
    ],
)
def test_a_url_that_names_no_known_store_is_refused_by_name(url: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        open_store(url)


def test_a_relative_url_is_below_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    open_store("sqlite:///relative.sqlite").close()

    assert (tmp_path / "relative.sqlite").is_file()


def test_a_path_with_url_characters_is_taken_literally(tmp_path: Path) -> None:
    folder = tmp_path / "plant #1 50%20?"
    folder.mkdir()

    open_store(f"sqlite:///{folder}/t.sqlite").close()

    assert (folder / "t.sqlite").is_file()


def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"missing.*folder does not exist"):
        SqliteStore(tmp_path / "missing" / "t.sqlite")

    assert not (tmp_path / "missing").exists()


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="it is a folder") as caught:
        SqliteStore(tmp_path)

    assert str(tmp_path) in caught.value.what


def test_a_file_that_is_no_store_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, " * 100)

    with pytest.raises(StoreError, match="not a database") as caught:
        SqliteStore(path)

    assert str(path) in caught.value.what
    assert path.read_text() == "not a database, " * 100


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("mode", [0o000, 0o444])
def test_a_file_that_may_not_be_read_and_written_is_named_with_what_to_do(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "t.sqlite"
    SqliteStore(path).close()
    path.chmod(mode)

    with pytest.raises(StoreError, match="may not read and write it") as caught:
        SqliteStore(path)

    assert str(path) in caught.value.what
    assert "owner or mode" in caught.value.hint


def test_a_store_made_with_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    with dbapi.connect(str(path), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE pump_telemetry (device_id TEXT, time_ns INTEGER)")

    with pytest.raises(StoreError, match="pump_telemetry has the columns"):
        SqliteStore(path)


def made_by(path: Path, columns: str) -> None:
    """A file whose table of predictions is that of another release."""
    with dbapi.connect(str(path), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TABLE pump_prediction (device_id TEXT NOT NULL, time_ns INTEGER NOT NULL, {columns},"
            " PRIMARY KEY (time_ns, device_id)) STRICT, WITHOUT ROWID"
        )
        cursor.execute("INSERT INTO pump_prediction (device_id, time_ns, state) VALUES ('p1', 1, 'WARNING')")


def test_a_file_of_an_older_release_gets_the_columns_it_lacks_and_keeps_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    made_by(path, "model_version TEXT, state TEXT, rul_hours REAL")
    told = {DEVICE: "p1", TIME: 2, "state": "FAULTY", "failure_mode": "cavitation", "rul_lower_hours": 0.5, "novel": 1}

    SqliteStore(path).close()  # that a file is completed once must not matter to the next who opens it
    store = SqliteStore(path)
    store.write(PUMP_PREDICTION, pa.Table.from_pylist([told], schema=PUMP_PREDICTION.schema))

    empty = dict.fromkeys(PUMP_PREDICTION.schema.names)
    assert store.read(PUMP_PREDICTION, ALL_TIME).to_pylist() == [
        {**empty, DEVICE: "p1", TIME: 1, "state": "WARNING"},
        {**empty, **told},
    ]


@pytest.mark.parametrize(
    "columns",
    ["state TEXT, rul_hours TEXT", "state TEXT, humidity REAL"],
    ids=["another type", "a column of a later release"],
)
def test_a_file_that_no_older_release_made_is_refused_and_left_as_it_is(tmp_path: Path, columns: str) -> None:
    path = tmp_path / "t.sqlite"
    made_by(path, columns)

    with pytest.raises(StoreError, match="pump_prediction has the columns"):
        SqliteStore(path)

    with dbapi.connect(str(path), autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pragma_table_info('pump_prediction')")
        assert cursor.fetchall() == [(4,)]


@pytest.mark.skipif(os.name == "nt", reason="Windows does not delete a file that is open")
@pytest.mark.parametrize("replaced", [False, True])
def test_a_file_that_was_removed_under_an_open_store_is_not_written_into(tmp_path: Path, replaced: bool) -> None:
    path = tmp_path / "t.sqlite"
    store = SqliteStore(path)
    path.rename(tmp_path / "moved.sqlite")  # kept, so that a new file cannot be given the same number
    if replaced:
        path.touch()

    with pytest.raises(StoreError, match=r"t\.sqlite"):
        store.write(PUMP_TELEMETRY, readings(1))


def test_a_closed_store_closes_again_and_refuses_the_rest(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.sqlite")
    store.close()
    store.close()

    with pytest.raises(StoreError, match=r"t\.sqlite"):
        store.count(PUMP_TELEMETRY, ALL_TIME)


def test_a_lock_that_never_ends_is_an_error_that_says_so_and_the_store_works_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_module, "_PRAGMAS", ("busy_timeout=50", *sqlite_module._PRAGMAS[1:]))
    path = tmp_path / "t.sqlite"
    store = SqliteStore(path)
    with dbapi.connect(str(path), autocommit=True) as other, other.cursor() as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.write(PUMP_TELEMETRY, readings(1))
        assert store.count(PUMP_TELEMETRY, ALL_TIME) == 0
        cursor.execute("ROLLBACK")

    store.write(PUMP_TELEMETRY, readings(1))

    assert store.count(PUMP_TELEMETRY, ALL_TIME) == 1


def test_a_write_that_fails_midway_stores_nothing_and_the_next_works(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    store = SqliteStore(path)
    with dbapi.connect(str(path), autocommit=True) as other, other.cursor() as cursor:
        cursor.execute(
            "CREATE TRIGGER full BEFORE INSERT ON pump_telemetry WHEN NEW.time_ns = 70 "
            "BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
        )

    with pytest.raises(StoreError, match="disk is full"):
        store.write(PUMP_TELEMETRY, readings(100))
    store.write(PUMP_TELEMETRY, readings(60))

    assert store.count(PUMP_TELEMETRY, ALL_TIME) == 60


def test_threads_share_one_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.sqlite")
    failures: list[BaseException] = []

    def write_and_read(device_id: str) -> None:
        try:
            for _ in range(10):
                store.write(PUMP_TELEMETRY, readings(50, device_id))
                assert store.read(PUMP_TELEMETRY, ALL_TIME, devices=[device_id]).num_rows == 50
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write_and_read, args=(f"p{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert store.count(PUMP_TELEMETRY, ALL_TIME) == 200


def test_every_commit_is_forced_to_disk(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "t.sqlite")

    with store._cursor("read") as cursor:
        cursor.execute("SELECT journal_mode, synchronous FROM pragma_journal_mode, pragma_synchronous")
        modes = cursor.fetchall()

    assert modes == [("wal", 2)], "synchronous must be 2 (FULL): a power cut must not lose what was acknowledged"
