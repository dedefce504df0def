"""`pdmctl dev` as a user has it: the Dagster UI with all that it runs, a live fleet, and a Ctrl-C that ends it all."""

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from pdm_platform.contract.measurements import PUMP_TELEMETRY
from pdm_platform.local.processes import free_port
from tests.e2e.program import running, stored, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(150)]
GROUPS = {
    "simulated_lifecycles": "simulate",
    "telemetry_window": "extract",
    "validated_telemetry": "validate",
    "feature_table": "features",
    "candidate_model": "train",
    "model_evaluation": "evaluate",
    "production_model": "promote",
    "drift_report": "monitor",
    "prediction_quality": "monitor",
}
QUERY = """{
  assetNodes { assetKey { path } groupName }
  repositoriesOrError { ... on RepositoryConnection { nodes {
    jobs { name }
    schedules { name scheduleState { status } }
    sensors { name }
  } } }
}"""


def graphql(ui_port: int, query: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{ui_port}/graphql",
        json.dumps({"query": query}).encode(),
        {"Content-Type": "application/json"},
    )
    # a proxy of the environment must not be asked for what listens on loopback
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
        found: dict[str, Any] = json.load(answer)
    assert "errors" not in found, found["errors"]
    data: dict[str, Any] = found["data"]
    return data


def test_the_ui_offers_the_whole_flow_a_fleet_flows_and_ctrl_c_ends_all_of_it(tmp_path: Path) -> None:
    ui_port = free_port()

    with running("dev", "--folder", str(tmp_path), "--ui-port", str(ui_port), "--pumps", "4") as dev:
        dev.read_until("Ctrl-C stops everything")
        offered = graphql(ui_port, QUERY)
        wait_until(lambda: stored(tmp_path, PUMP_TELEMETRY).num_rows > 0, "telemetry of the fleet in the store")
        devices = set(stored(tmp_path, PUMP_TELEMETRY)["device_id"].to_pylist())
        started = dev.alive()
        ended_after_s = dev.interrupt()
        left = dev.alive()

    assert f"http://127.0.0.1:{ui_port} " in dev.output
    assert {node["assetKey"]["path"][-1]: node["groupName"] for node in offered["assetNodes"]} == GROUPS
    (repository,) = offered["repositoriesOrError"]["nodes"]
    assert {job["name"] for job in repository["jobs"]} - {"__ASSET_JOB"} == {"retrain", "monitor"}
    schedules = {each["name"]: each["scheduleState"]["status"] for each in repository["schedules"]}
    assert schedules == {"weekly_retraining": "STOPPED", "hourly_monitoring": "STOPPED"}
    assert {sensor["name"] for sensor in repository["sensors"]} == {
        *("retrain_on_lasting_drift", "report_failed_runs", "record_runs")
    }
    assert devices <= {"pump-001", "pump-002", "pump-003", "pump-004"}
    assert len(started) >= 6  # itself, broker, bridge, inference, fleet and Dagster's own
    assert dev.process.returncode == 0
    assert ended_after_s < 5
    assert not left
