"""What people are told of the secrets: where they lie, how long the certificates last, and, asked, their own."""

from collections.abc import Iterator
from typing import Final

from pdm_platform.deployment.access import User
from pdm_platform.deployment.certificates import expiry
from pdm_platform.deployment.secrets import CA, MQTT_PASSWORD_FILES, PASSFILES, SERVER
from pdm_platform.deployment.vault import SecretsError, Vault

# for people: what it opens, as whom, in which file
_FOR_PEOPLE: Final = (
    ("MQTT, reads everything, commands devices", User.OPERATOR.value, MQTT_PASSWORD_FILES[User.OPERATOR]),
    ("Grafana", "admin", "operator/grafana-admin-password"),
    ("InfluxDB, read only", "", "operator/store-token"),
)
_CERTIFICATES: Final = (
    ("certificate to trust", "operator/ca.crt"),
    ("private authority", CA),
    ("broker's certificate", SERVER),
)
_FOR_SERVICES: Final = (
    *((f"MQTT, {user}", name) for user, name in MQTT_PASSWORD_FILES.items() if user is not User.OPERATOR),
    ("InfluxDB, bridge", "bridge/store-token"),
    ("InfluxDB, Dagster", "dagster-code/store-token"),
    ("InfluxDB, Grafana", "grafana/store-token"),
    ("InfluxDB, everything", "influxdb/operator-token"),
    ("InfluxDB, admin", "influxdb/admin-password"),
    ("PostgreSQL", "postgres/password"),
    *(("PostgreSQL, Dagster", name) for name in PASSFILES),
    ("Grafana, signs with", "grafana/secret-key"),
)


def show(vault: Vault, *, reveal: bool) -> Iterator[str]:
    """Lines for people: a line a credential, separated by tabs. reveal: with the values of those for people.

    Raises SecretsError where, asked to reveal one, it cannot be read.
    """
    yield "what\tuser\tfile\tstate" + ("\tvalue" if reveal else "")
    for what, user, name in _FOR_PEOPLE:
        state = _state(vault, name)
        value = f"\t{(vault.find(name) or b'').decode().strip()}" if reveal else ""
        yield f"{what}\t{user or '-'}\t{vault.told(name)}\t{state}{value}"
    for what, name in _CERTIFICATES:
        yield f"{what}\t-\t{vault.told(name)}\t{_lasts(vault, name)}"
    for what, name in _FOR_SERVICES:
        yield f"{what}\t-\t{vault.told(name)}\t{_state(vault, name)}"


def _state(vault: Vault, name: str) -> str:
    try:
        return "missing" if vault.find(name) is None else "there"
    except SecretsError:
        return "not readable as this user"


def _lasts(vault: Vault, name: str) -> str:
    state = _state(vault, name)
    return f"until {expiry(vault.read(name)):%Y-%m-%d}" if state == "there" else state
