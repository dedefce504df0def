"""How the bridge starts where something is not as it should be."""

import sys
from pathlib import Path

import pytest

from pdm_platform.local.processes import Process, Processes, free_port

pytestmark = pytest.mark.integration
COMMAND = [sys.executable, "-m", "sensors_bridge.main"]


def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    environment = {"PDM_HOME": str(tmp_path), "PDM_BRIDGE_BATCH_SIZE": "many"}
    bridge = Process("bridge", COMMAND, environment, tmp_path / "bridge.log")

    bridge.start()

    assert bridge.handle is not None
    assert bridge.handle.wait(20.0) == 1
    assert "PDM_BRIDGE_BATCH_SIZE='many'" in bridge.log_tail()
    assert [path.name for path in tmp_path.iterdir()] == ["bridge.log"]


def test_without_a_broker_the_bridge_stays_up_and_says_so(tmp_path: Path) -> None:
    port, http_port = free_port(), free_port()
    environment = {"PDM_HOME": str(tmp_path), "PDM_MQTT_PORT": str(port), "PDM_BRIDGE_HTTP_PORT": str(http_port)}
    bridge = Process("bridge", COMMAND, environment, tmp_path / "bridge.log", http_port, restart=False)
    processes = Processes()
    try:
        processes.start(bridge)

        processes.wait_healthy(bridge, besides="broker")

        assert bridge.problems() == {"broker": f"not connected to 127.0.0.1:{port}"}
        assert bridge.running
    finally:
        processes.stop()
