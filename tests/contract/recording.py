"""Exchanges with a real InfluxDB, recorded once and replayed where there is none.

`PDM_RECORD=1 pytest tests/contract/test_recorded_influx.py` records them anew, with influxd and nginx on the machine.
A replay opens no connection; a request that is not the recorded one, body included, fails the test, and so does a
recorded one that is not sent.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import vcr
from vcr.request import Request

from pdm_platform.stores.telemetry import TelemetryStore, open_store
from tests.servers.influxd import ORG, Influxd, running_influxd
from tests.servers.nginx import limiting_nginx
from tests.servers.small_disk import fill, small_disk

FOLDER = Path(__file__).parent / "recorded"
RECORD = os.environ.get("PDM_RECORD") == "1"
PREFIX = "recorded"
_HOST = "influxdb:8086"
_KEPT_HEADERS = ("Accept", "Content-Encoding", "Content-Type")
_SMALL_DISK_MB = 16

Tokens = Mapping[str, str]
Open = Callable[..., TelemetryStore]


def buckets(server: Influxd) -> Tokens:
    """The least that an exchange needs: empty buckets."""
    server.create_buckets(PREFIX)
    return {}


@dataclass(frozen=True)
class Setting:
    """Where an exchange is recorded; a replay needs none of it.

    prepare: what is there before, and the tokens beside `operator`, by name. flags: of influxd.
    limit: status and Retry-After of a gateway that lets one request through. full_disk: nothing can be written.
    """

    prepare: Callable[[Influxd], Tokens] = buckets
    flags: tuple[str, ...] = ()
    limit: tuple[int, str] | None = None
    full_disk: bool = False


@dataclass
class Recorder:
    """One exchange: `with recorder("name") as open_as: store = open_as("operator")`."""

    folder: Path
    _scrubbed: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str, setting: Setting | None = None) -> Iterator[Open]:
        """Yields what opens the store with a token of this name."""
        path = FOLDER / f"{name}.yaml"
        with ExitStack() as stack:
            address, tokens = self._real(stack, setting or Setting()) if RECORD else (_HOST, {})
            if RECORD:
                path.unlink(missing_ok=True)
            cassette = stack.enter_context(self._vcr().use_cassette(str(path)))

            def open_as(token: str) -> TelemetryStore:
                url = f"influxdb://{address}/{PREFIX}?org={ORG}"
                store = open_store(url, token=tokens.get(token, token), token_from=f"the token of {token}")
                stack.callback(store.close)
                return store

            yield open_as
            if not RECORD:
                assert cassette.all_played, f"requests in {path.name} that were not sent"

    def _real(self, stack: ExitStack, setting: Setting) -> tuple[str, Tokens]:
        folder = self.folder / "influxd"
        if setting.full_disk:
            stack.enter_context(small_disk(folder, _SMALL_DISK_MB))
        server = stack.enter_context(running_influxd(folder, "--no-tasks", *setting.flags))
        tokens = {"operator": server.operator_token, **setting.prepare(server)}
        self._scrubbed = {str(folder): "/var/lib/influxdb2", **dict.fromkeys(tokens.values(), "scrubbed")}
        address = server.address
        if setting.limit is not None:
            status, retry_after = setting.limit
            gateway = limiting_nginx(self.folder / "nginx", server.url, status=status, retry_after=retry_after)
            address = stack.enter_context(gateway)
        if setting.full_disk:
            fill(folder)
        return address, tokens

    def _vcr(self) -> vcr.VCR:
        return vcr.VCR(
            record_mode=vcr.mode.ALL if RECORD else vcr.mode.NONE,
            match_on=("method", "path", "query", "body"),
            before_record_request=_without_what_varies,
            before_record_response=self._scrub,
        )

    def _scrub(self, response: dict[str, Any]) -> dict[str, Any]:
        body = response["body"]["string"]
        for secret, instead in self._scrubbed.items():
            body = body.replace(secret.encode(), instead.encode())
        response["body"]["string"] = body
        if "Content-Length" in response["headers"]:
            response["headers"]["Content-Length"] = [str(len(body))]
        return response


def _without_what_varies(request: Request) -> Request:
    """Without the token, the port, and headers that tell what machine and client it was."""
    request.uri = re.sub(r"//[^/]+/", f"//{_HOST}/", request.uri)
    request.headers = {name: request.headers[name] for name in _KEPT_HEADERS if name in request.headers}
    return request


@pytest.fixture
def recorder(tmp_path: Path) -> Recorder:
    """Records to, or replays from, `recorded/`."""
    return Recorder(tmp_path)
