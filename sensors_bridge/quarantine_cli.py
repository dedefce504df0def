"""`pdmctl quarantine`: what the bridge rejected, why, and how it gets in after all."""

import sys
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sensors_bridge.quarantine_index import Entry

# Commands import what they need when they run, so that every other command of pdmctl starts at once.
app = typer.Typer(no_args_is_help=True, help="Rejected messages: list, show, repair and replay them.")

Since = Annotated[str, typer.Option("--since", help="received at this moment or later, ISO 8601")]
Until = Annotated[str, typer.Option("--until", help="received before this moment, ISO 8601")]
ByCause = Annotated[str, typer.Option("--cause", help="topic, payload, device, time or store")]
ByDevice = Annotated[str, typer.Option("--device", help="device id, as the topic has it")]
ByTopic = Annotated[str, typer.Option("--topic", help="exactly this topic")]


@app.command("list")
def list_command(
    since: Since = "",
    until: Until = "",
    cause: ByCause = "",
    device: ByDevice = "",
    topic: ByTopic = "",
    last: Annotated[int, typer.Option("--last", min=1, help="only so many, the newest; default: all")] = sys.maxsize,
    format: Annotated[str, typer.Option(help="text, or json: one whole record a line, payload included")] = "text",
) -> None:
    """What lies in quarantine, the newest last, then how many by cause and topic."""
    from pdm_platform.contract.errors import SettingsError
    from sensors_bridge.quarantine_index import Selection, entries
    from sensors_bridge.quarantine_text import HEADINGS, Summary, json_of, line_of

    if format not in ("text", "json"):
        raise SettingsError(f"--format {format!r} is neither text nor json")
    selection = Selection.of(since, until, cause, device, topic)
    found: Iterable[Entry] = entries(_folder(), selection)
    if last < sys.maxsize:
        found = deque(found, last)
    summary, nothing = Summary(), True
    for entry in found:
        if format == "json":
            print(json_of(entry))
        else:
            if nothing:
                print(HEADINGS)
            print(line_of(entry))
        summary.add(entry)
        nothing = False
    if nothing:
        matching = "" if selection == Selection() else " matches"
        # JSON is for programs: no line is what they understand
        print(f"nothing in quarantine{matching}: {_folder()}", file=sys.stdout if format == "text" else sys.stderr)
    elif format == "text":
        print("", *summary.lines(), sep="\n")


@app.command()
def show(
    record: Annotated[str, typer.Argument(metavar="ID", help="the beginning of an id that `list` shows")],
    payload: Annotated[bool, typer.Option("--payload", help="only the payload, byte by byte, to stdout")] = False,
) -> None:
    """One record: its whole reason, and its payload to read or, with `--payload`, to repair.

    `pdmctl quarantine show 3f2a --payload | jq '.rpm = 2850' | pdmctl quarantine replay 3f2a --payload -`
    """
    from sensors_bridge.quarantine import payload_of
    from sensors_bridge.quarantine_index import find
    from sensors_bridge.quarantine_text import page_of

    [entry] = find(_folder(), [record])
    if payload:
        sys.stdout.buffer.write(payload_of(entry.record))
        return
    for line in page_of(entry):
        print(line)


@app.command()
def replay(
    records: Annotated[list[str] | None, typer.Argument(metavar="ID…", help="beginnings of ids")] = None,
    since: Since = "",
    until: Until = "",
    cause: ByCause = "",
    device: ByDevice = "",
    topic: ByTopic = "",
    everything: Annotated[bool, typer.Option("--all", help="everything that lies there")] = False,
    payload: Annotated[str, typer.Option("--payload", help="file with a repaired payload for one ID; - is stdin")] = "",
    again: Annotated[bool, typer.Option("--again", help="also what was replayed before")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be done")] = False,
) -> None:
    """Publish records again on their own topic, for the bridge to judge them anew.

    As they are, where the cause has passed, or one of them repaired. What would be rejected again is refused with the
    reason. A reading without a timestamp gets the time at which it was received. Exits with 1 where any was refused.
    """
    from pdm_platform.runtime.settings import PlatformSettings
    from sensors_bridge.quarantine_index import Selection
    from sensors_bridge.replay_command import Choice, run_replay

    selection = Selection.of(since, until, cause, device, topic)
    choice = Choice(tuple(records or ()), selection, everything)
    raise typer.Exit(run_replay(PlatformSettings.load(), choice, payload_file=payload, again=again, dry_run=dry_run))


def _folder() -> Path:
    from pdm_platform.runtime.settings import PlatformSettings

    return PlatformSettings.load().home.absolute() / "quarantine"
