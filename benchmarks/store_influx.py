"""How fast InfluxDB takes and gives readings through the store, beside curl with the same lines and the same query."""

import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final

import pyarrow as pa

from benchmarks.bench import Bench, say
from benchmarks.figures import Figure, UnavailableError
from benchmarks.store_extract import START_NS, STEP_NS, curl, query_of
from pdm_platform.contract.measurements import DEVICE, PUMP_TELEMETRY, Window
from pdm_platform.stores.influx_lines import to_lines
from pdm_platform.stores.telemetry import TelemetryStore, open_store
from tests.servers.influxd import Influxd, running_influxd

# a week in one file of the server, as the store's own buckets have it
_SHARD_GROUP_S: Final = 7 * 86_400


def measure_influx(bench: Bench, parts: list[pa.Table]) -> dict[str, Figure]:
    """Writes and extraction. Raises UnavailableError without influxd or curl."""
    for program, package in (("influxd", "InfluxDB 2.9"), ("curl", "Debian's package curl")):
        if shutil.which(program) is None:
            raise UnavailableError(f"no {program} on PATH: {package} brings it")
    say("store: InfluxDB and curl")
    with bench.scratch() as folder, running_influxd(folder / "influxd") as server:
        names = {side: f"bench_{side}_{secrets.token_hex(4)}" for side in ("store", "curl")}
        for name in names.values():
            server.create_bucket(f"{name}_raw", shard_group_s=_SHARD_GROUP_S)
        with closing(open_store(server.store_url(names["store"]), token=server.operator_token)) as store:
            found = _in_turns(bench, server, store, names, _Bodies.written(folder / "lines", parts), parts)
    return _figures(sum(len(part) for part in parts), len(parts[0]), found)


class _Bodies:
    """Line protocol in files, one a batch: what curl posts."""

    def __init__(self, files: list[Path]) -> None:
        self.files = files

    @classmethod
    def written(cls, folder: Path, parts: list[pa.Table]) -> "_Bodies":
        folder.mkdir()
        files = [folder / f"{number}.lines" for number in range(len(parts))]
        for file, part in zip(files, parts, strict=True):
            lines = to_lines(PUMP_TELEMETRY, part)
            file.write_bytes(lines.body(0, len(lines)))
        return cls(files)

    def post(self, server: Influxd, bucket: str) -> None:
        """All of them through one connection. The token goes through stdin: a command line is for all to see."""
        url = f"{server.url}/api/v2/write?org={server.org}&bucket={bucket}&precision=ns"
        requests = [
            f'url = "{url}"\nheader = "Authorization: Token {server.operator_token}"\ndata-binary = "@{file}"\n'
            'noproxy = "*"\nsilent\nshow-error\nfail\n'
            for file in self.files
        ]
        subprocess.run(["curl", "-K", "-"], input="next\n".join(requests), text=True, check=True)


def _in_turns(
    bench: Bench, server: Influxd, store: TelemetryStore, names: dict[str, str], bodies: _Bodies, parts: list[pa.Table]
) -> dict[str, list[float]]:
    rows = sum(len(part) for part in parts)
    devices = len(set(parts[0].column(DEVICE).to_pylist()))
    window = Window(START_NS, START_NS + STEP_NS * -(-rows // devices))

    def write() -> None:
        for part in parts:
            store.write(PUMP_TELEMETRY, part)

    def read() -> None:
        assert store.read(PUMP_TELEMETRY, window).num_rows == rows

    write()
    bodies.post(server, f"{names['curl']}_raw")  # both once, uncounted: from then on the same points are replaced
    query = query_of(server, names["store"], window)
    return bench.in_turns(
        {
            "curl writes": partial(_hz, rows, lambda: bodies.post(server, f"{names['curl']}_raw")),
            "store writes": partial(_hz, rows, write),
            "curl reads": partial(_hz, rows, lambda: curl(server, names["store"], query)),
            "store reads": partial(_hz, rows, read),
        }
    )


def _hz(rows: int, work: Callable[[], object]) -> float:
    began_s = time.perf_counter()
    work()
    return rows / (time.perf_counter() - began_s)


def _figures(rows: int, batch: int, found: dict[str, list[float]]) -> dict[str, Figure]:
    return {
        "store_write_influxdb": Figure(
            "rows/s",
            "higher",
            f"{rows:,} readings, InfluxDB, in batches of {batch:,}",
            "curl posting the same batches as ready lines, one connection",
            found["store writes"],
            found["curl writes"],
        ),
        "store_extract_influxdb": Figure(
            "rows/s",
            "higher",
            f"{rows:,} readings, InfluxDB, into one Arrow table, ordered by pump and time",
            "curl of the same query, its answer thrown away",
            found["store reads"],
            found["curl reads"],
        ),
    }
