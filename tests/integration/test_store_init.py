"""`pdmctl store` against a real influxd: set up from nothing, again without a change, tokens by need, downsampling."""

import socket
import threading
import time
import urllib.error
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from pdm_platform.contract.errors import SettingsError, StoreAccessError, StoreError
from pdm_platform.contract.measurements import (
    ALL_TIME,
    JOB_RUN,
    PUMP_ALARM,
    PUMP_PREDICTION,
    PUMP_TELEMETRY,
    TIME,
    Measurement,
)
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S, iso_of
from pdm_platform.contract.topics import Topics
from pdm_platform.deployment import secrets
from pdm_platform.deployment.settings import DeploymentSettings
from pdm_platform.deployment.store_api import StoreApi
from pdm_platform.deployment.store_cli import app
from pdm_platform.deployment.store_downsample import downsample_span
from pdm_platform.deployment.store_init import Step, influx_address, initialise
from pdm_platform.deployment.store_tasks import PASSES
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.stores.influx_buckets import BUCKETS
from pdm_platform.stores.telemetry import TelemetryStore, open_store
from tests.servers.influxd import Influxd, needs_own_influxd, started_influxd

pytestmark = [pytest.mark.integration, needs_own_influxd]
MINUTE_NS = 60 * NS_PER_S


class Plant:
    """A server that nobody has set up yet, and the folder of its secrets."""

    def __init__(self, folder: Path, influxd: Influxd, *targets: str) -> None:
        self.influxd = influxd
        self.settings = DeploymentSettings(secrets_dir=folder / "secrets", metrics_targets=",".join(targets))
        self.platform = PlatformSettings(home=folder / "home", store_url=influxd.store_url("pdm"))
        secrets.init(self.settings, Topics(), datetime.now(UTC))
        self.told: list[str] = []

    def init(self) -> list[Step]:
        return list(initialise(self.settings, self.platform, self.told.append))

    def secret(self, name: str) -> str:
        return (self.settings.secrets_dir / name).read_text(encoding="utf-8")

    def store(self, service: str) -> TelemetryStore:
        return open_store(self.platform.store_url, token=self.secret(f"{service}/store-token"))

    def api(self, method: str, path: str, body: object = None, *, token: str = "") -> Any:
        return self.influxd.api(method, path, body, token=token or self.secret("influxdb/operator-token"))

    def flux(self, text: str) -> str:
        return str(self.influxd.flux(text, token=self.secret("grafana/store-token")))


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("store-init")
    with started_influxd(folder / "influxd") as influxd:
        made = Plant(folder, influxd)
        made.init()
        yield made


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Plant]:
    with started_influxd(tmp_path / "influxd") as influxd:
        yield Plant(tmp_path, influxd)


def row(measurement: Measurement, time_ns: int, **values: Any) -> pa.Table:
    tags = dict.fromkeys(measurement.tags, "x")
    return pa.Table.from_pylist([{**tags, TIME: time_ns, **values}], schema=measurement.schema)


# -- setting up


def test_a_new_server_gets_buckets_tokens_and_tasks_and_a_second_run_changes_nothing(empty: Plant) -> None:
    first = empty.init()
    tokens = {name: empty.secret(f"{name}/store-token") for name in ("bridge", "dagster-code", "grafana", "operator")}
    second = empty.init()

    assert {(step.kind, step.done) for step in first if step.name != "pdm_raw"} == {
        (kind, "made") for kind in ("server", "bucket", "token", "task")
    }
    assert {step.done for step in second} == {"kept"}
    assert {name: empty.secret(f"{name}/store-token") for name in tokens} == tokens
    assert len(set(tokens.values())) == 4
    rules = {
        found["name"]: found["retentionRules"] for found in empty.api("GET", "/api/v2/buckets?limit=100")["buckets"]
    }
    for bucket in BUCKETS:
        assert rules[bucket.name("pdm")][0]["everySeconds"] == bucket.retention_s
        if bucket.shard_group_s:
            assert rules[bucket.name("pdm")][0]["shardGroupDurationSeconds"] == bucket.shard_group_s
    tasks = empty.api("GET", "/api/v2/tasks?limit=100")["tasks"]
    assert sorted(task["name"] for task in tasks) == sorted(f"pdm: {step.name}" for step in PASSES)
    assert {task["status"] for task in tasks} == {"active"}


def test_what_was_changed_or_lost_is_put_right(empty: Plant) -> None:
    empty.init()
    buckets = {found["name"]: found for found in empty.api("GET", "/api/v2/buckets?limit=100")["buckets"]}
    empty.api("PATCH", f"/api/v2/buckets/{buckets['pdm_raw']['id']}", {"retentionRules": [{"everySeconds": 86_400}]})
    empty.api("DELETE", f"/api/v2/buckets/{buckets['pdm_1h']['id']}")
    task, other, *_ = empty.api("GET", "/api/v2/tasks?limit=100")["tasks"]
    empty.api("PATCH", f"/api/v2/tasks/{task['id']}", {"status": "inactive"})
    stale = 'option task = {name: "pdm: of old", every: 1h}\nfrom(bucket: "pdm_raw") |> range(start: -1h)'
    empty.api("POST", "/api/v2/tasks", {"orgID": other["orgID"], "flux": stale})
    before = empty.secret("bridge/store-token")
    (empty.settings.secrets_dir / "bridge" / "store-token").write_text("of another server")

    steps = {step.name: step.done for step in empty.init() if step.done != "kept"}

    # the tokens that may read the lost bucket name it by its id
    assert steps == {
        "pdm_raw": "changed",
        "pdm_1h": "made",
        "bridge/store-token": "changed",
        "grafana/store-token": "changed",
        "operator/store-token": "changed",
        task["name"]: "changed",
        "pdm: of old": "removed",
    }
    assert {step.done for step in empty.init()} == {"kept"}
    with pytest.raises(urllib.error.HTTPError, match="unauthorized"):
        empty.api("GET", "/api/v2/buckets", token=before)


def test_metrics_are_collected_from_the_services_that_are_named_and_from_no_others(tmp_path: Path) -> None:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.end_headers()
            self.wfile.write(b"# TYPE pdm_bridge_queue_length gauge\npdm_bridge_queue_length 7\n")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    with closing(socket.socket()) as unused, started_influxd(tmp_path / "influxd") as influxd:
        unused.bind(("127.0.0.1", 0))
        gone = f"http://127.0.0.1:{unused.getsockname()[1]}/metrics"
        before = Plant(tmp_path, influxd, gone)
        assert ("scraper", gone, "made") in [(step.kind, step.name, step.done) for step in before.init()]

        now = Plant(tmp_path, influxd, url)
        steps = [(step.name, step.done) for step in now.init() if step.kind == "scraper"]

        assert steps == [(url, "made"), (gone, "removed")]
        # it looks every 10 s, which nothing can change
        query = 'from(bucket: "pdm_metrics") |> range(start: -1m) |> filter(fn: (r) => r._field == "gauge") |> last()'
        deadline_s = time.monotonic() + 25.0
        while ",7," not in (found := now.flux(query)):
            assert time.monotonic() < deadline_s, found
            time.sleep(0.5)
        assert "pdm_bridge_queue_length" in found
    server.shutdown()
    server.server_close()


def test_a_server_that_was_set_up_with_other_secrets_is_not_touched(empty: Plant, tmp_path: Path) -> None:
    empty.init()
    other = Plant(tmp_path / "other", empty.influxd)

    with pytest.raises(StoreAccessError, match=r"does not know the token in .*operator-token") as refused:
        other.init()

    assert "backup" in refused.value.hint
    assert not (other.settings.secrets_dir / "bridge" / "store-token").exists()


def test_a_server_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdm_platform.deployment.store_api._READY_WITHIN_S", 1.0)
    plant = Plant(tmp_path, Influxd("http://127.0.0.1:1", "pdm", ""))

    with pytest.raises(StoreError, match=r"/health at http://127.0.0.1:1: .*refused"):
        plant.init()

    assert plant.told == ["waiting for InfluxDB at http://127.0.0.1:1 ..."]


def test_the_embedded_store_needs_no_setting_up(tmp_path: Path) -> None:
    settings = DeploymentSettings(secrets_dir=tmp_path)

    with pytest.raises(SettingsError, match="PDM_STORE_URL='': only InfluxDB"):
        list(initialise(settings, PlatformSettings(home=tmp_path), print))


# -- tokens by need


@pytest.mark.parametrize(
    ("service", "may_write", "may_not_write"),
    [
        ("bridge", (PUMP_TELEMETRY, PUMP_ALARM), (JOB_RUN,)),
        ("dagster-code", (JOB_RUN,), (PUMP_TELEMETRY, PUMP_ALARM)),
        ("grafana", (), (PUMP_TELEMETRY, PUMP_ALARM, JOB_RUN)),
        ("operator", (), (PUMP_TELEMETRY, PUMP_ALARM, JOB_RUN)),
    ],
)
def test_a_service_writes_what_it_has_to_and_nothing_else(
    plant: Plant, service: str, may_write: tuple[Measurement, ...], may_not_write: tuple[Measurement, ...]
) -> None:
    store = plant.store(service)
    now_ns = time.time_ns()
    for measurement in may_write:
        store.write(measurement, row(measurement, now_ns))
        assert store.count(measurement, ALL_TIME) == 1
    for measurement in may_not_write:
        with pytest.raises(StoreAccessError, match=r"may not write|refused the token"):
            store.write(measurement, row(measurement, now_ns))
    store.close()


def test_a_service_cannot_read_what_it_should_not_nor_change_the_server(plant: Plant) -> None:
    bridge, grafana = plant.secret("bridge/store-token"), plant.secret("grafana/store-token")

    with pytest.raises(StoreAccessError, match="does not exist, or the token may not read it"):
        plant.store("bridge").count(JOB_RUN, ALL_TIME)
    org_id = plant.api("GET", "/api/v2/orgs")["orgs"][0]["id"]
    for token in (bridge, grafana):
        with pytest.raises(urllib.error.HTTPError, match=r"unauthorized|forbidden"):
            plant.api("POST", "/api/v2/buckets", {"orgID": org_id, "name": "mine"}, token=token)
        assert plant.api("GET", "/api/v2/authorizations", token=token)["authorizations"] == []


# -- downsampling


def run_of(plant: Plant, task_id: str, run_id: str) -> Any:
    """A task's run. For a moment, when it has ended and is not in the log yet, the server does not know it."""
    try:
        return plant.api("GET", f"/api/v2/tasks/{task_id}/runs/{run_id}")
    except urllib.error.HTTPError as error:
        if error.code != 404:
            raise
        return {"status": "in between"}


def test_a_task_of_the_server_writes_mean_min_and_max_with_the_start_of_their_window(plant: Plant) -> None:
    store = plant.store("bridge")
    minute_ns = (time.time_ns() // MINUTE_NS - 3) * MINUTE_NS
    for second, value in ((1, 2.0), (20, 4.0), (59, 9.0)):
        store.write(
            PUMP_TELEMETRY, row(PUMP_TELEMETRY, minute_ns + second * NS_PER_S, device_id="task, 1", current=value)
        )
        store.write(
            PUMP_PREDICTION, row(PUMP_PREDICTION, minute_ns + second * NS_PER_S, device_id="task, 1", rul_hours=value)
        )
    store.close()
    (task,) = [
        found for found in plant.api("GET", "/api/v2/tasks?limit=100")["tasks"] if found["name"] == "pdm: minutes"
    ]

    run = plant.api("POST", f"/api/v2/tasks/{task['id']}/runs", {})
    deadline_s = time.monotonic() + 60.0
    while (state := run_of(plant, task["id"], run["id"]))["status"] in ("scheduled", "started", "in between"):
        assert time.monotonic() < deadline_s
        time.sleep(0.2)

    assert state["status"] == "success", state
    for measurement, field in ((PUMP_TELEMETRY, "current"), (PUMP_PREDICTION, "rul_hours")):
        points = plant.influxd.influxql(
            "pdm_1m",
            f'SELECT "{field}", "agg" FROM "{measurement.name}" WHERE "device_id" = \'task, 1\'',
            token=plant.secret("grafana/store-token"),
        )
        assert sorted(map(tuple, points)) == [
            (minute_ns, 2.0, "min"),
            (minute_ns, 5.0, "mean"),
            (minute_ns, 9.0, "max"),
        ]


def test_what_arrived_late_is_downsampled_into_both_buckets_and_twice_changes_nothing(plant: Plant) -> None:
    store = plant.store("bridge")
    hour_ns = (time.time_ns() // NS_PER_HOUR - 24 * 10) * NS_PER_HOUR
    for minute, value in ((0, 1.0), (59, 3.0), (60, 10.0)):
        store.write(PUMP_TELEMETRY, row(PUMP_TELEMETRY, hour_ns + minute * MINUTE_NS, device_id="late", rpm=value))
    store.close()
    span = iso_of(hour_ns + MINUTE_NS), iso_of(hour_ns + NS_PER_HOUR + MINUTE_NS)

    points = [downsample_span(plant.settings, plant.platform, *span, plant.told.append) for _ in range(2)]

    assert points == [15, 15], "three minutes and two hours, of each mean, min and max"
    assert plant.told[-1].endswith("(2 of 2)")
    token = plant.secret("grafana/store-token")
    hours = plant.influxd.influxql(
        "pdm_1h", 'SELECT "rpm", "agg" FROM "pump_telemetry" WHERE "device_id" = \'late\'', token=token
    )
    assert sorted(map(tuple, hours)) == [
        *((hour_ns, value, aggregate) for value, aggregate in ((1.0, "min"), (2.0, "mean"), (3.0, "max"))),
        *((hour_ns + NS_PER_HOUR, 10.0, aggregate) for aggregate in ("max", "mean", "min")),
    ]


def test_a_span_that_ends_before_it_begins_is_refused_by_name(plant: Plant) -> None:
    with pytest.raises(SettingsError, match="--from '2026-01-02' is not before --to '2026-01-01'"):
        downsample_span(plant.settings, plant.platform, "2026-01-02", "2026-01-01", print)


def test_the_command_prints_a_line_a_step_and_no_secret(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDM_STORE_URL", plant.platform.store_url)
    monkeypatch.setenv("PDM_SECRETS_DIR", str(plant.settings.secrets_dir))
    monkeypatch.setenv("PDM_METRICS_TARGETS", "http://127.0.0.1:9/metrics")

    said = CliRunner().invoke(app, ["init"])

    assert said.exit_code == 0, said.output
    assert "kept     bucket   pdm_raw                      kept 30 days" in said.output
    assert "made     scraper  http://127.0.0.1:9/metrics" in said.output
    for file in plant.settings.secrets_dir.glob("*/*token*"):
        assert file.read_text(encoding="utf-8") not in said.output


def test_a_script_that_fails_is_an_error_with_the_server_s_reason(plant: Plant) -> None:
    api = StoreApi(influx_address(plant.platform), plant.secret("influxdb/operator-token"))

    with pytest.raises(StoreError, match=r"answered 404: .*nowhere"):
        api.flux('from(bucket: "nowhere") |> range(start: -1h)')
    with pytest.raises(StoreError, match=r"answered 400: .*divide by zero"):
        api.flux('import "array"\narray.from(rows: [{a: 0}]) |> map(fn: (r) => ({r with a: 1 / r.a}))')
