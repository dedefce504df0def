"""The embedded broker, NATS, as a child process on a port of its own."""

import socket
import subprocess
import time
from pathlib import Path
from typing import Final

from pdm_platform.local.processes import free_port
from pdm_platform.runtime.broker import ACK_WAIT_S, BrokerSettings, binary, configuration
from pdm_platform.runtime.settings import PlatformSettings

ONLY_BRIDGE_MAY: Final = 'authorization { user: "bridge", password: "only for this test" }\n'


class EmbeddedBroker:
    """It runs from the start, and again after `kill` and `start`, with the same data."""

    def __init__(self, home: Path, extra_configuration: str = "") -> None:
        self.settings = PlatformSettings(home=home, mqtt_port=free_port())
        self._config = home / "broker.conf"
        text = configuration(self.settings, BrokerSettings(broker_nats_port=free_port()))
        text = text.replace(f'ack_wait: "{ACK_WAIT_S}s"', 'ack_wait: "1s"')  # so that no test waits for redelivery
        self._config.write_text(text + extra_configuration, encoding="utf-8")
        self.log = home / "broker.log"
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([binary(), "--config", str(self._config)], stderr=log)
        while not self._listens():
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            time.sleep(0.01)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.settings.mqtt_port)) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> "EmbeddedBroker":
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
