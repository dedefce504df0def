"""`pdmctl benchmark`: the platform's own code on public data, beside what others published."""

from pathlib import Path
from typing import Annotated

import typer

# Commands import what they need when they run, so that every other command of pdmctl starts at once.
app = typer.Typer(no_args_is_help=True, help="How good is it? The platform on public data, beside published figures.")
_Data = Annotated[Path, typer.Option("--data", help="folder with the files; nothing is downloaded or copied")]
_Json = Annotated[bool, typer.Option("--json", help="one JSON object on stdout instead of text")]
_Plot = Annotated[Path | None, typer.Option("--plot", help="also draw a picture, e.g. FILE.png")]


@app.command()
def skab(data: _Data, as_json: _Json = False, plot: _Plot = None) -> None:
    """Novelty found in the Skoltech Anomaly Benchmark: every csv file in and below the folder, judged on line.

    A file has a column a sensor, separated by ';', and maybe `datetime` and the label `anomaly`.
    """
    from pdm_platform.benchmark.skab_report import run_skab

    raise typer.Exit(run_skab(data, as_json=as_json, plot=plot))


@app.command()
def cmapss(
    data: _Data,
    of_set: Annotated[str, typer.Option("--set", help="judges test_SET.txt with RUL_SET.txt")] = "FD001",
    as_json: _Json = False,
    plot: _Plot = None,
) -> None:
    """Remaining life of NASA's turbofan engines (C-MAPSS): learns from train_SET.txt of the folder."""
    from pdm_platform.benchmark.cmapss_report import run_cmapss

    raise typer.Exit(run_cmapss(data, of_set, as_json=as_json, plot=plot))


@app.command()
def simulated(
    seed: Annotated[int, typer.Option(help="another seed is other pumps, for training and judgement")] = 7,
    plan: Annotated[str, typer.Option(help="lives to train on; default: as shipped")] = "",
    judged_on: Annotated[
        str, typer.Option(help="lives of other pumps to judge on")
    ] = "stress:160,accelerated:64,nominal:16",
    idle: Annotated[int, typer.Option(help="pumps that do not wear among those judged")] = 40,
    search_s: Annotated[float, typer.Option(help="seconds for comparing algorithms and settings")] = 10.0,
    as_json: _Json = False,
    html: Annotated[Path | None, typer.Option(help="also write the judgement's page")] = None,
) -> None:
    """Simulated pumps, trained as shipped and judged on pumps never seen, against what is aimed at."""
    from pdm_platform.benchmark.simulated import run_simulated
    from simulators.plans import LivesPlan

    raise typer.Exit(
        run_simulated(
            seed=seed, plan=plan or str(LivesPlan()), judged_on=judged_on, idle=idle, search_s=search_s,
            as_json=as_json, html=html,
        )
    )  # fmt: skip
