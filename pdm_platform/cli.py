"""pdmctl: every process and every tool of the platform is one command of this program."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pdm_platform.contract.errors import PdmError
from pdm_platform.local.processes import end_with_parent
from pdm_platform.runtime.usage_data import send_nothing

# Commands import what they need when they run: the parts are heavy, and `pdmctl broker` should start at once.
app = typer.Typer(
    name="pdmctl",
    help="Predictive maintenance for pumps. `pdmctl demo` shows all of it in a few minutes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
models = typer.Typer(no_args_is_help=True, help="Model versions: list, show, promote, roll back.")
app.add_typer(models, name="models")


@app.command()
def broker() -> None:
    """Run the embedded MQTT broker (NATS) until a signal ends it."""
    from pdm_platform.runtime.broker import BrokerSettings, run_broker
    from pdm_platform.runtime.settings import PlatformSettings

    raise typer.Exit(run_broker(PlatformSettings.load(), BrokerSettings.load()))


@app.command()
def bridge() -> None:
    """Carry readings from the broker into the store: what it acknowledges is stored or quarantined."""
    from sensors_bridge.main import main as run

    raise typer.Exit(run())


@app.command()
def inference() -> None:
    """Predict state, health, remaining life and failure mode of every reading, live."""
    from pdm_platform.inference.main import main as run

    raise typer.Exit(run())


@app.command()
def job(
    name: Annotated[str, typer.Argument(help="`retrain` or `monitor`")],
    config: Annotated[Path | None, typer.Option(help="JSON file with the run's configuration")] = None,
) -> None:
    """Run a Dagster job here and now; one JSON line a step on stdout. Exits with 1 when it fails."""
    import os

    from pdm_platform.runtime.settings import PlatformSettings

    dagster_home = PlatformSettings.load().home.absolute() / "dagster"
    dagster_home.mkdir(parents=True, exist_ok=True)
    os.environ.setdefault("DAGSTER_HOME", str(dagster_home))
    arguments = [sys.executable, "-m", "pdm_platform.execute", name]
    os.execv(sys.executable, arguments if config is None else [*arguments, "--config", str(config)])


@app.command()
def demo(
    seed: Annotated[int, typer.Option(envvar="PDM_DEMO_SEED", help="another seed is another fleet")] = 7,
    folder: Annotated[Path, typer.Option(help="where runs, summary and report go")] = Path("var/demo"),
    small: Annotated[bool, typer.Option("--small", help="fewer lives and pumps, as the tests use it")] = False,
) -> None:
    """The whole platform in a few minutes: simulate, store, train, check, promote, predict a live fleet."""
    from pdm_platform.local.demo import run_demo

    raise typer.Exit(run_demo(folder, seed, small=small))


@app.command()
def dev(
    folder: Annotated[Path, typer.Option(help="where data, models and logs go; kept between runs")] = Path("var/dev"),
    ui_port: Annotated[int, typer.Option(help="port of the Dagster UI")] = 3000,
    pumps: Annotated[int, typer.Option(help="simulated pumps that flow meanwhile")] = 24,
) -> None:
    """Keep the embedded stack running, with the Dagster UI and a simulated fleet, until Ctrl-C."""
    from pdm_platform.local.dev import run_dev

    raise typer.Exit(run_dev(folder, ui_port, pumps))


@app.command()
def doctor() -> None:
    """Check settings, disk, broker, store and registry, and say what to do about each finding."""
    from pdm_platform.local.doctor import run_doctor

    raise typer.Exit(run_doctor())


@app.command()
def config(
    markdown: Annotated[bool, typer.Option("--markdown", help="as the README's table")] = False,
) -> None:
    """Print every setting, its value here (secrets masked), its default and its meaning."""
    from pdm_platform.local.config import print_settings

    print_settings(markdown=markdown)


@app.command()
def export(
    what: Annotated[str, typer.Argument(help="predictions, telemetry or training")],
    format: Annotated[str, typer.Option(help="csv or parquet")] = "csv",
    start: Annotated[str, typer.Option("--from", help="first moment, ISO 8601; default: the beginning")] = "",
    end: Annotated[str, typer.Option("--to", help="first moment after, ISO 8601; default: now")] = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="file; default: stdout")] = None,
    balanced: Annotated[bool, typer.Option("--balanced", help="training: as many rows of each state")] = False,
) -> None:
    """Write readings, labelled readings or predictions out of the store.

    `pdmctl export predictions --from 2026-01-01 --format parquet -o predictions.parquet`
    """
    from pdm_platform.local.export import run_export

    run_export(what, format, start, end, output, balanced=balanced)


@app.command()
def reports(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="port to listen on")] = 3002,
) -> None:
    """Serve the HTML reports below PDM_HOME, nothing else, until a signal ends it."""
    from pdm_platform.local.report_server import run_reports
    from pdm_platform.runtime.settings import PlatformSettings

    raise typer.Exit(run_reports(PlatformSettings.load(), host, port))


@models.command("list")
def models_list() -> None:
    """All versions, newest first; the one in production is marked."""
    from pdm_platform.local.models import list_versions

    list_versions()


@models.command("show")
def models_show(version: str) -> None:
    """One version's manifest, after its files were checked against it."""
    from pdm_platform.local.models import show_version

    show_version(version)


@models.command("promote")
def models_promote(
    version: str,
    reason: Annotated[str, typer.Option(help="kept in the ledger")],
) -> None:
    """Put a version into production, if its evidence allows it. Running services take it at once."""
    from pdm_platform.local.models import promote_version

    promote_version(version, reason)


@models.command("rollback")
def models_rollback(reason: Annotated[str, typer.Option(help="kept in the ledger")]) -> None:
    """Put the version back that was in production before."""
    from pdm_platform.local.models import roll_back

    roll_back(reason)


def main() -> None:
    """Entry point: an error that a user can mend is printed without a stack trace."""
    end_with_parent()
    send_nothing()
    from pdm_platform.benchmark.cli import app as benchmark
    from pdm_platform.deployment.devices_cli import app as devices
    from pdm_platform.deployment.secrets_cli import app as secrets
    from pdm_platform.deployment.store_cli import app as store
    from sensors_bridge.quarantine_cli import app as quarantine
    from simulators.cli import app as simulate

    for name, group in (("simulate", simulate), ("store", store), ("devices", devices), ("secrets", secrets)):
        app.add_typer(group, name=name)
    for name, group in (("quarantine", quarantine), ("benchmark", benchmark)):
        app.add_typer(group, name=name)
    try:
        app()
    except PdmError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
