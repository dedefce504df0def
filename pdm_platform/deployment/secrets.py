"""The stack's secrets: what there is, made once, at random, and what is derived from it kept in step."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pdm_platform.contract.topics import Topics
from pdm_platform.deployment.access import Passwords, User, acl_text
from pdm_platform.deployment.certificates import KeyPair, expiry, issue_server, make_ca, why_renew
from pdm_platform.deployment.roles import Role
from pdm_platform.deployment.settings import DeploymentSettings
from pdm_platform.deployment.vault import OWNERS, SecretsError, Vault

MQTT_PASSWORD_FILES: Final[dict[User, str]] = {
    User.BRIDGE: "bridge/mqtt-password",
    User.INFERENCE: "inference/mqtt-password",
    User.DAGSTER: "dagster-code/mqtt-password",
    User.SIMULATOR: "simulator/mqtt-password",
    User.OPERATOR: "operator/mqtt-password",
    User.HEALTH: "mosquitto/health",
}
_RANDOM: Final = (
    *MQTT_PASSWORD_FILES.values(),
    "influxdb/operator-token",
    "influxdb/admin-password",
    "postgres/password",
    "grafana/admin-password",
    "grafana/secret-key",
)
_COPIES: Final = {
    "mosquitto/ca.crt": "ca/ca.crt",
    "operator/ca.crt": "ca/ca.crt",
    "operator/grafana-admin-password": "grafana/admin-password",
}
CA, CA_KEY = "ca/ca.crt", "ca/ca.key"
SERVER, SERVER_KEY = "mosquitto/server.crt", "mosquitto/server.key"
# the webserver and the daemon, which get no other secret, and the code server, where runs need more
PASSFILES: Final = ("dagster/pgpass", "dagster-code/pgpass")
PASSWD, ACL, ROLES = "mosquitto/passwd", "mosquitto/acl", "mosquitto/roles"
# connections to other brokers: mosquitto reads every `*.conf` in here
BRIDGES: Final = "mosquitto/conf.d"


@dataclass(frozen=True, slots=True)
class Made:
    """What `init` did. made: names of new or replaced files. notes: what people should know."""

    made: list[str]
    notes: list[str]


def init(settings: DeploymentSettings, topics: Topics, now: datetime) -> Made:
    """Make what is missing, and bring what is derived (access list, copies, the broker's certificate) into step.

    A second call changes nothing. topics: below which root the access list lies. now: aware time for certificates.
    Raises SecretsError, AccessError, CertificateError.
    """
    vault = Vault(settings)
    with vault.locked():
        for folder in (*OWNERS, BRIDGES):
            vault.make_folder(folder)
        made = [name for name in _RANDOM if vault.find(name) is None]
        for name in made:
            vault.put(name, _random())
        reasons = _make_certificates(vault, settings, now)
        made += reasons
        made += [name for name, content in _derived(vault, topics) if vault.put_if_changed(name, content)]
        return Made(made, [*filter(None, reasons.values()), *vault.settle()])


def renew(settings: DeploymentSettings, now: datetime) -> tuple[datetime, datetime]:
    """A new key and certificate for the broker; the authority stays. Returns the old and the new end, UTC.

    Raises SecretsError where the authority's key is not there, CertificateError.
    """
    vault = Vault(settings)
    with vault.locked():
        old = expiry(vault.read(SERVER))
        return old, _issue(vault, settings, now)


def _derived(vault: Vault, topics: Topics) -> Iterator[tuple[str, bytes]]:
    for copy, source in _COPIES.items():
        yield copy, vault.read(source)
    for name in PASSFILES:
        yield name, b"postgres:5432:dagster:dagster:" + vault.read("postgres/password") + b"\n"
    # what a user may do comes before the password that lets it in
    yield ACL, acl_text(topics, read_roles(vault)).encode()
    yield PASSWD, _passwords(vault).text().encode()


def _make_certificates(vault: Vault, settings: DeploymentSettings, now: datetime) -> dict[str, str]:
    """Make what is missing or no longer good; names of the files, each with its reason ('' where it was missing)."""
    made: dict[str, str] = {}
    if vault.find(CA) is None:
        # a first start that was cut off between the two files has given the certificate to nobody yet
        if vault.find(CA_KEY) is not None and vault.find("operator/ca.crt") is not None:
            raise SecretsError(
                f"{str(vault.path(CA_KEY))!r} is there without its certificate ca.crt",
                hint="Put ca.crt back from operator/ca.crt or a backup. Every device trusts it.",
            )
        authority = make_ca(now)
        vault.put(CA_KEY, authority.key)
        vault.put(CA, authority.certificate)
        made = {CA_KEY: "", CA: ""}
    certificate, key = vault.find(SERVER), vault.find(SERVER_KEY)
    reason = ""
    if certificate is not None and key is not None:
        reason = why_renew(vault.read(CA), KeyPair(key, certificate), settings.broker_name_list, now)
        if not reason:
            return made
    until = _issue(vault, settings, now)
    told = f"a new certificate for the broker, good until {until:%Y-%m-%d}, because {reason}" if reason else ""
    return {**made, SERVER_KEY: told, SERVER: ""}


def _issue(vault: Vault, settings: DeploymentSettings, now: datetime) -> datetime:
    key = vault.find(CA_KEY)
    if key is None:
        raise SecretsError(
            f"{str(vault.path(CA_KEY))!r} is missing, and only it can sign a new certificate",
            hint="Bring the authority's key back for as long as this takes.",
        )
    issued = issue_server(KeyPair(key, vault.read(CA)), settings.broker_name_list, now)
    vault.put(SERVER_KEY, issued.key)
    vault.put(SERVER, issued.certificate)
    return expiry(issued.certificate)


def _passwords(vault: Vault) -> Passwords:
    """The broker's passwords: the devices' as they are, the platform's as their files say."""
    passwords = read_passwords(vault)
    for user, name in MQTT_PASSWORD_FILES.items():
        password = vault.read(name).decode()
        if not passwords.accepts(user, password):
            passwords.set(user, password)
    return passwords


def read_passwords(vault: Vault) -> Passwords:
    """The broker's password file, empty where there is none. Raises SecretsError, AccessError."""
    return Passwords.parse((vault.find(PASSWD) or b"").decode())


def read_roles(vault: Vault) -> dict[str, Role]:
    """The accounts that are more than a device: name to role. Raises SecretsError, naming a line that is neither."""
    roles: dict[str, Role] = {}
    for line in (vault.find(ROLES) or b"").decode().splitlines():
        name, _, role = line.partition(" ")
        try:
            roles[name] = Role(role)
        except ValueError:
            raise SecretsError(
                f"{str(vault.path(ROLES))!r}: {line!r} is not a name and one of {', '.join(Role)}",
                hint="Take the line out; the account is a device then.",
            ) from None
    return roles


def _random() -> bytes:
    # no sign that begins an option or means something to a shell: people and scripts put these into commands
    return secrets.token_hex(32).encode()
