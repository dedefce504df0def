"""Downsampling of a span again, hour by hour, for what came later than the tasks look back."""

import csv
import time
from collections.abc import Callable

from pdm_platform.contract.errors import SettingsError
from pdm_platform.contract.measurements import Window
from pdm_platform.contract.times import iso_of, time_of
from pdm_platform.deployment.settings import DeploymentSettings
from pdm_platform.deployment.store_api import StoreApi
from pdm_platform.deployment.store_init import OPERATOR_TOKEN, influx_address
from pdm_platform.deployment.store_tasks import WIDTHS, hourly, window_flux
from pdm_platform.deployment.vault import Vault
from pdm_platform.runtime.settings import PlatformSettings


def downsample_span(
    settings: DeploymentSettings, platform: PlatformSettings, start: str, end: str, tell: Callable[[str], None]
) -> int:
    """Aggregate the whole hours that hold the span, into every downsampled bucket; returns the points written.

    start, end: ISO 8601; an empty end is now. tell: hears of each hour. Raises SettingsError, SecretsError, StoreError.
    """
    end_ns = time_of(end, "--to") if end else time.time_ns()
    start_ns = time_of(start, "--from")
    if start_ns >= end_ns:
        raise SettingsError(f"--from {start!r} is not before --to {end or 'now'!r}")
    address = influx_address(platform)
    api = StoreApi(address, Vault(settings).read(OPERATOR_TOKEN).decode().strip())
    hours = hourly(Window(start_ns, end_ns))
    points = 0
    for number, hour in enumerate(hours, 1):
        written = sum(_written(api.flux(window_flux(address.prefix, address.org, bucket, hour))) for bucket in WIDTHS)
        points += written
        tell(f"{iso_of(hour.start_ns)[:13]} h: {written} points ({number} of {len(hours)})")
    return points


def _written(table: str) -> int:
    """The sum of `_value` over the tables of a Flux answer."""
    total, column = 0, None
    for row in csv.reader(table.splitlines()):
        if "_value" in row:
            column = row.index("_value")
        elif column is not None and len(row) > column:
            total += int(row[column])
    return total
