"""`pdmctl secrets`: the stack's secrets and certificates, made once and never printed unasked."""

from typing import Annotated

import typer

# Commands import what they need when they run: cryptography alone takes a tenth of a second.
app = typer.Typer(no_args_is_help=True, help="Secrets and certificates of the stack: make, show, renew.")


@app.command("init")
def init_command() -> None:
    """Make every secret and certificate that is missing, random and mode 0600; what is there stays as it is.

    The access list and copies are brought into step, and the broker's certificate is renewed where it lacks a name of
    PDM_BROKER_NAMES or has less than 30 days left. As root, each file is given to the service that reads it.
    """
    from datetime import UTC, datetime

    from pdm_platform.deployment.secrets import init
    from pdm_platform.deployment.settings import DeploymentSettings
    from pdm_platform.runtime.settings import PlatformSettings

    settings = DeploymentSettings.load()
    done = init(settings, PlatformSettings.load().topics, datetime.now(UTC))
    for name in done.made:
        print(f"made {settings.told_dir / name}")
    for note in done.notes:
        print(note)
    if not done.made:
        print(f"all secrets are in {settings.told_dir}")


@app.command("show")
def show_command(
    reveal: Annotated[bool, typer.Option("--reveal", help="print the values meant for people, too")] = False,
) -> None:
    """Say where the credentials lie and how long the certificates last; with --reveal also those for people."""
    from pdm_platform.deployment.credentials import show
    from pdm_platform.deployment.settings import DeploymentSettings
    from pdm_platform.deployment.vault import Vault

    for line in show(Vault(DeploymentSettings.load()), reveal=reveal):
        print(line)


@app.command("renew")
def renew_command() -> None:
    """Make a new key and certificate for the broker, which takes them over by itself; the authority stays."""
    from datetime import UTC, datetime

    from pdm_platform.deployment.secrets import renew
    from pdm_platform.deployment.settings import DeploymentSettings

    old, new = renew(DeploymentSettings.load(), datetime.now(UTC))
    print(f"the broker's certificate was good until {old:%Y-%m-%d}, the new one is until {new:%Y-%m-%d}")
