"""From `make up` on an empty machine to a promoted model; each container killed; a backup, restored elsewhere.

The tests follow each other on one stack, in the order of this file.
"""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from pdm_platform.contract.errors import BrokerRefusedError
from pdm_platform.contract.times import NS_PER_S
from tests.grafana.answers import Row, telling, through_grafana
from tests.grafana.questions import ALL, DASHBOARDS, Asked, Span, of_panels
from tests.stack.conftest import new_stack
from tests.stack.probe import Probe
from tests.stack.stack import ComposeStack, tell, wait_until

RAW, HISTORY, RESULTS = "pdm_raw", "pdm_history", "pdm_results"
EXPECTED = {
    *("mosquitto", "influxdb", "postgres", "grafana", "bridge", "inference", "simulators"),
    *("dagster-code", "dagster-webserver", "dagster-daemon", "reports"),
}
# what nobody depends on comes first; the broker and the store, on which all depend, last
KILLED = (
    *("reports", "simulators", "grafana", "dagster-webserver", "dagster-daemon", "dagster-code"),
    *("inference", "bridge", "postgres", "influxdb", "mosquitto"),
)
HEALTHY_WITHIN_S = 150.0
PUMPS = tuple(f"pump-{number:03d}" for number in range(1, 25))
# what a dashboard chooses when it is opened
CHOSEN = {"site": ALL, "worst": ALL, "silent": "10", "bucket": RAW, "dagster_url": "", "reports_url": ""}
# Flaws that simulated pumps do not have within minutes, and what comes and goes with the pumps that fail: a panel may
# have nothing to show of these just now. tests/grafana has a plant in which each of them is found.
NOT_ALWAYS = {
    *(f"Implausible values, by channel {ref}" for ref in "ABCDEFGH"),
    *("Implausible readings A", "Values not given, by channel A", "Stuck sensors A", "Silent A"),
    *("Next to fail A", "Standing alarms A", "Standing alarm A", "Remaining life A", "Lost most health in 24 h A"),
    *("Confidence B", "Confidence C", "Confidence D", "Last maintenance A", "Missing readings by pump A"),
}
PROBE = "stack-probe"


@pytest.fixture(scope="module")
def account(stack: ComposeStack) -> dict[str, Any]:
    return stack.add_device(PROBE)


def _probe(stack: ComposeStack, account: dict[str, Any], speaks_for: str = "") -> Probe:
    return Probe(account, stack.ports["MQTT_TLS"], stack.secrets / "operator" / "ca.crt", speaks_for=speaks_for)


def _stored(stack: ComposeStack, device_id: str) -> list[int]:
    rows = stack.influxql(f"SELECT measurement_id FROM pump_telemetry WHERE device_id = '{device_id}'")
    return [int(row["measurement_id"]) for row in rows]


def test_make_up_starts_everything_and_says_where_it_is_without_telling_a_secret(stack: ComposeStack) -> None:
    tell(f"make up, project {stack.project} ...")
    started_s = time.monotonic()
    said = stack.make("up", "DEMO=1")
    tell(f"up after {time.monotonic() - started_s:.0f} s")

    assert set(stack.containers()) == EXPECTED
    assert stack.unhealthy() == []
    for port in stack.ports.values():
        assert f"127.0.0.1:{port}" in said
    everything = "for file in $(find /secrets -type f -size -4k); do cat $file; echo; done"
    told = stack.compose("run", "--rm", "--no-deps", "-T", "files", "sh", "-c", everything)
    secrets = {line for line in told.splitlines() if len(line) > 20}
    assert len(secrets) > 20
    assert not [secret for secret in secrets if secret in said]


def test_a_second_make_up_changes_no_secret(stack: ComposeStack) -> None:
    before = stack.secret("grafana/admin-password") + stack.secret("bridge/store-token")

    stack.make("up", "DEMO=1")

    assert stack.secret("grafana/admin-password") + stack.secret("bridge/store-token") == before


def test_retrain_started_in_the_ui_promotes_a_model_that_then_predicts(stack: ComposeStack) -> None:
    run = stack.launch("retrain")
    took_s = wait_until(lambda: stack.run_status(run) in ("SUCCESS", "FAILURE", "CANCELED"), "the run ends", 600.0, 5.0)
    tell(f"retrain: {stack.run_status(run)} after {took_s:.0f} s")

    assert stack.run_status(run) == "SUCCESS"
    wait_until(lambda: stack.count("pump_prediction") > 100, "predictions are in the store", 60.0)
    promoted = json.loads(stack.compose("exec", "-T", "inference", "cat", "/var/lib/pdm/registry/production.json"))
    status = json.loads(
        stack.compose("exec", "-T", "inference", "python", "-m", "pdm_platform.runtime.healthz", "9102")
    )
    assert promoted["version"].startswith("v20")
    assert status["healthy"]


def test_what_the_panels_show_is_in_the_store(stack: ComposeStack) -> None:
    run = stack.launch("monitor")
    wait_until(lambda: stack.run_status(run) in ("SUCCESS", "FAILURE"), "monitoring ends", 300.0, 3.0)
    assert stack.run_status(run) == "SUCCESS"

    def missing() -> list[str]:
        counted = {
            **{name: stack.count(name, RAW) for name in ("pump_telemetry", "pump_prediction")},
            **{name: stack.count(name, HISTORY) for name in ("pump_labels", "pump_alarm")},
            **{
                name: stack.count(name, RESULTS)
                for name in ("model_event", "drift_score", "expectation_result", "job_run")
            },
            "1m": len(stack.influxql("SELECT vibration_rms FROM pump_telemetry LIMIT 10", "pdm_1m")),
            "metrics": len(stack.influxql("SHOW MEASUREMENTS", "pdm_metrics")),
        }
        return [name for name, points in counted.items() if not points]

    wait_until(lambda: not missing(), "every measurement has points", 240.0, 5.0)
    assert missing() == []


def test_a_stranger_and_a_device_that_speaks_for_another_stay_outside(
    stack: ComposeStack, account: dict[str, Any]
) -> None:
    time.sleep(3.0)  # the broker reads its accounts anew within two seconds
    with pytest.raises(BrokerRefusedError), _probe(stack, {**account, "password": "guess"}):
        pytest.fail("the broker let a wrong password in")
    with _probe(stack, account, speaks_for="pump-001") as liar:
        time.sleep(2.0)
    time.sleep(2.0)

    # MQTT 3.1.1 knows no refusal of a publish: the broker acknowledges it and drops it
    assert liar.acknowledged
    assert _stored(stack, PROBE) == []
    quarantined = stack.compose("exec", "-T", "bridge", "sh", "-c", "cat /var/lib/pdm/quarantine/* || true")
    assert PROBE not in quarantined


def _killed(stack: ComposeStack, service: str) -> float:
    """Kill a container; the seconds until the whole stack is healthy again."""
    before = stack.restarts(service)
    stack.kill(service)
    wait_until(lambda: stack.restarts(service) > before, f"{service} is started again", 60.0)
    # what was healthy a moment ago is still called so until its next checks
    time.sleep(12.0)
    return 12.0 + wait_until(lambda: not stack.unhealthy(), f"all is healthy after {service} died", HEALTHY_WITHIN_S)


def _with_run_killed(stack: ComposeStack) -> float:
    """The same for the code server, in the middle of a run, which then must not count as running for ever."""
    run = stack.launch("retrain")
    wait_until(lambda: stack.run_status(run) == "STARTED", "the run starts", 90.0)
    took_s = _killed(stack, "dagster-code")
    waited_s = wait_until(lambda: stack.run_status(run) == "FAILURE", "the run is given up", 120.0)
    tell(f"the run that died with the code server is marked failed {took_s + waited_s:.0f} s later")
    return took_s


def test_each_container_killed_in_turn_comes_back_and_no_acknowledged_reading_is_lost(
    stack: ComposeStack, account: dict[str, Any]
) -> None:
    with _probe(stack, account) as probe:
        time.sleep(3.0)
        for service in KILLED:
            took_s = _with_run_killed(stack) if service == "dagster-code" else _killed(stack, service)
            tell(f"killed {service}: all healthy within {took_s:.0f} s, probe at {probe.published}")
    tell(f"published {probe.published}, acknowledged {len(probe.acknowledged)}")

    assert len(probe.acknowledged) == probe.published > 1_000
    wait_until(lambda: len(_stored(stack, PROBE)) >= probe.published, "all are stored", 60.0)
    stored = _stored(stack, PROBE)
    assert set(stored) == probe.acknowledged
    assert len(stored) == len(set(stored))


@pytest.mark.parametrize("dashboard", sorted(DASHBOARDS))
def test_every_panel_of_every_dashboard_shows_something_but_for_what_is_not_there_now(
    stack: ComposeStack, dashboard: str
) -> None:
    now_ns = time.time_ns()
    span = Span(now_ns - 3_600 * NS_PER_S, now_ns)

    def ask(asked: Asked) -> list[Row]:
        return telling(through_grafana(stack.grafana, asked, span))

    queries = of_panels(dashboard)
    empty = [asked.where for asked in queries if not any(ask(asked.filled({**CHOSEN, "pump": pump})) for pump in PUMPS)]
    tell(f"{dashboard}: {len(queries) - len(empty)} queries with rows, without: {', '.join(empty) or 'none'}")

    assert set(empty) <= NOT_ALWAYS


def test_a_backup_restored_into_an_empty_stack_has_everything_and_goes_on(
    stack: ComposeStack, account: dict[str, Any], folder: Path
) -> None:
    stack.compose("stop", "simulators")
    time.sleep(5.0)
    before, until_ns = _facts(stack), time.time_ns()
    said = stack.make("backup", f"TO={folder / 'backups'}")
    (backup,) = (folder / "backups").iterdir()
    tell(f"backup: {sum(path.stat().st_size for path in backup.iterdir()) / 1e6:.1f} MB")
    assert str(backup) in said
    # what stood still for the backup failed its health checks meanwhile
    wait_until(lambda: stack.unhealthy() == ["simulators"], "what stood still is healthy again", 60.0)
    refused = stack.make("restore", f"FROM={backup}", check=False)
    assert "is not empty" in refused
    stack.make("down")

    with new_stack(folder / "second") as second:
        second.make("restore", f"FROM={backup}")
        second.make("up")
        after = _facts(second, until_ns)
        tell(f"restored: {json.dumps({name: value for name, value in after.items() if name != 'runs'})}")

        assert after == before
        with _probe(second, account) as probe:
            time.sleep(3.0)
        published = probe.acknowledged
        again = f"WHERE device_id = '{PROBE}' AND time > {until_ns}"
        wait_until(lambda: second.count("pump_telemetry", where=again) == len(published), "new readings arrive", 30.0)
        assert len(published) > 10
        run = second.launch("monitor")
        wait_until(lambda: second.run_status(run) in ("SUCCESS", "FAILURE"), "monitoring ends", 300.0, 3.0)
        assert second.run_status(run) == "SUCCESS"


def _facts(stack: ComposeStack, until_ns: int | None = None) -> dict[str, Any]:
    """What a stack holds, up to a moment: points, runs, models, accounts."""
    until_ns = until_ns or time.time_ns()
    where = f"WHERE time <= {until_ns}"
    points = {
        f"{bucket} {name}": stack.count(name, bucket, where)
        for bucket, names in (
            (RAW, ("pump_telemetry", "pump_prediction")),
            (HISTORY, ("pump_labels", "pump_alarm")),
            (RESULTS, ("model_event", "drift_score", "expectation_result", "job_run")),
        )
        for name in names
    }
    cat = ("exec", "-T", "dagster-code", "sh", "-c")
    return {
        **points,
        "runs": {run: status for run, status in stack.runs().items() if status in ("SUCCESS", "FAILURE")},
        "production": stack.compose(*cat, "cat /var/lib/pdm/registry/production.json"),
        "ledger": stack.compose(*cat, "sha256sum < /var/lib/pdm/registry/ledger.jsonl"),
        "models": stack.compose(*cat, "cd /var/lib/pdm/registry/versions && find . -type f | sort | xargs sha256sum"),
        "lake": stack.compose(*cat, "cd /var/lib/pdm/lake && find . -name '*.parquet' | sort | xargs sha256sum"),
        "devices": stack.compose("run", "--rm", "--no-deps", "-T", "setup", "pdmctl", "devices", "list"),
    }
