"""The lake: what each asset made, one folder a window. A rerun replaces the same window."""

import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import pyarrow as pa
from filelock import FileLock

from pdm_platform.contract.errors import LakeError
from pdm_platform.contract.measurements import Window
from pdm_platform.stores.files import read_regular, replace_file, sha256_of, sync_folder, to_json
from pdm_platform.stores.parts import PartsWriter, read_parts

JSON: TypeAlias = str | int | float | bool | Sequence["JSON"] | Mapping[str, "JSON"] | None
LOCK_TIMEOUT_S = 60
_TEMPORARY = ".rows-"
_LEFTOVER_AFTER_S = 86_400
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
        """Store the table as one part, replacing what this window had, and make it current. Raises LakeError."""
        with self.writing(name, window) as parts:
            parts.add(table)
            return parts.store(**facts)

    @contextmanager
    def writing(self, name: str, window: Window) -> Iterator["Writing"]:
        """Write an artifact part by part; it replaces what this window had once `store` is called. Raises LakeError.

        What was current stays readable until the new rows are whole, and stays current where they never are.
        """
        temporary = self.folder(name, window) / _temporary_name()
        with _failure_named("write", temporary):
            writer = PartsWriter(temporary)
        try:
            yield Writing(
                writer,
                temporary,
                lambda sha256, facts: self._store(_record(name, window, writer.rows, sha256, facts), temporary),
            )
        finally:
            writer.close()
            temporary.unlink(missing_ok=True)

    def share(self, artifact: Artifact, name: str, **facts: JSON) -> Artifact:
        """Make the same rows current under another name too, without a second copy on disk where the file system
        allows it. Raises LakeError."""
        temporary = self.folder(name, artifact.window) / _temporary_name()
        with _failure_named("read", artifact.path, f"materialise {artifact.name!r} again"):
            try:
                _link_or_copy(artifact.path, temporary)
                record = _record(name, artifact.window, artifact.rows, artifact.sha256, facts)
                return self._store(record, temporary)
            finally:
                temporary.unlink(missing_ok=True)

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
        """All rows, once their hash is checked. Raises LakeError where they are gone or not what was stored."""
        return pa.concat_tables(list(self.parts(artifact)))

    def parts(self, artifact: Artifact, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows part by part as they were written, one part in memory at a time; with these columns only, or all.

        The parts of readings hold whole devices. The file is hashed before the first one. Raises LakeError where it
        is gone or not what was stored.
        """
        if artifact.path.is_dir():
            raise LakeError(f"{artifact.name!r} has facts but no rows ({str(artifact.path)!r})")
        with _failure_named("read", artifact.path, f"materialise {artifact.name!r} again"):
            yield from read_parts(artifact.path, artifact.sha256, columns)

    def _named(self, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise LakeError(f"artifact name {name!r} does not match {_NAME.pattern}")
        return self._root / name

    def _window_folder(self, name: str, window: Window) -> Path:
        return self._named(name) / f"{window.start_ns}_{window.end_ns}"

    def _store(self, record: _Record, rows: Path | None) -> Artifact:
        """Make the record current. rows: a whole file in the window's folder, which becomes the record's."""
        folder = self.folder(record.name, Window(record.start_ns, record.end_ns))
        current = folder.parent / "current.json"
        # two runs at once would clear away each other's rows
        with _failure_named("write", current), FileLock(folder.parent / ".lock", timeout=LOCK_TIMEOUT_S):
            if rows is not None:
                rows.replace(folder / record.file)
                sync_folder(folder)
            replace_file(current, to_json(record))
            for replaced in folder.glob("rows-*.parquet"):
                if replaced.name != record.file:
                    replaced.unlink()
            _clear_leftovers(folder)
            return self._artifact(msgspec.json.decode(read_regular(current), type=_Record))

    def _artifact(self, record: _Record) -> Artifact:
        window = Window(record.start_ns, record.end_ns)
        path = self._window_folder(record.name, window) / record.file
        return Artifact(record.name, window, path, record.rows, record.sha256, record.facts)


class Writing:
    """Rows on their way into the lake. They are current once `store` returns, and gone if it is never called."""

    def __init__(self, writer: PartsWriter, path: Path, keep: Callable[[str, Mapping[str, JSON]], Artifact]) -> None:
        self._writer = writer
        self._path = path
        self._keep = keep

    @property
    def rows(self) -> int:
        """Rows so far."""
        return self._writer.rows

    def add(self, part: pa.Table) -> None:
        """Write one part; of readings it must hold whole devices. Raises LakeError."""
        with _failure_named("write", self._path):
            self._writer.add(part)

    def store(self, **facts: JSON) -> Artifact:
        """Complete the rows and make them current. Raises LakeError, also where there was no part."""
        with _failure_named("write", self._path):
            sha256 = self._writer.finish()
        return self._keep(sha256, facts)


def _record(name: str, window: Window, rows: int, sha256: str, facts: Mapping[str, JSON]) -> _Record:
    # named by its content: a rerun with the same rows puts the same file in its place
    file = f"rows-{sha256[:16]}.parquet"
    return _Record(name, window.start_ns, window.end_ns, file, rows, sha256, dict(facts))


def _temporary_name() -> str:
    return f"{_TEMPORARY}{secrets.token_hex(8)}"


def _link_or_copy(source: Path, target: Path) -> None:
    """Two names of one file: none is ever written again, only replaced. Some file systems know no links."""
    try:
        target.hardlink_to(source)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def _clear_leftovers(folder: Path) -> None:
    """What runs that were killed left behind. A run that still writes has done so within the last day."""
    for leftover in folder.glob(f"{_TEMPORARY}*"):
        if time.time() - leftover.stat().st_mtime > _LEFTOVER_AFTER_S:
            leftover.unlink()


@contextmanager
def _failure_named(action: str, path: Path, hint: str = "`pdmctl doctor` tests the lake's folder.") -> Iterator[None]:
    try:
        yield
    except (OSError, msgspec.DecodeError, pa.ArrowException, ValueError) as error:
        raise LakeError(f"cannot {action} {str(path)!r}: {error}", hint=hint) from error
