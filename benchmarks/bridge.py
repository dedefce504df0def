"""How fast the bridge stores what a broker delivers, beside a C receiver that acknowledges and drops it."""

import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Final

from benchmarks import servers
from benchmarks.bench import Bench, Measured, say
from benchmarks.figures import Figure, UnavailableError
from benchmarks.load import TELEMETRY, Load, LoadError
from benchmarks.servers import Service
from tests.servers.influxd import running_influxd

NAMES: Final = ("bridge_embedded", "bridge_influxdb", "bridge_nats")
DEVICES: Final = 1_000
STORED: Final = 'pdm_bridge_stored_total{measurement="pump_telemetry"}'
_POLL_S: Final = 0.02
_WITHIN_S: Final = 300.0
Broker = Callable[[Path], AbstractContextManager[int]]


def measure(bench: Bench) -> Measured:
    """Readings flat out, until the bridge has counted all of them as stored."""
    found: dict[str, Figure | str] = {}
    say("bridge_embedded: Mosquitto, bridge, SQLite")
    found["bridge_embedded"] = _compare(bench, servers.mosquitto, "Mosquitto to SQLite", {})
    say("bridge_nats: embedded broker, bridge, SQLite")
    found["bridge_nats"] = _compare(bench, servers.nats, "the embedded broker, NATS, to SQLite", {})
    try:
        found["bridge_influxdb"] = _into_influxdb(bench)
    except UnavailableError as error:
        found["bridge_influxdb"] = str(error)
    return found


def _into_influxdb(bench: Bench) -> Figure:
    with influxdb(bench) as store:
        say("bridge_influxdb: Mosquitto, bridge, InfluxDB")
        return _compare(bench, servers.mosquitto, "Mosquitto to InfluxDB", store)


@contextmanager
def influxdb(bench: Bench) -> Iterator[dict[str, str]]:
    """The bridge's settings for an InfluxDB with buckets of its own. Raises UnavailableError without influxd."""
    if shutil.which("influxd") is None:
        raise UnavailableError("no influxd on PATH: InfluxDB 2.9 brings it")
    with bench.scratch() as folder, running_influxd(folder / "influxd") as server:
        prefix = f"bench_{secrets.token_hex(4)}"
        server.create_buckets(prefix)
        yield {"PDM_STORE_URL": server.store_url(prefix), "PDM_STORE_TOKEN": server.operator_token}


def _compare(bench: Bench, broker: Broker, what: str, store: dict[str, str]) -> Figure:
    load, readings = bench.load, bench.work.readings
    with ExitStack() as stack:
        folder = stack.enter_context(bench.scratch())
        limit = stack.enter_context(broker(folder / "limit"))
        port = stack.enter_context(broker(folder / "broker"))
        bridge = stack.enter_context(servers.service("bridge", folder / "home", port, store))
        rounds = count()
        stored_hz(load, bridge, DEVICES, DEVICES, next(rounds) * readings // DEVICES)  # once, uncounted
        found = bench.in_turns(
            {
                "receiver": lambda: _limit_hz(load, limit, readings),
                "bridge": lambda: stored_hz(load, bridge, readings, DEVICES, next(rounds) * readings // DEVICES),
            }
        )
    return Figure(
        "readings/s",
        "higher",
        f"{readings:,} readings of {DEVICES:,} pumps, flat out, until the bridge has stored all: {what}",
        "a C receiver at the same broker that acknowledges and drops them",
        found["bridge"],
        found["receiver"],
    )


def _limit_hz(load: Load, port: int, readings: int) -> float:
    with load.receiving(port, readings, TELEMETRY) as receiver:
        began_ns = load.publish(port, readings, devices=DEVICES).began_ns
        return readings / ((receiver.received(readings).last_ns - began_ns) / 1e9)


def stored_hz(load: Load, bridge: Service, readings: int, devices: int, first: int, rate_hz: float = 0.0) -> float:
    """Readings a second from the first that is published to the last that is stored. rate_hz: 0 is flat out.

    Raises LoadError where not each of them is stored once.
    """
    wanted = bridge.metric(STORED) + readings
    published = load.publish(bridge.port, readings, devices=devices, first=first, rate=rate_hz)
    deadline = time.monotonic() + _WITHIN_S
    while (stored := bridge.metric(STORED)) < wanted:
        if time.monotonic() > deadline:
            raise LoadError(f"{wanted - stored:.0f} of {readings} readings were not stored within {_WITHIN_S:g} s")
        time.sleep(_POLL_S)
    seconds = (time.monotonic_ns() - published.began_ns) / 1e9
    if stored > wanted:
        raise LoadError(f"{stored - wanted:.0f} readings were stored that nobody published")
    return readings / seconds
