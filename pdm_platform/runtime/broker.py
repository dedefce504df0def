"""The embedded broker: the NATS server with its MQTT listener, a single self-contained binary."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from pydantic import Field

from pdm_platform.contract.errors import ProcessError
from pdm_platform.runtime.settings import BaseEnvSettings, PlatformSettings, Port

ACK_WAIT_S = 5
MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
# Deliveries under way to one session. It bounds what the bridge holds in memory, and MQTT's packet ids end at 65535.
MAX_ACK_PENDING = 20_000


class BrokerSettings(BaseEnvSettings):
    """Settings of `pdmctl broker`."""

    broker_host: str = Field("127.0.0.1", description="address the embedded broker listens on")
    broker_nats_port: Port = Field(4222, description="the embedded broker's own protocol, on loopback only")


def configuration(platform: PlatformSettings, settings: BrokerSettings) -> str:
    """NATS server configuration: MQTT with persistent sessions, kept on disk below `home`/broker."""
    store = platform.home.absolute() / "broker"
    return "\n".join(
        [
            "server_name: pdm-embedded",
            f'host: "127.0.0.1"\nport: {settings.broker_nats_port}',
            f"max_payload: {MAX_PAYLOAD_BYTES}",
            f"jetstream {{ store_dir: {json.dumps(str(store))} }}",
            "mqtt {",
            f'  host: "{settings.broker_host}"',
            f"  port: {platform.mqtt_port}",
            f'  ack_wait: "{ACK_WAIT_S}s"',
            f"  max_ack_pending: {MAX_ACK_PENDING}",
            "}",
            "",
        ]
    )


def binary() -> str:
    """Path of the server binary that the wheel installed. Raises ProcessError where it is missing."""
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if found is None:
        raise ProcessError("the embedded broker, nats-server, is not installed", hint="`make setup` installs it.")
    return found


def run_broker(platform: PlatformSettings, settings: BrokerSettings) -> int:
    """Become the broker: this process is replaced by it, so that a signal to this process is a signal to it."""
    home = platform.home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    config: Path = home / "broker.conf"
    config.write_text(configuration(platform, settings), encoding="utf-8")
    command = [binary(), "--config", str(config)]
    if os.name == "posix":
        sys.stdout.flush()
        os.execv(command[0], command)
    return subprocess.call(command)
