"""TelemetryStore in InfluxDB 2: written as line protocol, read by InfluxQL."""

from collections.abc import Iterator, Sequence
from typing import Final

import pyarrow as pa

from pdm_platform.contract.errors import RowsRefusedError, SettingsError, StoreError
from pdm_platform.contract.measurements import Measurement, Window
from pdm_platform.runtime.store_address import InfluxAddress
from pdm_platform.stores.influx_buckets import bucket_of
from pdm_platform.stores.influx_http import InfluxHttp
from pdm_platform.stores.influx_lines import to_lines
from pdm_platform.stores.influx_reads import count_points, read_points, read_points_by_device
from pdm_platform.stores.influx_writes import write_lines
from pdm_platform.stores.rows import check_devices, conform

# what is turned into text at once
_SLICE_ROWS: Final = 20_000
_SLICE_BYTES: Final = 64 * 1024 * 1024


class InfluxStore:
    """Points in the buckets `{prefix}_…` of one InfluxDB, which must exist (`pdmctl store init` makes them).

    Raises StoreError where the server does not answer, refuses the token or has no such organisation, SettingsError
    without a token.
    """

    def __init__(self, address: InfluxAddress, token: str, token_from: str = "") -> None:
        if not token:
            missing = f"{token_from}, is empty" if token_from else "none is set"
            raise SettingsError(
                f"the store at {address.url} needs a token, and {missing}",
                hint="Set PDM_STORE_TOKEN_FILE or PDM_STORE_TOKEN. `pdmctl store init` makes tokens.",
            )
        self._prefix = address.prefix
        self._http = InfluxHttp(address, token, token_from)
        # told now rather than at the first reading; a wrong organisation would not even hinder reading
        try:
            self._http.check()
        except StoreError:
            self._http.close()
            raise

    def write(self, measurement: Measurement, rows: pa.Table) -> None:
        """See TelemetryStore.write. Requests of a bounded size, one after the other."""
        rows = conform(measurement, rows)
        bucket = self._bucket(measurement)
        refused: dict[int, str] = {}
        for first, part in _slices(rows):
            lines = to_lines(measurement, part)
            found = lines.refused | write_lines(self._http, bucket, lines)
            refused |= {first + row: reason for row, reason in found.items()}
        if refused:
            row, reason = next(iter(sorted(refused.items())))
            raise RowsRefusedError(
                f"bucket {bucket!r} refused {len(refused)} of {rows.num_rows} rows, the first, row {row}: {reason}",
                hint="All other rows are stored.",
                refused=refused,
            )

    def read(self, measurement: Measurement, window: Window, *, devices: Sequence[str] | None = None) -> pa.Table:
        """See TelemetryStore.read. Streamed; the text is never held whole."""
        check_devices(measurement, devices)
        return read_points(self._http, self._bucket(measurement), measurement, window, devices)

    def read_by_device(self, measurement: Measurement, window: Window, *, max_rows: int) -> Iterator[pa.Table]:
        """See TelemetryStore.read_by_device. Points lie by device, so each part reads its own only."""
        check_devices(measurement, ())
        return read_points_by_device(self._http, self._bucket(measurement), measurement, window, max_rows)

    def count(self, measurement: Measurement, window: Window, *, devices: Sequence[str] | None = None) -> int:
        """See TelemetryStore.count."""
        check_devices(measurement, devices)
        return count_points(self._http, self._bucket(measurement), measurement, window, devices)

    def close(self) -> None:
        """See TelemetryStore.close."""
        self._http.close()

    def _bucket(self, measurement: Measurement) -> str:
        try:
            return bucket_of(measurement).name(self._prefix)
        except KeyError:
            raise StoreError(f"{measurement.name} is in no bucket of InfluxDB") from None


def _slices(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Consecutive parts of the rows, bounded in rows and bytes, each with the position of its first row."""
    pending = [(first, rows.slice(first, _SLICE_ROWS)) for first in range(0, rows.num_rows, _SLICE_ROWS)][::-1]
    while pending:
        first, part = pending.pop()
        if part.num_rows > 1 and part.nbytes > _SLICE_BYTES:
            half = part.num_rows // 2
            pending += [(first + half, part.slice(half)), (first, part.slice(0, half))]
        else:
            yield first, part
