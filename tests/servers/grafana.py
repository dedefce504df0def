"""A real Grafana for tests: provisioned and set as its container is, on a free loopback port, ended by its handle.

`PDM_GRAFANA_HOME` names the unpacked folder of Grafana 12 (with `bin` and `public` in it), or `grafana` is on PATH and
GF_PATHS_HOME names it.
"""

import base64
import json
import os
import re
import secrets
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from pdm_platform.local.processes import free_port

ROOT = Path(__file__).parents[2]
READY_WITHIN_S = 60.0
_MISSING = "no Grafana: PDM_GRAFANA_HOME names no folder with Grafana 12, nor GF_PATHS_HOME beside a grafana on PATH"
# ${NAME}, ${NAME:-what stands there where it is not set} and ${NAME:+what stands there where it is}
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-+])(?P<text>(?:[^{}]|\{[^{}]*\})*))?\}")
# a proxy of the environment must not be asked for what listens on loopback
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def command() -> list[str] | None:
    """How Grafana's server is started here, None where there is none."""
    home = Path(os.environ.get("PDM_GRAFANA_HOME") or os.environ.get("GF_PATHS_HOME") or "/nowhere")
    found = shutil.which("grafana", path=str(home / "bin")) or shutil.which("grafana")
    return [found, "server", "--homepath", str(home)] if found and (home / "public").is_dir() else None


needs_grafana = pytest.mark.skipif(command() is None, reason=_MISSING)


def container_environment(given: Mapping[str, str]) -> dict[str, str]:
    """What the compose file tells its service grafana where the environment of `docker compose` is `given`."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    entries: Mapping[str, str | None] = compose["services"]["grafana"]["environment"]
    told = {name: given.get(name) if text is None else _filled(text, given) for name, text in entries.items()}
    return {name: text for name, text in told.items() if text is not None}


def _filled(text: str, given: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        known, other = given.get(found["name"], ""), _filled(found["text"] or "", given)
        return {"-": known or other, "+": other if known else "", None: known}[found["kind"]]

    return _VARIABLE.sub(value, text)


@dataclass
class Grafana:
    """A running server. Its password is not in its repr."""

    url: str
    folder: Path
    password: str = field(repr=False)

    def api(self, method: str, path: str, body: object = None) -> Any:
        """The JSON answer of one call as `admin`. Raises urllib.error.HTTPError with the answer in it."""
        data = None if body is None else json.dumps(body).encode()
        token = base64.b64encode(f"admin:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with _OPENER.open(request, timeout=60.0) as answer:
                content = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                error.msg = f"{error.msg}: {error.read().decode(errors='replace')[:2_000]}"
            raise
        return json.loads(content) if content else None

    @property
    def log(self) -> str:
        """What it has written to its log so far."""
        return (self.folder / "grafana.log").read_text(encoding="utf-8", errors="replace")

    def complaints(self) -> list[str]:
        """Errors in its log."""
        return [line for line in self.log.splitlines() if "level=error" in line]


@contextmanager
def running_grafana(
    folder: Path, *, influx_url: str, token: str, environment: Mapping[str, str] | None = None
) -> Iterator[Grafana]:
    """A server with all its files in `folder`, that reads the store at influx_url; ended afterwards.

    environment: as `docker compose` would have it, for what the compose file takes from there.
    """
    started = command()
    if started is None:
        pytest.skip(_MISSING)
    port, password = free_port(), secrets.token_urlsafe(24)
    folder.mkdir(parents=True, exist_ok=True)
    told = {
        name: text
        for name, text in container_environment(environment or {}).items()
        # files of the container
        if not name.endswith("__FILE")
    }
    here = {
        "PDM_INFLUX_URL": influx_url,
        "PDM_DASHBOARDS": str(ROOT / "grafana" / "dashboards"),
        "GF_PDM_STORE_TOKEN": token,
        "GF_SECURITY_ADMIN_PASSWORD": password,
        "GF_SECURITY_SECRET_KEY": secrets.token_urlsafe(24),
        "GF_SERVER_ROOT_URL": f"http://127.0.0.1:{port}/",
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_PATHS_DATA": str(folder / "data"),
        "GF_PATHS_LOGS": str(folder / "log"),
        "GF_PATHS_PLUGINS": str(folder / "plugins"),
        "GF_PATHS_PROVISIONING": str(ROOT / "grafana" / "provisioning"),
    }
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("GF_", "PDM_"))}
    with _process(started, {**kept, **told, **here}, folder) as process:
        server = Grafana(f"http://127.0.0.1:{port}", folder, password)
        _wait_ready(server, process)
        yield server


@contextmanager
def _process(
    started: Sequence[str], environment: Mapping[str, str], folder: Path
) -> Iterator["subprocess.Popen[bytes]"]:
    with (folder / "grafana.log").open("wb") as log:
        process = subprocess.Popen(
            started, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=dict(environment)
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_ready(server: Grafana, process: "subprocess.Popen[bytes]") -> None:
    deadline_s = time.monotonic() + READY_WITHIN_S
    while not _is_ready(server):
        code = process.poll()
        assert code is None, f"Grafana ended with {code}:\n{server.log[-3_000:]}"
        assert time.monotonic() < deadline_s, f"no Grafana in {READY_WITHIN_S} s:\n{server.log[-3_000:]}"
        time.sleep(0.1)


def _is_ready(server: Grafana) -> bool:
    """It answers before it has read what it is provisioned with."""
    log = server.log
    if "finished to provision dashboards" not in log and "Failed to provision" not in log:
        return False
    try:
        return bool(server.api("GET", "/api/health")["database"] == "ok")
    except (urllib.error.URLError, ConnectionError):
        return False
