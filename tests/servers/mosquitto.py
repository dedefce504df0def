"""Debian's Mosquitto for tests: the shipped configuration, started by the shipped script, with secrets of its own."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from pdm_platform.contract.topics import Topics
from pdm_platform.deployment.access import User
from pdm_platform.deployment.devices import Accounts
from pdm_platform.deployment.secrets import BRIDGES, MQTT_PASSWORD_FILES, init
from pdm_platform.deployment.settings import DeploymentSettings
from pdm_platform.deployment.vault import Vault
from pdm_platform.local.processes import free_port
from pdm_platform.runtime.settings import PlatformSettings

SHIPPED = Path(__file__).parents[2] / "deploy" / "mosquitto"
READY_WITHIN_S = 10.0
# Debian puts it where ordinary users do not look
_PATH = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin"

needs_mosquitto = pytest.mark.skipif(
    not shutil.which("mosquitto", path=_PATH) or not shutil.which("mosquitto_sub"),
    reason="no mosquitto and mosquitto_sub on PATH: Debian's packages mosquitto and mosquitto-clients bring them",
)


@dataclass
class Mosquitto:
    """A running broker with its files in `folder`. `shell` runs its start script, `within_s` is what that may take."""

    folder: Path
    topics: Topics = field(default_factory=Topics)
    shell: tuple[str, ...] = ("sh",)
    plain_port: int = field(default_factory=free_port)
    tls_port: int = field(default_factory=free_port)
    within_s: float = READY_WITHIN_S
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def settings(self) -> DeploymentSettings:
        """Settings of the commands that make secrets and accounts for this broker."""
        return DeploymentSettings(secrets_dir=self.folder / "secrets", broker_tls_port=self.tls_port)

    @property
    def accounts(self) -> Accounts:
        """Adds and revokes devices here."""
        return Accounts(Vault(self.settings), self.topics)

    @property
    def ca(self) -> Path:
        """The certificate that clients trust."""
        return self.settings.secrets_dir / "operator" / "ca.crt"

    @property
    def access_folder(self) -> Path:
        """What the container sees as /run/secrets."""
        return self.settings.secrets_dir / "mosquitto"

    def password_of(self, user: User) -> str:
        """The password of one of the platform's users."""
        return (self.settings.secrets_dir / MQTT_PASSWORD_FILES[user]).read_text(encoding="utf-8")

    def environment(self, user: User, home: Path) -> dict[str, str]:
        """What the compose file would set for a service of this user, over TLS."""
        return {
            "PDM_HOME": str(home),
            "PDM_MQTT_HOST": "localhost",
            "PDM_MQTT_PORT": str(self.tls_port),
            "PDM_MQTT_TLS_CA": str(self.ca),
            "PDM_MQTT_USERNAME": user,
            "PDM_MQTT_PASSWORD_FILE": str(self.settings.secrets_dir / MQTT_PASSWORD_FILES[user]),
        }

    def client(
        self, username: str, password: str | None = None, *, tls: bool = True, **changes: Any
    ) -> PlatformSettings:
        """Settings of a client. password: None takes that of the platform's user of this name."""
        given = self.password_of(User(username)) if password is None else password
        where = {"mqtt_port": self.tls_port, "mqtt_tls_ca": self.ca} if tls else {"mqtt_port": self.plain_port}
        settings = {"mqtt_username": username, "mqtt_password": given, "topic_root": self.topics.root, **where}
        return PlatformSettings(**{**settings, **changes})

    @property
    def log(self) -> str:
        """What it has written to its log, over all its starts."""
        return self._log_path.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it, again, with the same data on the same ports, and wait until both listen."""
        environment = {**os.environ, "PDM_ACCESS_DIR": str(self.access_folder)}
        with self._log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.shell, str(SHIPPED / "run.sh"), str(self._configuration())],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            wait_until(self._listens, "it listens", self._fate, self.within_s)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> int:
        """SIGTERM to the start script; returns its exit code."""
        assert self.process is not None
        self.process.terminate()
        try:
            return self.process.wait(self.within_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> int:
        """SIGKILL to Mosquitto itself; returns the start script's exit code."""
        assert self.process is not None
        self.broker.kill()
        return self.process.wait(READY_WITHIN_S)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """SIGSTOP to Mosquitto itself while the block runs: it listens, and answers nothing."""
        broker = self.broker
        broker.suspend()
        try:
            yield
        finally:
            broker.resume()

    def save(self) -> None:
        """Have it save now, and wait until it has."""
        saved, asked_s = self.data / "mosquitto.db", time.time()
        self.broker.send_signal(signal.SIGUSR1)
        wait_until(lambda: saved.exists() and saved.stat().st_mtime >= asked_s, "it saves", self._fate, self.within_s)

    @property
    def saves_every_s(self) -> float:
        """The longest time between two saves by the shipped configuration."""
        found = re.search(r"(?m)^autosave_interval (\d+)$", (SHIPPED / "mosquitto.conf").read_text(encoding="utf-8"))
        assert found, "there is no autosave_interval in the shipped configuration any more"
        # Mosquitto 2.0 saves when more than the interval has passed, in whole seconds
        return int(found[1]) + 1.0

    @property
    def broker(self) -> psutil.Process:
        """Mosquitto, the child of the start script."""
        assert self.process is not None
        return next(child for child in psutil.Process(self.process.pid).children() if child.name() == "mosquitto")

    def _configuration(self) -> Path:
        """The shipped file with other ports and folders."""
        text = (SHIPPED / "mosquitto.conf").read_text(encoding="utf-8")
        for shipped, here in {
            "listener 8883\n": f"listener {self.tls_port} 127.0.0.1\n",
            "listener 1883 broker-plain\nlistener 1883 127.0.0.1\n": f"listener {self.plain_port} 127.0.0.1\n",
            "/run/secrets/": f"{self.access_folder}/",
            "/mosquitto/data/": f"{self.data}/",
        }.items():
            assert shipped in text, f"{shipped!r} is not in the shipped configuration any more"
            text = text.replace(shipped, here)
        path = self.folder / "mosquitto.conf"
        path.write_text(text, encoding="utf-8")
        return path

    def prepare(self) -> None:
        """Make folders and secrets."""
        self.data.mkdir(parents=True)
        init(self.settings, self.topics, datetime.now(UTC))
        if os.geteuid() == 0:
            # started as root it becomes Debian's user `mosquitto`, who may not enter the tests' folder
            (self.settings.secrets_dir / BRIDGES / "root.conf").write_text("user root\n", encoding="utf-8")

    def _fate(self) -> str:
        code = None if self.process is None else self.process.poll()
        return "" if code is None else f"mosquitto ended with {code}:\n{self.log[-2_000:]}"

    def _listens(self) -> bool:
        return all(_is_open(port) for port in (self.plain_port, self.tls_port))

    @property
    def data(self) -> Path:
        """What the container sees as /mosquitto/data."""
        return self.folder / "data"

    @property
    def _log_path(self) -> Path:
        return self.folder / "mosquitto.log"


@contextmanager
def running_mosquitto(
    folder: Path, *, topics: Topics | None = None, shell: tuple[str, ...] = ("sh",)
) -> Iterator[Mosquitto]:
    """A broker with all its files in `folder`, ended afterwards. shell: what runs its start script."""
    broker = Mosquitto(folder, topics or Topics(), shell)
    broker.prepare()
    broker.start()
    try:
        yield broker
    finally:
        if broker.process is not None and broker.process.poll() is None:
            broker.stop()


def wait_until(
    condition: Callable[[], bool],
    what: str,
    fate: Callable[[], str] = lambda: "",
    timeout_s: float = READY_WITHIN_S,
) -> None:
    """Wait for a condition; fails with `what` after `timeout_s`, or at once with what `fate` tells, if anything."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert not fate(), fate()
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s: {what}"
        time.sleep(0.02)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
