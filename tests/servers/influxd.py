"""A real InfluxDB for tests: started in a folder of its own on a free loopback port, set up, and ended by its handle.

`INFLUXDB_URL` and `INFLUXDB_OPERATOR_TOKEN` (and `INFLUXDB_ORG`, default `pdm`) name an existing server instead.
"""

import json
import os
import re
import secrets
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from pdm_platform.stores.influx_buckets import HISTORY, RAW, RESULTS

ORG = "pdm"
READY_WITHIN_S = 30.0
# 253 years: hypothesis draws times from 1970 to 2262, and each group costs the server some 10 ms
_SHARD_GROUP_S = 8_000_000_000
_MISSING = "no influxd on PATH and no INFLUXDB_URL with INFLUXDB_OPERATOR_TOKEN: put InfluxDB 2.9's influxd on PATH"
_LISTENING = re.compile(r"transport=http .*port=(\d+)")
# a proxy of the environment must not be asked for what listens on loopback
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _existing() -> bool:
    return bool(os.environ.get("INFLUXDB_URL") and os.environ.get("INFLUXDB_OPERATOR_TOKEN"))


needs_influxd = pytest.mark.skipif(not (_existing() or shutil.which("influxd")), reason=_MISSING)
needs_own_influxd = pytest.mark.skipif(
    not shutil.which("influxd"), reason="no influxd on PATH: this test starts, kills or configures one of its own"
)


@dataclass
class Influxd:
    """A running server. `url` has no path; `operator_token` may do everything. Its token is not in its repr."""

    url: str
    org: str
    operator_token: str = field(repr=False)
    _server: "_Server | None" = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """`host:port`."""
        return self.url.partition("://")[2]

    def store_url(self, prefix: str) -> str:
        """PDM_STORE_URL of the buckets `{prefix}_…` here."""
        scheme = "influxdb+https" if self.url.startswith("https") else "influxdb"
        return f"{scheme}://{self.address}/{prefix}?org={self.org}"

    def api(self, method: str, path: str, body: object = None, *, token: str | None = None) -> Any:
        """The JSON answer of one call, None where it is empty. Raises urllib.error.HTTPError with the answer in it."""
        given = self.operator_token if token is None else token
        return _call(method, self.url + path, body, {"Authorization": f"Token {given}"})

    def org_id(self) -> str:
        """The organisation's id."""
        return str(self.api("GET", f"/api/v2/orgs?org={self.org}")["orgs"][0]["id"])

    def create_bucket(self, name: str, *, retention_s: int = 0, shard_group_s: int = 0) -> str:
        """Make a bucket and return its id. retention_s 0: for ever; shard_group_s 0: as the server chooses."""
        rule: dict[str, Any] = {"type": "expire", "everySeconds": retention_s}
        if shard_group_s:
            rule["shardGroupDurationSeconds"] = shard_group_s
        body = {"orgID": self.org_id(), "name": name, "retentionRules": [rule]}
        return str(self.api("POST", "/api/v2/buckets", body)["id"])

    def create_buckets(self, prefix: str) -> None:
        """Make the buckets of a store for tests: points of any time, in a few files of the server each."""
        for bucket in (RAW, HISTORY, RESULTS):
            self.create_bucket(bucket.name(prefix), shard_group_s=_SHARD_GROUP_S)

    def create_token(self, *permissions: tuple[str, str]) -> str:
        """A new token that may do (action, bucket id): `("read", id)`, `("write", id)`."""
        org_id = self.org_id()
        granted = [
            {"action": action, "resource": {"type": "buckets", "id": bucket_id, "orgID": org_id}}
            for action, bucket_id in permissions
        ]
        return str(self.api("POST", "/api/v2/authorizations", {"orgID": org_id, "permissions": granted})["token"])

    def write_lines(self, bucket: str, *lines: str) -> None:
        """Write line protocol as another client would, times in ns."""
        self.api("POST", f"/api/v2/write?org={self.org}&bucket={bucket}&precision=ns", "\n".join(lines).encode())

    def influxql(self, bucket: str, query: str, *, token: str | None = None) -> list[list[Any]]:
        """The rows of one InfluxQL statement, times in ns."""
        fields = urllib.parse.urlencode({"db": bucket, "epoch": "ns", "q": query})
        (result,) = self.api("GET", f"/query?{fields}", token=token)["results"]
        return [row for series in result.get("series", []) for row in series["values"]]

    def flux(self, query: str, *, token: str | None = None) -> str:
        """The CSV that a Flux query gives."""
        given = self.operator_token if token is None else token
        headers = {"Authorization": f"Token {given}", "Content-Type": "application/vnd.flux"}
        return _ask("POST", f"{self.url}/api/v2/query?org={self.org}", query.encode(), headers).decode()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone. Only for a server that these tests started."""
        self._own().kill()

    def stop(self) -> None:
        """SIGTERM, and wait until it has ended. Only for a server that these tests started."""
        self._own().stop()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP while the block runs: it listens, and answers nothing. Only for a server that these tests started."""
        process = self.process
        assert process is not None, "this server was not started by the tests"
        process.suspend()
        try:
            yield
        finally:
            process.resume()

    def start(self) -> None:
        """Start it again with the same data on the same port, and wait until it answers."""
        self._own().start()

    @property
    def process(self) -> "psutil.Process | None":
        """The server's process; None for one that has ended or that these tests did not start."""
        started = self._server.process if self._server is not None else None
        return None if started is None or started.poll() is not None else psutil.Process(started.pid)

    @property
    def log(self) -> str:
        """What it has written to its log so far."""
        return self._own().log()

    def _own(self) -> "_Server":
        assert self._server is not None, "this server was not started by the tests"
        return self._server


@dataclass
class _Server:
    folder: Path
    flags: Sequence[str]
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        command = [
            "influxd",
            *("--http-bind-address", f"127.0.0.1:{self.port}"),
            *("--bolt-path", str(self.folder / "influxd.bolt")),
            *("--sqlite-path", str(self.folder / "influxd.sqlite")),
            *("--engine-path", str(self.folder / "engine")),
            "--reporting-disabled",
            *self.flags,
        ]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("INFLUXD_")}
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment
            )
        try:
            self.port = self._wait("listens", self._listening_port)
            self._wait("is ready", self._is_ready)
        except BaseException:
            self.kill()
            raise

    @property
    def _log_path(self) -> Path:
        return self.folder / "influxd.log"

    def log(self) -> str:
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def _wait(self, what: str, done: "Callable[[], int]") -> int:
        deadline = time.monotonic() + READY_WITHIN_S
        while not (found := done()):
            code = self.process.poll() if self.process is not None else None
            assert code is None, f"influxd ended with {code}:\n{self.log()[-2_000:]}"
            assert time.monotonic() < deadline, f"no influxd that {what} in {READY_WITHIN_S} s:\n{self.log()[-2_000:]}"
            time.sleep(0.02)
        return found

    def _listening_port(self) -> int:
        found = _LISTENING.search(self.log())
        return int(found[1]) if found else 0

    def _is_ready(self) -> int:
        try:
            return int(_call("GET", f"http://127.0.0.1:{self.port}/health")["status"] == "pass")
        except (urllib.error.URLError, ConnectionError):
            return 0

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10.0)
        except subprocess.TimeoutExpired:
            self.kill()


def _call(method: str, url: str, body: object = None, headers: dict[str, str] | None = None) -> Any:
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    content = _ask(method, url, data, headers or {})
    return json.loads(content) if content else None


def _ask(method: str, url: str, data: bytes | None, headers: dict[str, str]) -> bytes:
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with _OPENER.open(request, timeout=30.0) as answer:
            return bytes(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            error.msg = f"{error.msg}: {error.read().decode(errors='replace')}"
        raise


@contextmanager
def running_influxd(folder: Path, *flags: str) -> Iterator[Influxd]:
    """A server with all its files in `folder`, set up with a random token, ended afterwards.

    flags: further options of influxd; with any, or with INFLUXDB_URL unset, one is started. Else the existing one.
    """
    if _existing() and not flags:
        url, token = os.environ["INFLUXDB_URL"].rstrip("/"), os.environ["INFLUXDB_OPERATOR_TOKEN"]
        yield Influxd(url, os.environ.get("INFLUXDB_ORG", ORG), token)
        return
    with started_influxd(folder, *flags) as server:
        server.operator_token = secrets.token_urlsafe(32)
        names = {"username": "tests", "password": secrets.token_hex(16), "org": ORG, "bucket": "unused"}
        _call("POST", f"{server.url}/api/v2/setup", {**names, "token": server.operator_token})
        yield server


@contextmanager
def started_influxd(folder: Path, *flags: str) -> Iterator[Influxd]:
    """A server with all its files in `folder` that nobody has set up, ended afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    server = _Server(folder, flags)
    server.start()
    try:
        yield Influxd(f"http://127.0.0.1:{server.port}", ORG, "", server)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    """One server for all tests of a session: give each test buckets of its own. Skips where there is none."""
    if not (_existing() or shutil.which("influxd")):
        pytest.skip(_MISSING)
    with running_influxd(tmp_path_factory.mktemp("influxd")) as server:
        yield server
