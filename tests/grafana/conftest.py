"""One plant and one Grafana for all tests of the dashboards: the plant is filled once, then only asked."""

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.grafana.plant import Plant, fill, running_plant
from tests.servers.grafana import Grafana, command, running_grafana
from tests.servers.influxd import Influxd, started_influxd
from tests.world import first_run


@dataclass(frozen=True)
class Site:
    """A plant that has run, and when it was filled."""

    plant: Plant
    influxd: Influxd
    end_ns: int


@dataclass
class Webhook:
    """What listens where alerts go, and the messages that came."""

    url: str
    messages: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture(scope="session")
def webhook() -> Iterator[Webhook]:
    """A listener on loopback."""
    messages: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Webhook(f"http://127.0.0.1:{server.server_port}/alerts", messages)
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """For tests marked needs_own_influxd. It runs, and there is nothing in its store yet."""
    folder = tmp_path_factory.mktemp("site")
    with started_influxd(folder / "influxd") as influxd, running_plant(folder / "plant", influxd) as running:
        yield running


@pytest.fixture(scope="session")
def grafana(plant: Plant, webhook: Webhook, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grafana]:
    """Reads the plant with the token that Grafana has in the stack; alerts go to the webhook."""
    told = {"PDM_ALERT_WEBHOOK_URL": webhook.url}
    folder, url = tmp_path_factory.mktemp("grafana"), plant.site.influxd.url
    with running_grafana(folder, influx_url=url, token=plant.site.token("grafana"), environment=told) as server:
        yield server


@pytest.fixture(scope="session")
def site(plant: Plant, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The plant after a day and a half."""
    if command() is not None:
        # it waits before it tells of alerts: that time passes meanwhile
        request.getfixturevalue("grafana")
    fill(plant, first_run(tmp_path_factory.getbasetemp() / "first").home)
    return Site(plant, plant.site.influxd, time.time_ns())
