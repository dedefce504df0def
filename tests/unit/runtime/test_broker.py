import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pdm_platform.contract.errors import ProcessError
from pdm_platform.local.processes import free_port
from pdm_platform.runtime import broker
from pdm_platform.runtime.broker import MAX_PAYLOAD_BYTES, BrokerSettings, configuration
from pdm_platform.runtime.settings import PlatformSettings

RUN = """
from pdm_platform.runtime.broker import BrokerSettings, run_broker
from pdm_platform.runtime.settings import PlatformSettings
raise SystemExit(run_broker(PlatformSettings.load(), BrokerSettings.load()))
"""


def test_the_configuration_names_ports_and_a_store_below_home(tmp_path: Path) -> None:
    home = tmp_path / 'a "quoted" folder'

    text = configuration(PlatformSettings(home=home, mqtt_port=18830), BrokerSettings(broker_nats_port=14222))

    assert "port: 18830" in text
    assert "port: 14222" in text
    assert f"max_payload: {MAX_PAYLOAD_BYTES}" in text
    assert r"a \"quoted\" folder/broker" in text


def test_the_brokers_own_protocol_stays_on_loopback_wherever_mqtt_listens(tmp_path: Path) -> None:
    text = configuration(PlatformSettings(home=tmp_path), BrokerSettings(broker_host="0.0.0.0"))

    assert text.index('host: "127.0.0.1"\nport: 4222') < text.index("mqtt {")
    assert '  host: "0.0.0.0"' in text


def test_a_missing_binary_is_an_error_that_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_args, **_named: None)

    with pytest.raises(ProcessError, match=r"nats-server.*is not installed") as missing:
        broker.binary()

    assert "make setup" in missing.value.hint


@pytest.mark.integration
@pytest.mark.skipif(os.name != "posix", reason="elsewhere the broker is a child process")
def test_a_signal_to_the_process_ends_the_broker_itself(tmp_path: Path) -> None:
    mqtt_port = free_port()
    environment = {
        **os.environ,
        "PDM_HOME": str(tmp_path / "not there yet"),
        "PDM_MQTT_PORT": str(mqtt_port),
        "PDM_BROKER_NATS_PORT": str(free_port()),
    }
    process = subprocess.Popen([sys.executable, "-c", RUN], env=environment, stderr=subprocess.DEVNULL)
    deadline_s = time.monotonic() + 15
    while socket.socket().connect_ex(("127.0.0.1", mqtt_port)) and time.monotonic() < deadline_s:
        assert process.poll() is None
        time.sleep(0.02)

    process.terminate()

    assert process.wait(10) in (0, 1)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", mqtt_port)) != 0
