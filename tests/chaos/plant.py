"""Broker, bridge and store as a plant runs them, with connections between them that can be cut."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pytest

from pdm_platform.contract.measurements import ALL_TIME, PUMP_TELEMETRY
from pdm_platform.deployment.access import User
from pdm_platform.local.processes import Process, Processes, free_port, pdmctl
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.telemetry import TelemetryStore, open_platform_store
from tests.chaos.parts import BACK_WITHIN_S, Child, Server, SqliteFile
from tests.chaos.proxy import Proxy, running_proxy
from tests.integration.bridge_site import wait_until
from tests.servers.influxd import Influxd, running_influxd
from tests.servers.mosquitto import Mosquitto, running_mosquitto
from tests.servers.small_disk import small_disk

T = TypeVar("T")
BROKERS = ("nats", "mosquitto")
STORES = ("sqlite", "influxdb")
# A million readings with their write-ahead log are 200 bytes each; what is not used of the small disk costs nothing.
_DISK_MB = 128
_DISK_BYTES_EACH = 400
# Longer than the embedded broker waits before it delivers again what was not acknowledged.
_QUIET_S = 7.0
_HOPELESS_S = 15.0


@dataclass
class Plant:
    """A running plant. `settings` are those of who publishes here; links are named after who uses them.

    saves_every_s: of a broker that keeps its queue in memory and saves it now and then, else None.
    """

    settings: PlatformSettings
    broker: Server
    bridge: Child
    store: Influxd | SqliteFile
    publishers_link: Proxy
    bridge_link: Proxy
    store_link: Proxy | None
    saves_every_s: float | None
    _reader: PlatformSettings = field(repr=False)

    def count(self) -> int:
        """How many readings are stored. Raises StoreError."""
        return self._read(lambda store: store.count(PUMP_TELEMETRY, ALL_TIME))

    def rows(self) -> pa.Table:
        """All readings that are stored. Raises StoreError."""
        return self._read(lambda store: store.read(PUMP_TELEMETRY, ALL_TIME))

    def _read(self, read: Callable[[TelemetryStore], T]) -> T:
        store = open_platform_store(self._reader)
        try:
            return read(store)
        finally:
            store.close()

    def settle(self, expected: int, tell: Callable[[int], None]) -> None:
        """Wait until all is stored and nothing more comes, or nothing has come for long though the bridge is well."""
        wait_until(lambda: not self.bridge.process.problems(), "the bridge is healthy again", BACK_WITHIN_S)
        last, since_s = -1, time.monotonic()
        while time.monotonic() - since_s < (_QUIET_S if last >= expected else _HOPELESS_S):
            found = self.count()
            if found != last:
                last, since_s = found, time.monotonic()
            tell(found)
            time.sleep(0.5)


@dataclass(frozen=True)
class _Place:
    """A store: how it is reached past its link and through it."""

    store: Influxd | SqliteFile
    link: Proxy | None
    direct: Mapping[str, str]
    linked: Mapping[str, str]


@contextmanager
def running_plant(folder: Path, broker: str, store: str, readings: int) -> Iterator[Plant]:
    """A plant with all its files in `folder`, whose bridge is healthy. broker: of BROKERS; store: of STORES."""
    processes = Processes()
    with ExitStack() as stack:
        place = stack.enter_context(_influxdb(folder) if store == "influxdb" else _sqlite(folder, readings))
        mosquitto = stack.enter_context(running_mosquitto(folder / "mosquitto")) if broker == "mosquitto" else None
        broker_port = mosquitto.plain_port if mosquitto else free_port()
        publishers_link = stack.enter_context(running_proxy(broker_port))
        bridge_link = stack.enter_context(running_proxy(broker_port, remembers=mosquitto is not None))
        stack.callback(processes.stop)
        bridge_login = {"PDM_MQTT_PORT": str(bridge_link.port), **_login(mosquitto, User.BRIDGE), **place.linked}
        server = mosquitto or _nats(folder, processes, broker_port)
        bridge = _bridge(folder, processes, bridge_login)
        if mosquitto is not None:
            # a session younger than the last save goes with a kill, and with it what comes until it is there again
            mosquitto.save()
        yield Plant(
            settings=_settings({"PDM_MQTT_PORT": str(publishers_link.port), **_login(mosquitto, User.SIMULATOR)}),
            broker=server,
            bridge=bridge,
            store=place.store,
            publishers_link=publishers_link,
            bridge_link=bridge_link,
            store_link=place.link,
            saves_every_s=mosquitto.saves_every_s if mosquitto else None,
            _reader=_settings(place.direct),
        )


def _settings(environment: Mapping[str, str]) -> PlatformSettings:
    return PlatformSettings.model_validate(
        {name.removeprefix("PDM_").lower(): value for name, value in environment.items()}
    )


def _login(mosquitto: Mosquitto | None, user: User) -> dict[str, str]:
    if mosquitto is None:
        return {}
    return {"PDM_MQTT_USERNAME": user, "PDM_MQTT_PASSWORD": mosquitto.password_of(user)}


def _nats(folder: Path, processes: Processes, port: int) -> Child:
    environment = {
        "PDM_HOME": str(folder / "home"),
        "PDM_MQTT_PORT": str(port),
        "PDM_BROKER_NATS_PORT": str(free_port()),
    }
    process = processes.start(Process("broker", pdmctl("broker"), environment, folder / "broker.log"))
    processes.wait_listening(process, port)
    return Child(process, processes, port)


def _bridge(folder: Path, processes: Processes, login: Mapping[str, str]) -> Child:
    port = free_port()
    environment = {"PDM_HOME": str(folder / "home"), "PDM_BRIDGE_HTTP_PORT": str(port), **login}
    process = processes.start(Process("bridge", pdmctl("bridge"), environment, folder / "bridge.log", port))
    processes.wait_healthy(process)
    return Child(process, processes, port)


@contextmanager
def _sqlite(folder: Path, readings: int) -> Iterator[_Place]:
    with ExitStack() as stack:
        store_folder: Path = folder / "store"
        disk: Path | None = store_folder
        try:
            stack.enter_context(small_disk(store_folder, _DISK_MB + readings * _DISK_BYTES_EACH // 2**20))
        except pytest.skip.Exception:  # not root, or not Linux: then there is no such fault in the run
            disk = None
        path = store_folder / "telemetry.sqlite"
        url = {"PDM_STORE_URL": f"sqlite:///{path}"}
        yield _Place(SqliteFile(path, disk), None, url, url)


@contextmanager
def _influxdb(folder: Path) -> Iterator[_Place]:
    with running_influxd(folder / "influxd", "--no-tasks") as server:
        server.create_buckets("pdm")
        with running_proxy(int(server.address.rpartition(":")[2])) as link:
            direct = {"PDM_STORE_URL": server.store_url("pdm"), "PDM_STORE_TOKEN": server.operator_token}
            linked = {
                **direct,
                "PDM_STORE_URL": direct["PDM_STORE_URL"].replace(server.address, f"127.0.0.1:{link.port}"),
            }
            yield _Place(server, link, direct, linked)
