"""The bridge and the simulators, as processes, on the shipped Mosquitto over TLS."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pdm_platform.contract.measurements import ALL_TIME, PUMP_TELEMETRY
from pdm_platform.deployment.access import User
from pdm_platform.local.processes import Process, Processes, free_port, pdmctl
from pdm_platform.stores.sqlite import SqliteStore
from tests.servers.mosquitto import needs_mosquitto, running_mosquitto, wait_until

pytestmark = [pytest.mark.integration, needs_mosquitto]


def stored(home: Path) -> int:
    if not (home / "store").is_dir():  # the bridge makes it at its first write
        return 0
    store = SqliteStore(home / "store" / "telemetry.sqlite")
    try:
        return store.count(PUMP_TELEMETRY, ALL_TIME)
    finally:
        store.close()


def test_every_reading_of_a_simulated_fleet_is_stored_although_the_broker_restarts_meanwhile(tmp_path: Path) -> None:
    home, http_port = tmp_path / "home", free_port()
    fleet = ("--pumps", "20", "--failing", "0", "--chaos-pumps", "0", "--interval-s", "0.1", "--duration-s", "8")
    processes = Processes()
    with running_mosquitto(tmp_path / "site") as broker:
        bridge = Process(
            "bridge",
            [sys.executable, "-m", "sensors_bridge.main"],
            {**broker.environment(User.BRIDGE, home), "PDM_BRIDGE_HTTP_PORT": str(http_port)},
            tmp_path / "bridge.log",
            http_port,
        )
        simulators = Process(
            "simulators",
            pdmctl("simulate", "production", *fleet),
            broker.environment(User.SIMULATOR, tmp_path),
            tmp_path / "simulators.log",
            restart=False,
            stdout=subprocess.PIPE,
        )
        try:
            processes.start(bridge)
            processes.wait_healthy(bridge)
            processes.start(simulators)
            wait_until(lambda: stored(home) > 200, "readings flow", timeout_s=30.0)
            assert broker.stop() == 0
            time.sleep(0.5)
            broker.start()
            assert simulators.handle is not None
            told, _ = simulators.handle.communicate(timeout=60.0)
            published = json.loads(told)["published"]
            wait_until(lambda: stored(home) >= published, f"{published} readings are stored", timeout_s=30.0)
        finally:
            processes.stop()

        assert stored(home) == published >= 1_000
        assert bridge.restarts == 0
        assert "as pdm-bridge" in broker.log
