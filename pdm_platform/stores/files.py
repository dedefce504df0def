"""Files that are either there whole or not at all, also after a power cut."""

import hashlib
import os
import secrets
import stat
from io import BufferedReader
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

# O_NOFOLLOW is missing on Windows, where making a symlink takes special rights anyway
_READ_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def sha256_of(data: bytes) -> str:
    """SHA-256 in lower-case hex."""
    return hashlib.sha256(data).hexdigest()


def open_regular(path: Path) -> BufferedReader:
    """A regular file to read from. Raises OSError for a symlink, a folder, a pipe or a missing file."""
    if not stat.S_ISREG(path.lstat().st_mode):  # asked before opening: opening a pipe would wait for its writer
        raise OSError(f"{str(path)!r} is not a regular file")
    return os.fdopen(os.open(path, _READ_FLAGS), "rb")


def read_regular(path: Path) -> bytes:
    """Whole content of a regular file. Raises OSError for a symlink, a folder, a pipe or a missing file."""
    with open_regular(path) as file:
        return file.read()


def write_file(path: Path, data: bytes) -> None:
    """Write a new file and force it to disk. Raises OSError, also where the file exists."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step: a reader sees the old content or the new, never part. Raises OSError."""
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
    try:
        write_file(temporary, data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Force to disk what another process may have written and not forced. Raises OSError."""
    with path.open("r+b") as file:  # to write: Windows forces no file that is open for reading only
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Force the folder's entries to disk, so that a rename outlives a power cut. Windows has no such call."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def to_json(value: object) -> bytes:
    """Indented JSON for people and programs. NumPy scalars become numbers, NaN becomes null; else TypeError."""
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=_plain), indent=2) + b"\n"


def _plain(value: object) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
