"""What the shipped Mosquitto keeps, takes over and passes on: restarts, changed files, other brokers."""

import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pdm_platform.deployment.access import User
from pdm_platform.deployment.roles import Role
from pdm_platform.deployment.secrets import BRIDGES, SERVER, renew
from tests.servers.mosquitto import SHIPPED, Mosquitto, needs_mosquitto, running_mosquitto, wait_until
from tests.servers.mqtt_clients import EFFECT_WITHIN_S, account, connected, gets_in

pytestmark = [pytest.mark.integration, needs_mosquitto]
ALL_PUMPS = "factory/pumps/+/telemetry"
TELEMETRY = "factory/pumps/pump-1/telemetry"
MESSAGES = 2_000


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """A broker for one test, which may stop it or break its files."""
    with running_mosquitto(tmp_path / "site") as running:
        yield running


def publish(broker: Mosquitto, *payloads: str) -> None:
    """Publish readings of a pump, and wait until the broker has acknowledged them."""
    with connected(broker.client(User.SIMULATOR, tls=False), client_id="publisher") as client:
        for payload in payloads:
            client.link.publish(TELEMETRY, payload.encode())
        assert client.link.flush(30.0)


def numbers(first: int, last: int) -> list[str]:
    return [str(number) for number in range(first, last)]


def leave_a_session(broker: Mosquitto) -> None:
    """The bridge's subscription, without the bridge."""
    with connected(broker.client(User.BRIDGE, tls=False), ALL_PUMPS, client_id="pdm-bridge", persistent=True):
        pass


def taken_up(broker: Mosquitto, expected: int) -> list[str]:
    """What waited for the bridge: payloads, in order, without those delivered twice."""
    with connected(broker.client(User.BRIDGE, tls=False), ALL_PUMPS, client_id="pdm-bridge", persistent=True) as bridge:
        wait_until(lambda: len(set(bridge.payloads)) >= expected, f"{expected} messages come", timeout_s=30.0)
        return list(dict.fromkeys(bridge.payloads))


# -- restarts


def test_what_waits_for_a_service_that_is_away_outlives_a_restart(broker: Mosquitto) -> None:
    leave_a_session(broker)
    publish(broker, *numbers(0, MESSAGES))

    assert broker.stop() == 0
    broker.start()
    publish(broker, *numbers(MESSAGES, MESSAGES + 100))

    assert taken_up(broker, MESSAGES + 100) == numbers(0, MESSAGES + 100)


def test_a_kill_loses_nothing_of_what_was_saved(broker: Mosquitto) -> None:
    leave_a_session(broker)
    publish(broker, *numbers(0, MESSAGES))
    published_s = time.time()
    saved = broker.data / "mosquitto.db"
    wait_until(lambda: saved.exists() and saved.stat().st_mtime > published_s, "it saves by itself", timeout_s=20.0)

    assert broker.kill() == 128 + signal.SIGKILL
    broker.start()

    assert taken_up(broker, MESSAGES) == numbers(0, MESSAGES)


SAVES = "Saving in-memory database"


def test_a_short_queue_is_saved_every_second(broker: Mosquitto) -> None:
    leave_a_session(broker)
    publish(broker, *numbers(0, MESSAGES))
    before = broker.log.count(SAVES)

    wait_until(lambda: broker.log.count(SAVES) >= before + 3, "it saves three times", timeout_s=8.0)


def test_a_long_queue_is_left_to_the_autosave_because_each_save_stops_the_broker(broker: Mosquitto) -> None:
    leave_a_session(broker)
    publish(broker, *["x" * 250_000] * 100)
    broker.save()
    before = broker.log.count(SAVES)

    time.sleep(4.0)

    assert broker.log.count(SAVES) <= before + 1


def test_a_new_device_does_not_cost_a_service_that_is_away_its_messages(broker: Mosquitto) -> None:
    leave_a_session(broker)
    publish(broker, "before")

    with account(broker, "pump-2"):
        publish(broker, "after")

        assert taken_up(broker, 2) == ["before", "after"]


def test_a_message_too_large_for_the_contract_ends_the_connection_instead_of_being_acknowledged(
    broker: Mosquitto,
) -> None:
    limit = 262_144
    with connected(broker.client(User.BRIDGE, tls=False), ALL_PUMPS, client_id="bridge") as bridge:
        with connected(broker.client(User.SIMULATOR, tls=False), client_id="publisher") as client:
            client.link.publish(TELEMETRY, b"x" * (limit - 100))
            assert client.link.flush(5.0)
            client.link.publish(TELEMETRY, b"y" * limit)
            assert not client.link.flush(1.0)
        bridge.catch_up()

    assert [len(payload) for payload in bridge.payloads] == [limit - 100]
    assert "oversize" in broker.log


# -- the start script and the health check


@pytest.mark.parametrize("shell", [("dash",), ("bash", "--posix"), ("busybox", "sh")], ids=lambda shell: shell[0])
def test_the_start_script_works_in_every_shell(tmp_path: Path, shell: tuple[str, ...]) -> None:
    if not shutil.which(shell[0]):
        pytest.skip(f"no {shell[0]} here")
    with running_mosquitto(tmp_path / "site", shell=shell) as broker:
        with account(broker, "pump-1") as settings:
            assert gets_in(settings)
        wait_until(lambda: not gets_in(settings), "it is revoked", timeout_s=EFFECT_WITHIN_S)

        assert broker.stop() == 0


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_the_start_script_ends_mosquitto_cleanly(broker: Mosquitto, sent: signal.Signals) -> None:
    assert broker.process is not None
    mosquitto = broker.broker
    leave_a_session(broker)

    broker.process.send_signal(sent)

    assert broker.process.wait(5.0) == 0
    assert not mosquitto.is_running()
    assert (broker.data / "mosquitto.db").exists()


def test_the_start_script_fails_as_mosquitto_does(tmp_path: Path) -> None:
    done = subprocess.run(["sh", SHIPPED / "run.sh", tmp_path / "missing.conf"], capture_output=True, timeout=10.0)

    assert done.returncode == 3
    assert b"missing.conf" in done.stderr


def test_a_file_that_is_missing_for_a_moment_or_broken_does_not_lock_everyone_out(broker: Mosquitto) -> None:
    passwd, certificate = broker.access_folder / "passwd", broker.settings.secrets_dir / SERVER
    kept = passwd.read_bytes(), certificate.read_bytes()
    with connected(broker.client(User.OPERATOR)) as people:
        passwd.unlink()
        certificate.write_text("no certificate")
        with pytest.raises(AssertionError, match="not within"):
            wait_until(lambda: "Reloading" in broker.log, "it reads them again", timeout_s=2.5)

        passwd.write_bytes(kept[0])
        wait_until(lambda: "Reloading" in broker.log, "it reads them again", timeout_s=EFFECT_WITHIN_S)
        assert gets_in(broker.client(User.BRIDGE))
        certificate.write_bytes(kept[1])
        assert people.link.ready


def test_a_renewed_certificate_is_taken_over_and_running_connections_stay(broker: Mosquitto) -> None:
    before = serial_number(broker)
    with connected(broker.client(User.OPERATOR)) as people:
        renew(broker.settings, datetime.now(UTC))

        wait_until(lambda: serial_number(broker) != before, "the new one is shown", timeout_s=EFFECT_WITHIN_S)
        assert people.link.ready
    assert gets_in(broker.client(User.OPERATOR))


def serial_number(broker: Mosquitto) -> object:
    context = ssl.create_default_context(cafile=broker.ca)
    channel = socket.create_connection(("127.0.0.1", broker.tls_port), 5.0)
    with context.wrap_socket(channel, server_hostname="localhost") as secured:
        return (secured.getpeercert() or {})["serialNumber"]


def test_the_health_check_asks_the_broker_for_a_sign_of_life(broker: Mosquitto) -> None:
    def check() -> int:
        command = ["sh", str(SHIPPED / "healthy.sh"), str(broker.plain_port)]
        environment = {"PATH": "/usr/bin:/bin", "PDM_ACCESS_DIR": str(broker.access_folder)}
        return subprocess.run(command, env=environment, capture_output=True, timeout=20.0).returncode

    assert check() == 0
    broker.broker.suspend()
    assert check() != 0
    broker.broker.resume()
    broker.stop()
    assert check() != 0


# -- other brokers: the connections that docs/operations.md describes

CONNECTION = """
connection to-the-other
address 127.0.0.1:{port}
bridge_cafile {ca}
remote_username {name}
remote_password {password}
remote_clientid {name}
cleansession false
notifications false
try_private false
restart_timeout 1 5
topic factory/pumps/+/telemetry {direction} 1
"""


@pytest.mark.parametrize(("direction", "role"), [("in", Role.READER), ("out", Role.GATEWAY)], ids=["pulls", "pushes"])
def test_a_connection_to_another_plant_passes_on_its_readings_also_those_of_an_outage(
    tmp_path: Path, direction: str, role: Role
) -> None:
    """`in`: the head office fetches from the plant. `out`: the plant sends to the head office."""
    with running_mosquitto(tmp_path / "plant") as plant, running_mosquitto(tmp_path / "office") as office:
        connects, answers = (office, plant) if direction == "in" else (plant, office)
        login = answers.accounts.add("the-other", role)
        wait_until(lambda: gets_in(answers.client(login.name, login.password)), "the account is there")
        connection = CONNECTION.format(
            port=answers.tls_port, ca=answers.ca, name=login.name, password=login.password, direction=direction
        )
        (connects.settings.secrets_dir / BRIDGES / "other.conf").write_text(connection, encoding="utf-8")
        assert connects.stop() == 0
        connects.start()
        with connected(office.client(User.OPERATOR, tls=False), "#", persistent=True) as reader:
            wait_until(lambda: published_once(plant, reader.payloads), "readings go across")

        assert office.stop() == 0
        publish(plant, *numbers(0, 500))
        office.start()

        with connected(office.client(User.OPERATOR, tls=False), "#", persistent=True) as reader:
            wait_until(lambda: set(numbers(0, 500)) <= set(reader.payloads), "those of the outage, too", timeout_s=20.0)


def published_once(plant: Mosquitto, arrived: list[str]) -> bool:
    """Publish a reading; whether one has arrived."""
    publish(plant, "hello")
    return "hello" in arrived
