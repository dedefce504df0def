"""The lake: what each asset made, one folder a window. A rerun replaces the same window."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock

from pdm_platform.contract.errors import LakeError
from pdm_platform.contract.measurements import Window
from pdm_platform.stores.files import read_regular, replace_file, sha256_of, to_json

JSON: TypeAlias = str | int | float | bool | Sequence["JSON"] | Mapping[str, "JSON"] | None
LOCK_TIMEOUT_S = 60
_NAME = re.compile(r"[a-z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class Artifact:
    """What an asset stored for one window.

    path: the Parquet file, or the window's folder where there are no rows.
    sha256: of the Parquet file, or of the facts where there are no rows.
    """

    name: str
    window: Window
    path: Path
    rows: int
    sha256: str
    facts: dict[str, JSON]


class _Record(msgspec.Struct, frozen=True):
    """`current.json`. `file` is '' for an artifact without rows; paths are left out so that a lake can be moved."""

    name: str
    start_ns: int
    end_ns: int
    file: str
    rows: int
    sha256: str
    facts: dict[str, Any]


class Lake:
    """Artifacts below one folder: `{name}/current.json` and `{name}/{start_ns}_{end_ns}/rows-{hash}.parquet`."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()

    def write(self, name: str, table: pa.Table, window: Window, **facts: JSON) -> Artifact:
        """Store the table as Parquet, replacing what this window had, and make it current. Raises LakeError.

        What was current stays readable until the new table is whole: the file is named by its content.
        """
        buffer = pa.BufferOutputStream()
        pq.write_table(table, buffer, compression="zstd")
        data = buffer.getvalue().to_pybytes()
        sha256 = sha256_of(data)
        record = _Record(
            name, window.start_ns, window.end_ns, f"rows-{sha256[:16]}.parquet", table.num_rows, sha256, facts
        )
        return self._store(record, data)

    def write_facts(self, name: str, window: Window, **facts: JSON) -> Artifact:
        """Store an artifact that has facts only, and make it current. Raises LakeError."""
        record = _Record(name, window.start_ns, window.end_ns, "", 0, sha256_of(to_json(facts)), facts)
        return self._store(record, None)

    def folder(self, name: str, window: Window) -> Path:
        """The folder of one window, made where missing: reports lie here, beside the rows. Raises LakeError."""
        folder = self._window_folder(name, window)
        with _failure_named("make", folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder

    def current(self, name: str) -> Artifact:
        """What was stored last under this name. Raises LakeError where there is nothing or it cannot be read."""
        path = self._named(name) / "current.json"
        with _failure_named("read", path):
            try:
                return self._artifact(msgspec.json.decode(read_regular(path), type=_Record))
            except FileNotFoundError:
                raise LakeError(f"there is no {name!r} yet", hint=f"materialise {name!r} first") from None

    def read(self, artifact: Artifact) -> pa.Table:
        """The rows, once their hash is checked. Raises LakeError where they are gone or not what was stored."""
        hint = f"materialise {artifact.name!r} again"
        if artifact.path.is_dir():
            raise LakeError(f"{artifact.name!r} has facts but no rows ({str(artifact.path)!r})")
        with _failure_named("read", artifact.path, hint):
            data = read_regular(artifact.path)
        if sha256_of(data) != artifact.sha256:
            raise LakeError(f"{str(artifact.path)!r} is not what was stored: its SHA-256 differs", hint=hint)
        return pq.read_table(pa.BufferReader(data))

    def _named(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise LakeError(f"artifact name {name!r} does not match {_NAME.pattern}")
        return self._root / name

    def _window_folder(self, name: str, window: Window) -> Path:
        return self._named(name) / f"{window.start_ns}_{window.end_ns}"

    def _store(self, record: _Record, data: bytes | None) -> Artifact:
        folder = self.folder(record.name, Window(record.start_ns, record.end_ns))
        current = folder.parent / "current.json"
        # two runs at once would clear away each other's rows
        with _failure_named("write", current), FileLock(folder.parent / ".lock", timeout=LOCK_TIMEOUT_S):
            if data is not None:
                replace_file(folder / record.file, data)
            replace_file(current, to_json(record))
            for replaced in folder.glob("rows-*.parquet"):
                if replaced.name != record.file:
                    replaced.unlink()
            return self._artifact(msgspec.json.decode(read_regular(current), type=_Record))

    def _artifact(self, record: _Record) -> Artifact:
        window = Window(record.start_ns, record.end_ns)
        path = self._window_folder(record.name, window) / record.file
        return Artifact(record.name, window, path, record.rows, record.sha256, record.facts)


@contextmanager
def _failure_named(action: str, path: Path, hint: str = "`pdmctl doctor` tests the lake's folder.") -> Iterator[None]:
    try:
        yield
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise LakeError(f"cannot {action} {str(path)!r}: {error}", hint=hint) from error
