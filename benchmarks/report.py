"""Puts the last run into README.md and docs/performance.md: `python -m benchmarks.report`.

Each has blocks between two marks, which are replaced. A block of which the run measured nothing stays as it is: so
`--only steady` changes that one alone. Everything else in the documents is written by hand.
"""

import argparse
import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import FURTHER, NAMES, STEADY, complete

ROOT: Final = Path(__file__).parents[1]
LATEST: Final = ROOT / "var" / "bench" / "latest.json"
PICTURE: Final = ROOT / "docs" / "images" / "performance.png"
_BLOCK: Final = "<!-- {name}: made by `python -m benchmarks.report` -->\n"
_END: Final = "<!-- end of {name} -->"
_LATENCY: Final = ("latency_simple", "latency_full")
_GROWTH: Final = {"models": "features and models alone", "inference": "inference service", "bridge": "bridge"}


def main() -> None:
    """Replace the blocks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--latest", type=Path, default=LATEST, help="the run, default var/bench/latest.json")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of README.md and docs/")
    given = parser.parse_args()
    if not given.latest.exists():
        sys.exit(f"{given.latest} is not there: `make bench` writes it")
    # a run of an older release knows nothing of newer figures
    latest = {**complete({}, "not measured yet"), **json.loads(given.latest.read_text(encoding="utf-8"))}
    if latest["quick"]:
        sys.exit(f"{given.latest} is of a quick run: its figures mean nothing")
    for name, contents in _blocks(latest).items():
        path = given.root / name
        text = path.read_text(encoding="utf-8")
        for block, content in contents.items():
            text = replaced(text, block, content)
        path.write_text(text, encoding="utf-8")
    picture = given.latest.with_suffix(".png")
    if picture.exists() and given.root == ROOT and measured_any(latest, (*NAMES, *FURTHER)):
        shutil.copyfile(picture, PICTURE)


def _blocks(latest: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """By document and block, what the run has to tell."""
    long: dict[str, str] = {}
    short: dict[str, str] = {}
    if measured_any(latest, (*NAMES, *FURTHER)):
        long["performance"] = figures_table(latest)
        short["performance"] = short_table(latest)
    if measured_any(latest, _LATENCY):
        long["latency"] = latency_table(latest)
    if latest.get("growth"):
        long["growth"] = growth_table(latest)
    if measured_any(latest, STEADY):
        long["steady"] = steady_table(latest)
    return {"docs/performance.md": long, "README.md": short}


def measured_any(latest: Mapping[str, Any], names: Iterable[str]) -> bool:
    """Whether one of these figures has a value."""
    return any(latest.get(name, {}).get("value") is not None for name in names)


def replaced(text: str, name: str, content: str) -> str:
    """The text with this content between the marks of this name. Raises ValueError where they are not there."""
    begin, end = _BLOCK.format(name=name), _END.format(name=name)
    if begin not in text or end not in text:
        raise ValueError(f"the text has no block {begin!r}")
    return re.sub(f"{re.escape(begin)}.*?{re.escape(end)}", lambda _: f"{begin}{content}{end}", text, flags=re.DOTALL)


def machine_line(machine: Mapping[str, Any]) -> str:
    """On what it was taken, in one sentence."""
    servers = [f"{name} {machine[name]}" for name in ("mosquitto", "influxd") if machine.get(name)]
    return (
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gb']:g} GB, {machine['system']}, "
        f"Python {machine['python']}, {', '.join(servers) or 'no servers'}; load before {machine['load_before']:g}"
    )


def figures_table(latest: Mapping[str, Any]) -> str:
    """Machine and date, then a row a figure with what exactly was measured."""
    return _table(latest, {name: _exactly(latest[name]) for name in (*NAMES, *FURTHER)})


def short_table(latest: Mapping[str, Any]) -> str:
    """The same in a few words each, without the further figures."""
    return _table(latest, NAMES)


def _exactly(found: Mapping[str, Any]) -> str:
    return f"{found.get('what')}; beside {found.get('reference_is')}"


def _table(latest: Mapping[str, Any], told: Mapping[str, str]) -> str:
    lines = [
        f"`make bench` on {machine_line(latest['machine'])}; {latest['rounds']} rounds, {latest['taken_at'][:10]}.",
        "",
        "| | here | reference | ratio | smallest to largest | |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name, text in told.items():
        found = latest[name]
        if found["value"] is None:
            lines.append(f"| `{name}` | | | | | {found['reason']} |")
            continue
        low, high = found["spread"]
        rounds = "" if found["rounds"] == latest["rounds"] else f" ({found['rounds']} rounds)"
        lines.append(
            f"| `{name}` | {_number(found['value'])} {found['unit']} | {_number(found['reference'])} |"
            f" {found['ratio']:.3g} | {low:.3g} to {high:.3g} | {text}{rounds} |"
        )
    return "\n".join(lines) + "\n"


def latency_table(latest: Mapping[str, Any]) -> str:
    """Percentiles at each rate, the relay's beside them."""
    lines = ["| | rate | p50 | p90 | p99 | relay's p50 | p90 | p99 |", "|---|---|---:|---:|---:|---:|---:|---:|"]
    for name in _LATENCY:
        for rate, sides in latest[name].get("latency_ms", {}).items():
            cells = [f"{_number(value)} ms" for side in ("service", "relay") for value in sides[side].values()]
            lines.append(f"| `{name}` | {rate} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def growth_table(latest: Mapping[str, Any]) -> str:
    """Microseconds a reading, and where the knee is."""
    lines = [
        "| µs a reading | 100 pumps | 1,000 | 10,000 | knee | batches of 10 | 100 | 1,000 | knee |",
        "|---|---:|---:|---:|---|---:|---:|---:|---|",
    ]
    for subject, found in (latest.get("growth") or {}).items():
        pumps, batches = (
            " | ".join(f"{cost:.3g}" for cost in found[key].values()) for key in ("us_by_devices", "us_by_batch")
        )
        far, small = found["knee_devices"], found["knee_batch"]
        lines.append(
            f"| {_GROWTH[subject]} | {pumps} | {f'{far:,} pumps' if far else 'none'} | {batches} |"
            f" {'none' if small is None else f'{small:,} readings'}:"
            f" {found['batch_us']:,.0f} µs a batch, {found['each_us']:.3g} µs a reading |"
        )
    state = (latest.get("growth") or {}).get("models", {}).get("state")
    if state:
        lines += [
            "",
            f"What is remembered of a pump takes {_number(state['bytes_a_device'])} bytes in memory;"
            f" the snapshot of {state['devices']:,} has {_number(state['snapshot_bytes'] / 1e6)} MB.",
        ]
    return "\n".join(lines) + "\n"


def steady_table(latest: Mapping[str, Any]) -> str:
    """Memory in the first and the last minute of a steady load, and that nothing was lost meanwhile."""
    lines = [
        f'`make bench ARGS="--only steady"` on {machine_line(latest["machine"])}; {latest["taken_at"][:10]}.',
        "",
        "| | growth | first minute | last minute | highest | readings, each stored or answered once | a second | |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for name in STEADY:
        found = latest[name]
        if found["value"] is None:
            lines.append(f"| `{name}` | | | | | | | {found['reason']} |")
            continue
        minutes = " | ".join(f"{found[f'{when}_mib']:.1f} MiB" for when in ("first_minute", "last_minute", "highest"))
        lines.append(
            f"| `{name}` | {found['value']:+.1f} MiB | {minutes} | {found['published']:,} | {found['rate_hz']:,} |"
            f" {found['what']} |"
        )
    return "\n".join(lines) + "\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"


if __name__ == "__main__":
    main()
