"""`pdmctl devices`: accounts at the broker for devices, gateways and readers."""

import json
import shlex
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pdm_platform.deployment.roles import Role

if TYPE_CHECKING:
    from pdm_platform.deployment.devices import Account, Accounts
    from pdm_platform.deployment.settings import DeploymentSettings

# Commands import what they need when they run, so that every other command of pdmctl starts at once.
app = typer.Typer(no_args_is_help=True, help="Accounts of devices at the broker: add, revoke, list.")
# in the order of the contract's channels: a pump in good health
_TYPICAL: Final = (1.1, 0.9, 0.7, 1.6, 38.4, 4.2, 7.8, 2850)


@app.command()
def add(
    device_id: Annotated[str, typer.Argument(metavar="ID", help="the device id, which is its user name")],
    rotate: Annotated[bool, typer.Option("--rotate", help="a new password for an existing account")] = False,
    role: Annotated[
        Role | None,
        typer.Option(
            help="collector: a device that may send labelled readings too; gateway: may publish for every pump; "
            "reader: reads everything, writes nothing"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object, for machines")] = False,
) -> None:
    """Make an account and print its password, this once. The broker lets it in about two seconds later.

    A device publishes its own readings and status and reads its own predictions, alarms and commands, nothing else.
    """
    accounts, settings = _accounts()
    account = accounts.add(device_id, role, rotate=rotate)
    facts = _facts(account, settings)
    if as_json:
        print(json.dumps(facts))
        return
    for name, value in facts.items():
        print(f"{name:9} {value}")
    print("\nThe password is not shown again: only its hash is kept. Try it:\n")
    print(_mosquitto_pub(account, facts))


@app.command()
def revoke(device_id: Annotated[str, typer.Argument(metavar="ID", help="user name of the account")]) -> None:
    """End an account. The broker cuts its running connection off within about two seconds."""
    accounts, _ = _accounts()
    accounts.revoke(device_id)
    print(f"revoked {device_id}")


@app.command("list")
def list_command() -> None:
    """Name and role of every account that was added, separated by a tab."""
    accounts, _ = _accounts()
    for name, role in accounts.list().items():
        print(f"{name}\t{role}")


def _accounts() -> "tuple[Accounts, DeploymentSettings]":
    from pdm_platform.deployment.devices import Accounts
    from pdm_platform.deployment.settings import DeploymentSettings
    from pdm_platform.deployment.vault import Vault
    from pdm_platform.runtime.settings import PlatformSettings

    settings = DeploymentSettings.load()
    return Accounts(Vault(settings), PlatformSettings.load().topics), settings


def _facts(account: "Account", settings: "DeploymentSettings") -> dict[str, str | int]:
    return {
        "username": account.name,
        "password": account.password,
        "role": account.role.value,
        "host": settings.broker_name,
        "port": settings.broker_tls_port,
        "ca": str(settings.told_dir / "operator" / "ca.crt"),
    }


def _mosquitto_pub(account: "Account", facts: dict[str, str | int]) -> str:
    """A command line that publishes, or for a reader receives, over TLS."""
    from pdm_platform.contract.channels import CHANNEL_NAMES
    from pdm_platform.contract.topics import Kind
    from pdm_platform.runtime.settings import PlatformSettings

    topics = PlatformSettings.load().topics
    login = ("-h", facts["host"], "-p", facts["port"], "--cafile", facts["ca"], "-u", account.name)
    words = [str(word) for word in (*login, "-P", account.password, "-q", 1)]
    if account.role is Role.READER:
        return shlex.join(["mosquitto_sub", *words, "-v", "-t", topics.everything])
    reading = {"device_id": account.name, **dict(zip(CHANNEL_NAMES, _TYPICAL, strict=True))}
    telemetry = topics.of(Kind.TELEMETRY, account.name)
    return shlex.join(["mosquitto_pub", *words, "-t", telemetry, "-m", json.dumps(reading)])
