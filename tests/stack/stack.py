"""The stack as a user has it: `make up`, the published addresses, Docker's own view of its containers."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pdm_platform.local.processes import free_port
from tests.servers.grafana import Grafana

ROOT = Path(__file__).parents[2]
# a proxy of the environment must not be asked for what listens on loopback
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def tell(text: str) -> None:
    """Progress, with the time of day."""
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def wait_until(done: Callable[[], bool], what: str, within_s: float, every_s: float = 1.0) -> float:
    """Wait for it; the seconds that took. Fails the test, saying `what`, when that takes longer."""
    started_s = time.monotonic()
    while not done():
        waited_s = time.monotonic() - started_s
        assert waited_s < within_s, f"waited {within_s:g} s in vain: {what}"
        time.sleep(every_s)
    return time.monotonic() - started_s


@dataclass
class ComposeStack:
    """One project of Docker Compose, with secrets and ports of its own."""

    project: str
    secrets: Path
    ports: dict[str, int] = field(
        default_factory=lambda: {name: free_port() for name in ("MQTT_TLS", "DAGSTER", "GRAFANA", "REPORTS")}
    )

    @property
    def environment(self) -> dict[str, str]:
        """What `make` and `docker compose` are told."""
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("PDM_", "COMPOSE_"))}
        ports = {f"PDM_{name}_PORT": str(port) for name, port in self.ports.items()}
        return {
            **mine,
            **ports,
            "COMPOSE_PROJECT_NAME": self.project,
            "PDM_SECRETS_DIR": str(self.secrets),
            "PDM_TAG": "test",
        }

    def make(self, target: str, *variables: str, check: bool = True) -> str:
        """`make TARGET VARIABLES`; what it printed. Fails the test where it fails, unless told otherwise."""
        done = self._run("make", "--no-print-directory", target, *variables)
        output = done.stdout + done.stderr
        assert not check or done.returncode == 0, output
        return output

    def compose(self, *arguments: str) -> str:
        """`docker compose ARGUMENTS`; its stdout."""
        done = self._run("docker", "compose", "--profile", "demo", "--profile", "tools", *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=900
        )

    def containers(self) -> dict[str, dict[str, Any]]:
        """What `docker compose ps` says of each lasting service."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        found = {entry["Service"]: entry for entry in map(json.loads, lines)}
        return {name: entry for name, entry in found.items() if name not in ("setup", "store-init", "files")}

    def unhealthy(self) -> list[str]:
        """Lasting services that are not running and healthy now."""
        return [name for name, entry in self.containers().items() if entry["Health"] != "healthy"]

    def restarts(self, service: str) -> int:
        """How often Docker has started the service's container again by itself."""
        name = self.containers()[service]["Name"]
        return int(self._run("docker", "inspect", "--format", "{{.RestartCount}}", name).stdout)

    def kill(self, service: str) -> None:
        """SIGKILL for every process of the container: it dies as by the kernel's own hand.

        Not `docker kill`: Docker takes that for the wish of a person, and does not start such a container again.
        """
        self._run("docker", "compose", "--profile", "demo", "exec", "-T", service, "sh", "-c", "kill -9 -1")

    def secret(self, name: str) -> str:
        """The content of a file below the folder of secrets, whoever owns it."""
        return self.compose("run", "--rm", "--no-deps", "-T", "files", "cat", f"/secrets/{name}")

    def add_device(self, name: str) -> dict[str, Any]:
        """An account at the broker, as `pdmctl devices add --json` tells it."""
        told = self.compose("run", "--rm", "--no-deps", "-T", "setup", "pdmctl", "devices", "add", name, "--json")
        account: dict[str, Any] = json.loads(told)
        return account

    def influxql(self, query: str, database: str = "pdm_raw") -> list[dict[str, Any]]:
        """Rows of an InfluxQL query, asked through Grafana's data source, as a panel asks."""
        address = urllib.parse.urlencode({"db": database, "q": query, "epoch": "ns"})
        path = f"/api/datasources/proxy/uid/pdm-influxql/query?{address}"
        answer = self.grafana.api("GET", path)
        (result,) = answer["results"]
        assert "error" not in result, result
        return [
            {**dict(zip(series["columns"], row, strict=True)), **series.get("tags", {})}
            for series in result.get("series", [])
            for row in series["values"]
        ]

    def count(self, measurement: str, database: str = "pdm_raw", where: str = "") -> int:
        """Points of a measurement."""
        rows = self.influxql(f'SELECT count("present") FROM "{measurement}" {where}', database)
        return int(rows[0]["count"]) if rows else 0

    @property
    def grafana(self) -> Grafana:
        """Its Grafana, asked as admin."""
        password = (self.secrets / "operator" / "grafana-admin-password").read_text().strip()
        return Grafana(f"http://127.0.0.1:{self.ports['GRAFANA']}", self.secrets, password)

    def graphql(self, query: str, **variables: Any) -> Any:
        """The data of a GraphQL query to Dagster's webserver, which is what its UI asks."""
        answer = _ask(
            f"http://127.0.0.1:{self.ports['DAGSTER']}/graphql",
            body={"query": query, "variables": variables},
            headers={"Content-Type": "application/json"},
        )
        assert "errors" not in answer, answer
        return answer["data"]

    def launch(self, job: str) -> str:
        """Start a job as a click in the UI does; its run id."""
        data = self.graphql(_LAUNCH, job=job)["launchRun"]
        assert data["__typename"] == "LaunchRunSuccess", data
        return str(data["run"]["runId"])

    def run_status(self, run_id: str) -> str:
        """SUCCESS, FAILURE, STARTED, ..."""
        return str(self.graphql(_STATUS, run=run_id)["runOrError"]["status"])

    def runs(self) -> dict[str, str]:
        """Every run that Dagster knows: id to status."""
        found = self.graphql("{ runsOrError { ... on Runs { results { runId status } } } }")
        return {run["runId"]: run["status"] for run in found["runsOrError"]["results"]}


_LAUNCH = """
mutation($job: String!) {
  launchRun(executionParams: {
    selector: {repositoryLocationName: "pdm", repositoryName: "__repository__", jobName: $job}, runConfigData: "{}"
  }) { __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } }
}
"""
_STATUS = "query($run: ID!) { runOrError(runId: $run) { ... on Run { status } ... on PythonError { message } } }"


def _ask(url: str, *, body: object = None, headers: dict[str, str] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, headers or {})
    try:
        with _OPENER.open(request, timeout=30.0) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            error.msg = f"{error.msg}: {error.read().decode(errors='replace')[:500]}"
        raise
