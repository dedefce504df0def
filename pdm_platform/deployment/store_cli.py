"""`pdmctl store`: InfluxDB made ready, and what arrived late downsampled."""

import sys
from typing import Annotated

import typer

# Commands import what they need when they run, so that every other command of pdmctl starts at once.
app = typer.Typer(no_args_is_help=True, help="InfluxDB: buckets, tokens and tasks; downsample what arrived late.")


@app.command("init")
def init_command() -> None:
    """Make what InfluxDB lacks: buckets with their retention, a token for each service, tasks, scrapers.

    What is there stays as it is, so that this can run at every start. Secrets come from PDM_SECRETS_DIR, the services'
    tokens go there.
    """
    from pdm_platform.deployment.settings import DeploymentSettings
    from pdm_platform.deployment.store_init import initialise
    from pdm_platform.runtime.settings import PlatformSettings

    for step in initialise(DeploymentSettings.load(), PlatformSettings.load(), _tell):
        print(f"{step.done:8} {step.kind:8} {step.name:28} {step.detail}".rstrip(), flush=True)


@app.command()
def downsample(
    start: Annotated[str, typer.Option("--from", help="first moment, ISO 8601")],
    end: Annotated[str, typer.Option("--to", help="first moment after, ISO 8601; default: now")] = "",
) -> None:
    """Downsample the whole hours of a span again: for readings that came more than a week late.

    Up to a week, InfluxDB's tasks do it by themselves. To do it twice changes nothing.
    """
    from pdm_platform.deployment.settings import DeploymentSettings
    from pdm_platform.deployment.store_downsample import downsample_span
    from pdm_platform.runtime.settings import PlatformSettings

    points = downsample_span(DeploymentSettings.load(), PlatformSettings.load(), start, end, _tell)
    print(f"{points} points written")


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
