"""Who may do what at the real Mosquitto, with the configuration, the start script and the access files that ship.

A refusal is judged by what subscribers see: Mosquitto acknowledges what it then does not let through.
"""

import socket
import ssl
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pdm_platform.contract.errors import BrokerError, BrokerRefusedError
from pdm_platform.contract.topics import Topics
from pdm_platform.deployment.access import User
from pdm_platform.deployment.certificates import make_ca
from pdm_platform.deployment.roles import Role
from pdm_platform.runtime.settings import PlatformSettings
from tests.servers.mosquitto import Mosquitto, needs_mosquitto, running_mosquitto, wait_until
from tests.servers.mqtt_clients import EFFECT_WITHIN_S, account, connected, gets_in

pytestmark = [pytest.mark.integration, needs_mosquitto]
# another root than the default: a rule that forgot it would fail
ROOT = "plant-7/north"
TELEMETRY, TRAINING = f"{ROOT}/pumps/pump-1/telemetry", f"{ROOT}/training/pump-1/training_data"
PREDICTION, ALARM = f"{ROOT}/pumps/pump-1/predictions", f"{ROOT}/pumps/pump-1/alarms"
STATUS, COMMAND = f"{ROOT}/pumps/pump-1/status", f"{ROOT}/pumps/pump-1/command"
POINTER, MODEL_STATUS = f"{ROOT}/platform/models/production", f"{ROOT}/platform/models/status"
REJECTED = f"{ROOT}/platform/rejected"
CONTRACT = {TELEMETRY, TRAINING, PREDICTION, ALARM, STATUS, COMMAND, POINTER, MODEL_STATUS, REJECTED}
UNKNOWN = {f"{ROOT}/pumps/pump-1/other", f"{ROOT}/platform/other", "elsewhere/pumps/pump-1/telemetry"}

MAY_WRITE: dict[str, set[str]] = {
    User.BRIDGE: {REJECTED, TELEMETRY, TRAINING},
    User.INFERENCE: {PREDICTION, ALARM, MODEL_STATUS},
    User.DAGSTER: {TRAINING, POINTER},
    User.SIMULATOR: {TELEMETRY, TRAINING},
    User.OPERATOR: {COMMAND},
    User.HEALTH: set(),
}
MAY_READ: dict[str, set[str]] = {
    User.BRIDGE: CONTRACT,
    User.INFERENCE: {TELEMETRY, POINTER},
    User.DAGSTER: set(),
    User.SIMULATOR: set(),
    User.OPERATOR: CONTRACT,
    User.HEALTH: set(),
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """One broker for tests that leave it as they found it."""
    with running_mosquitto(tmp_path_factory.mktemp("mosquitto") / "site", topics=Topics(ROOT)) as running:
        yield running


def let_through(broker: Mosquitto, settings: PlatformSettings, topics: Sequence[str]) -> set[str]:
    """On which of these topics people see a message after this client has published to each, and been answered."""
    with connected(broker.client(User.OPERATOR, tls=False), "#", client_id="people") as people:
        with connected(settings) as client:
            for topic in topics:
                client.link.publish(topic, b"attempt")
            assert client.link.flush(5.0)
        people.catch_up()
        return set(people.topics)


def publish_everything(broker: Mosquitto) -> None:
    """One message on each topic of the contract, each by a user that may."""
    with account(broker, "speaks-for-pump-1", Role.GATEWAY) as gateway:
        # not over TLS, where a second connection of this account would end the first
        services = [(broker.client(user, tls=False), topics) for user, topics in MAY_WRITE.items()]
        for settings, topics in [*services, (gateway, {STATUS})]:
            with connected(settings, client_id="publisher") as client:
                for topic in topics:
                    client.link.publish(topic, b"for those who may read it")
                assert client.link.flush(5.0)


def received(broker: Mosquitto, settings: PlatformSettings, *subscriptions: str) -> set[str]:
    """What a client with these subscriptions is sent while every topic of the contract is published to."""
    with connected(settings, *subscriptions) as client:
        publish_everything(broker)
        client.catch_up()
        return set(client.topics)


def refusal(settings: PlatformSettings) -> str:
    with pytest.raises(BrokerRefusedError) as refused, connected(settings):
        pass
    return refused.value.what


# -- services


@pytest.mark.parametrize("user", User)
def test_a_service_writes_its_own_topics_and_no_others(broker: Mosquitto, user: User) -> None:
    as_a_pump = f"{ROOT}/pumps/{user}/telemetry"

    assert let_through(broker, broker.client(user), [*CONTRACT, *UNKNOWN, as_a_pump]) == MAY_WRITE[user]


@pytest.mark.parametrize("user", User)
def test_a_service_reads_its_own_topics_and_no_others(broker: Mosquitto, user: User) -> None:
    every_filter = ("#", f"{ROOT}/#", f"{ROOT}/+/+/+", *sorted(CONTRACT))

    assert received(broker, broker.client(user), *every_filter) == MAY_READ[user]


@pytest.mark.parametrize("user", User)
def test_only_people_read_the_broker_s_own_figures_and_the_health_check_its_uptime(
    broker: Mosquitto, user: User
) -> None:
    with connected(broker.client(user), "$SYS/#") as client:
        client.catch_up()
        topics = set(client.topics)

    if user is User.OPERATOR:
        assert {"$SYS/broker/uptime", "$SYS/broker/version"} <= topics
    else:
        assert topics == ({"$SYS/broker/uptime"} if user is User.HEALTH else set())


# -- devices and other accounts


def test_a_device_publishes_its_own_readings_and_status_and_nothing_else(broker: Mosquitto) -> None:
    kinds = ("telemetry", "predictions", "alarms", "status", "command", "other")
    own = [f"{ROOT}/pumps/pump-9/{kind}" for kind in kinds]
    training = f"{ROOT}/training/pump-9/training_data"

    with account(broker, "pump-9") as settings:
        through = let_through(broker, settings, [*own, training, *CONTRACT, *UNKNOWN])

    assert through == {f"{ROOT}/pumps/pump-9/telemetry", f"{ROOT}/pumps/pump-9/status"}


def test_a_device_reads_what_is_said_of_it_and_to_it_and_nothing_else(broker: Mosquitto) -> None:
    with account(broker, "pump-1") as own, account(broker, "pump-2") as other:
        assert received(broker, own, "#", f"{ROOT}/pumps/+/predictions") == {PREDICTION, ALARM, COMMAND}
        every_filter = ("#", f"{ROOT}/pumps/+/predictions", PREDICTION, COMMAND, TRAINING, POINTER)
        assert received(broker, other, *every_filter) == set()


def test_a_name_with_the_dots_and_dashes_of_the_contract_has_its_own_branch(broker: Mosquitto) -> None:
    name = "Pump_7.b-2"
    with account(broker, name) as settings:
        topic = f"{ROOT}/pumps/{name}/telemetry"
        assert let_through(broker, settings, [topic, f"{ROOT}/pumps/Pump_7/telemetry"]) == {topic}


def test_a_collector_also_publishes_its_own_labelled_readings(broker: Mosquitto) -> None:
    with account(broker, "pump-8", Role.COLLECTOR) as settings:
        own = [f"{ROOT}/pumps/pump-8/telemetry", f"{ROOT}/training/pump-8/training_data"]
        assert let_through(broker, settings, [*own, *CONTRACT, *UNKNOWN]) == set(own)


def test_a_gateway_speaks_for_every_pump_and_hears_what_is_said_of_them(broker: Mosquitto) -> None:
    with account(broker, "gateway-1", Role.GATEWAY) as settings:
        assert let_through(broker, settings, [*CONTRACT, *UNKNOWN]) == {TELEMETRY, STATUS}
        assert received(broker, settings, "#") == {PREDICTION, ALARM, COMMAND}


def test_a_reader_hears_everything_and_says_nothing(broker: Mosquitto) -> None:
    with account(broker, "office", Role.READER) as settings:
        as_a_pump = f"{ROOT}/pumps/office/telemetry"
        assert let_through(broker, settings, [*CONTRACT, *UNKNOWN, as_a_pump]) == set()
        assert received(broker, settings, "#") == CONTRACT


def test_a_device_cannot_take_the_name_of_a_service_and_its_session(broker: Mosquitto) -> None:
    bridge = broker.client(User.BRIDGE, tls=False)
    with account(broker, "pump-3") as settings, connected(bridge, f"{ROOT}/#", client_id="pdm-bridge") as service:
        with connected(settings, client_id="pdm-bridge") as impostor:
            impostor.link.publish(f"{ROOT}/pumps/pump-3/telemetry", b"mine")
            service.wait_for("mine")

        assert service.link.ready


# -- who gets in


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize(
    ("username", "password"),
    [("nobody", "x"), (User.BRIDGE.value, "wrong"), (User.BRIDGE.value, ""), ("", "")],
    ids=["unknown", "wrong password", "no password", "anonymous"],
)
def test_who_cannot_name_a_user_and_its_password_stays_out(
    broker: Mosquitto, username: str, password: str, tls: bool
) -> None:
    assert "Not authorized" in refusal(broker.client(username, password, tls=tls))


def test_an_added_device_gets_in_and_a_revoked_one_is_thrown_out_without_a_restart(broker: Mosquitto) -> None:
    before = broker.broker.pid
    made = broker.accounts.add("pump-4")
    settings = broker.client(made.name, made.password)
    wait_until(lambda: gets_in(settings), "the new device gets in", timeout_s=EFFECT_WITHIN_S)
    with account(broker, "pump-5") as other, connected(other) as stays, connected(settings) as goes:
        broker.accounts.revoke("pump-4")

        wait_until(lambda: not goes.link.ready, "the revoked device is thrown out", timeout_s=EFFECT_WITHIN_S)
        with pytest.raises(BrokerRefusedError):
            wait_until(lambda: bool(goes.link.check()), "its reconnection is refused")  # type: ignore[func-returns-value]
        assert stays.link.ready
    assert not gets_in(settings)
    assert broker.broker.pid == before


def test_a_new_password_ends_the_connection_made_with_the_old_one(broker: Mosquitto) -> None:
    with account(broker, "pump-6") as old, connected(old) as running:
        new = broker.client("pump-6", broker.accounts.add("pump-6", rotate=True).password)

        wait_until(lambda: not running.link.ready, "the old connection ends", timeout_s=EFFECT_WITHIN_S)
        assert gets_in(new)
        assert not gets_in(old)


# -- TLS


def test_a_client_that_trusts_another_authority_does_not_connect(broker: Mosquitto, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_bytes(make_ca(datetime.now(UTC)).certificate)

    with pytest.raises(BrokerError), connected(broker.client(User.OPERATOR, mqtt_tls_ca=other)):
        pass


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "mosquitto"])
def test_the_certificate_stands_for_the_broker_in_the_eyes_of_a_strict_client(broker: Mosquitto, name: str) -> None:
    context = ssl.create_default_context(cafile=broker.ca)
    context.verify_flags |= ssl.VERIFY_X509_STRICT

    with tls_socket(broker, context, name) as channel:
        assert channel.version() in ("TLSv1.2", "TLSv1.3")


def test_the_certificate_does_not_stand_for_another_host(broker: Mosquitto) -> None:
    context = ssl.create_default_context(cafile=broker.ca)

    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        tls_socket(broker, context, "example.org")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
def test_an_old_version_of_tls_is_refused(broker: Mosquitto) -> None:
    context = ssl.create_default_context(cafile=broker.ca)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises(ssl.SSLError, match=r"alert protocol version"):
        tls_socket(broker, context, "localhost")


def tls_socket(broker: Mosquitto, context: ssl.SSLContext, name: str) -> ssl.SSLSocket:
    return context.wrap_socket(socket.create_connection(("127.0.0.1", broker.tls_port), 5.0), server_hostname=name)


def test_plain_text_on_the_tls_port_gets_no_answer(broker: Mosquitto) -> None:
    name, password = User.OPERATOR.value.encode(), broker.password_of(User.OPERATOR).encode()
    fields = b"\x00\x04MQTT\x04\xc2\x00\x1e" + b"".join(
        len(text).to_bytes(2, "big") + text for text in (b"plain", name, password)
    )
    connect = b"\x10" + bytes([len(fields)]) + fields

    assert answer_to(connect, broker.plain_port) == b"\x20\x02\x00\x00"  # the very same bytes are let in there
    assert answer_to(connect, broker.tls_port)[:1] != b"\x20"


def answer_to(packet: bytes, port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5.0) as channel:
        channel.sendall(packet)
        try:
            return channel.recv(4)
        except ConnectionResetError:
            return b""
