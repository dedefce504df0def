"""How long extraction from InfluxDB takes beside curl, and how much memory: `python -m benchmarks.store_extract`.

Fills a real influxd through the platform's own store and then takes turns: `curl` of one InfluxQL query for all
points as CSV, thrown away, and `store.read` of the same points into a sorted Arrow table. Needs influxd on PATH, or
INFLUXDB_URL and INFLUXDB_OPERATOR_TOKEN; and curl.
"""

import argparse
import multiprocessing
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import psutil
import pyarrow as pa

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE, PUMP_TELEMETRY, TIME, Window
from pdm_platform.runtime.store_address import InfluxAddress
from pdm_platform.stores.influx_http import InfluxHttp
from pdm_platform.stores.influx_query import Selection
from pdm_platform.stores.telemetry import TelemetryStore, open_store
from tests.servers.influxd import Influxd, running_influxd

START_NS: Final = 1_750_000_000_000_000_000
STEP_NS: Final = 1_000_000_000
TARGET: Final = 1.2
_SAMPLE_S: Final = 0.002
_SHARD_GROUP_S: Final = 7 * 86_400


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--readings", type=int, default=1_000_000, help="points in the store (default %(default)s)")
    parser.add_argument("--devices", type=int, default=100, help="pumps they come from (default %(default)s)")
    parser.add_argument("--batch", type=int, default=5_000, help="rows in one write (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of curl and read (default %(default)s)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_influxd(Path(folder) / "influxd") as server:
        prefix = f"bench-{secrets.token_hex(4)}"
        bucket_id = server.create_bucket(f"{prefix}_raw", shard_group_s=_SHARD_GROUP_S)
        existing = server.process is None
        try:
            print(f"{os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}, {server.url}")
            _measure(server, prefix, given)
            _print_size(server, Path(folder), given.readings)
        finally:
            if existing:
                server.api("DELETE", f"/api/v2/buckets/{bucket_id}")


def _measure(server: Influxd, prefix: str, given: argparse.Namespace) -> None:
    store = open_store(server.store_url(prefix), token=server.operator_token)
    _fill(store, given)
    window = Window(START_NS, START_NS + STEP_NS * -(-given.readings // given.devices))
    _compare(server, prefix, store, window, given)
    store.close()
    if server.process is not None:
        print(f"influxd: {server.process.memory_info().rss / 1e6:.0f} MB resident")
    for parts in (8, 4, 2, 1):
        part = Window(window.start_ns, window.start_ns + (window.end_ns - window.start_ns) // parts)
        rows, table_mb, grown_mb = _memory(server, prefix, part)
        print(f"memory: {rows:9,} rows, table {table_mb:6.0f} MB, process grows by {grown_mb:6.0f} MB at its peak")


def batches(readings: int, devices: int, size: int) -> Iterator[pa.Table]:
    """Readings as the simulators send them, all devices once a second, in the order of time."""
    draw = np.random.default_rng(1)
    for first in range(0, readings, size):
        number = np.arange(first, min(first + size, readings))
        columns = {
            DEVICE: [f"pump-{device:04d}" for device in number % devices],
            TIME: START_NS + STEP_NS * (number // devices),
            **{name: np.round(draw.normal(10.0, 3.0, len(number)), 4) for name in CHANNEL_NAMES},
            "measurement_id": number // devices,
            "last_maintenance": ["2025-06-01T00:00:00Z"] * len(number),
            "health_percent": pa.nulls(len(number), pa.float64()),
        }
        yield pa.table({name: columns[name] for name in PUMP_TELEMETRY.schema.names}, PUMP_TELEMETRY.schema)


def _fill(store: TelemetryStore, given: argparse.Namespace) -> None:
    took_s = []
    for batch in batches(given.readings, given.devices, given.batch):
        began_s = time.perf_counter()
        store.write(PUMP_TELEMETRY, batch)
        took_s.append(time.perf_counter() - began_s)
    rate = given.readings / sum(took_s)
    print(
        f"write: {given.readings:,} readings in batches of {given.batch:,}: {rate:,.0f} a second,"
        f" a batch {1e3 * median(took_s):.0f} ms (median), {1e3 * max(took_s):.0f} ms (longest)"
    )


def _print_size(server: Influxd, folder: Path, readings: int) -> None:
    """What the server has come to, where it is ours."""
    if server.process is None:
        return
    server.stop()  # so that nothing is half written
    kept, log = (sum(path.stat().st_size for path in folder.rglob(f"*.{kind}")) for kind in ("tsm", "wal"))
    print(f"disk:  {kept / readings:.0f} bytes a reading in TSM files, {log / 1e6:.0f} MB not yet out of the WAL")


def _compare(server: Influxd, prefix: str, store: TelemetryStore, window: Window, given: argparse.Namespace) -> None:
    query = query_of(server, prefix, window)
    curl(server, prefix, query)
    store.read(PUMP_TELEMETRY, window)  # both once, uncounted
    curl_s, read_s, size = [], [], 0
    for _ in range(given.rounds):
        began_s = time.perf_counter()
        size = curl(server, prefix, query)
        between_s = time.perf_counter()
        found = store.read(PUMP_TELEMETRY, window)
        read_s.append(time.perf_counter() - between_s)
        curl_s.append(between_s - began_s)
        assert found.num_rows == given.readings
    ratio = median(read_s) / median(curl_s)
    print(f"curl:  {_spread(curl_s)}, {size / 1e6:.0f} MB of CSV")
    print(f"read:  {_spread(read_s)}, {given.readings / median(read_s):,.0f} rows a second")
    pairs = sorted(read / curl for read, curl in zip(read_s, curl_s, strict=True))
    verdict = "holds" if ratio <= TARGET else "MISSED"
    print(
        f"ratio: {ratio:.2f} of the medians, {pairs[0]:.2f} to {pairs[-1]:.2f} by rounds; at most {TARGET}: {verdict}"
    )


def query_of(server: Influxd, prefix: str, window: Window) -> str:
    """The InfluxQL with which the store asks for all points of a window."""
    http = InfluxHttp(InfluxAddress(server.url, prefix, server.org), server.operator_token, "")
    selection = Selection(http, f"{prefix}_raw", PUMP_TELEMETRY, None)
    query, _no_parameters = selection.select(window, selection.columns())
    http.close()
    return query


def curl(server: Influxd, prefix: str, query: str) -> int:
    """Bytes of the answer. The token goes through a file descriptor: a command line is for all to see."""
    command = ["curl", "-s", "-S", "-f", "-o", os.devnull, "-w", "%{size_download}", "-H", "@-"]
    command += ["-H", "Accept: application/csv", "--data-urlencode", f"q={query}"]
    command += ["-d", f"db={prefix}_raw&epoch=ns&chunked=true", "--noproxy", "*", f"{server.url}/query"]
    header = f"Authorization: Token {server.operator_token}\n"
    return int(subprocess.run(command, input=header, text=True, check=True, stdout=subprocess.PIPE).stdout)


def _spread(seconds: list[float]) -> str:
    return f"median {median(seconds):.2f} s, {min(seconds):.2f} to {max(seconds):.2f} s"


def _memory(server: Influxd, prefix: str, window: Window) -> tuple[int, float, float]:
    """Rows read, MB of the table, and MB by which a fresh process grows while it reads, at its peak."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    arguments = (server.store_url(prefix), server.operator_token, window, there)
    process = spawn.Process(target=_read_in_own_process, args=arguments, daemon=True)
    process.start()
    here.recv()  # everything is imported and connected
    watched = psutil.Process(process.pid)
    before = peak = watched.memory_info().rss
    here.send("read")
    while not here.poll(_SAMPLE_S):
        peak = max(peak, watched.memory_info().rss)
    rows, table_bytes = here.recv()
    process.join()
    return rows, table_bytes / 1e6, (peak - before) / 1e6


def _read_in_own_process(url: str, token: str, window: Window, told: Connection) -> None:
    store = open_store(url, token=token)
    store.read(PUMP_TELEMETRY, Window(window.start_ns, window.start_ns + STEP_NS))
    told.send("ready")
    told.recv()
    table = store.read(PUMP_TELEMETRY, window)
    told.send((table.num_rows, table.nbytes))
    store.close()


if __name__ == "__main__":
    main()
