"""One Parquet file in parts, each a row group: written and read one part at a time, so that it may exceed memory."""

import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pdm_platform.stores.files import open_regular

# Parquet as Arrow writes it would cut a larger table into several row groups, and with them a device.
MAX_PART_ROWS: Final = 64 * 1024 * 1024


class PartsWriter:
    """A new file at `path`. Raises OSError, pa.ArrowException; ValueError for a part that is no part of this file."""

    def __init__(self, path: Path) -> None:
        self.rows = 0
        self._file = _HashedFile(path)
        self._writer: pq.ParquetWriter | None = None

    def add(self, part: pa.Table) -> None:
        """Write one part. All parts have the columns of the first."""
        if part.num_rows > MAX_PART_ROWS:
            raise ValueError(f"a part has {part.num_rows} rows, at most {MAX_PART_ROWS} can be kept together")
        if self._writer is None:
            self._writer = _writer(self._file, part.schema)
        self._writer.write_table(part, row_group_size=max(part.num_rows, 1))
        self.rows += part.num_rows

    def finish(self) -> str:
        """Complete the file and force it to disk; its SHA-256. Raises ValueError where there was no part at all."""
        if self._writer is None:
            raise ValueError("there is no part to store")
        self._writer.close()
        return self._file.finish()

    def close(self) -> None:
        """Release the file, complete or not; may be called twice."""
        with suppress(OSError, pa.ArrowException, ValueError):  # what is not finished is thrown away
            if self._writer is not None:
                self._writer.close()
        self._file.close()


def read_parts(path: Path, sha256: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """The parts as they were written, with these columns or all. At least one, though it may have no rows.

    Raises ChangedFileError before the first part where the file is not the one with this SHA-256, OSError,
    pa.ArrowException.
    """
    with open_regular(path) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise ChangedFileError(f"{str(path)!r} is not what was stored: its SHA-256 differs")
        # the same descriptor: what is read is what was hashed, whatever lies at the path by now
        file.seek(0)
        with pq.ParquetFile(file) as parts:
            for part in range(parts.num_row_groups):
                yield parts.read_row_group(part, columns=None if columns is None else list(columns))


class ChangedFileError(ValueError):
    """The file is another than the one that was stored."""


def _writer(file: "_HashedFile", schema: pa.Schema) -> pq.ParquetWriter:
    # A dictionary of measured values is built, found too large and thrown away: 200,000 rows of 180 columns take 3.0 s
    # with it and 0.3 s without. Texts here are few and repeat.
    texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_dictionary(field.type)]
    return pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=texts or False)


class _HashedFile(io.RawIOBase):
    """A new file that is written from front to back, and hashed on the way."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("xb")
        self._digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._file.tell()

    def write(self, data: object) -> int:
        block = memoryview(data)  # type: ignore[arg-type]
        self._digest.update(block)
        return self._file.write(block)

    def flush(self) -> None:
        if not self._file.closed:
            self._file.flush()

    def finish(self) -> str:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        return self._digest.hexdigest()

    def close(self) -> None:
        self._file.close()
        super().close()
