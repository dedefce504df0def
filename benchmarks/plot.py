"""A run in one picture: each figure's ratio to its reference with its spread, and what growth costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter

from benchmarks.figures import FURTHER, NAMES

_COLOURS: Final = {"higher": "#2a7f62", "lower": "#b5651d"}
_AXES: Final = (
    ("us_by_devices", "knee_devices", "pumps, in batches of 1,000"),
    ("us_by_batch", "knee_batch", "readings a batch at most, 1,000 pumps"),
)


def draw(latest: Mapping[str, Any], path: Path) -> None:
    """Write a PNG."""
    figure = Figure(figsize=(14, 5.5), layout="constrained")
    ratios, devices, batches = figure.subplots(1, 3, width_ratios=[1.6, 1, 1])
    devices.sharey(batches)
    _ratios(ratios, latest)
    for axes, columns in zip((devices, batches), _AXES, strict=True):
        _growth(axes, latest.get("growth") or {}, *columns)
    figure.savefig(path, dpi=110)


def _ratios(axes: Axes, latest: Mapping[str, Any]) -> None:
    names = [name for name in (*NAMES, *FURTHER) if latest.get(name, {}).get("ratio")]
    for place, name in enumerate(reversed(names)):
        found = latest[name]
        low, high = found["spread"]
        axes.barh(place, found["ratio"], color=_COLOURS[found["better"]])
        axes.plot([low, high], [place, place], color="black", linewidth=1.5)
        axes.annotate(f" {found['ratio']:.3g}", (max(high, found["ratio"]), place), va="center", fontsize=8)
    axes.set_yticks(range(len(names)), list(reversed(names)))
    axes.set_xlim(left=0.0)
    if names:
        widest = max(latest[name]["spread"][1] for name in names)
        if widest > 5.0:
            axes.set_xscale("symlog", linthresh=1.0)
        axes.set_xlim(0.0, widest * (2.0 if widest > 5.0 else 1.3))
    axes.axvline(1.0, color="black", linewidth=0.6, linestyle=":")
    axes.set_title("ratio to the reference (line: smallest to largest round)\ngreen: more is better, brown: less is")


def _growth(axes: Axes, growth: Mapping[str, Any], key: str, knee: str, label: str) -> None:
    for subject, found in growth.items():
        points = {int(place): cost for place, cost in found[key].items()}
        (line,) = axes.loglog(list(points), list(points.values()), marker="o", label=subject)
        if found[knee]:
            axes.axvline(found[knee], color=line.get_color(), linewidth=1.0, linestyle=":")
    axes.yaxis.set_major_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    axes.yaxis.set_minor_formatter(LogFormatter(minor_thresholds=(2, 0.5)))
    axes.set_xlabel(label)
    axes.set_ylabel("microseconds a reading")
    axes.set_title("cost as work grows, dotted: the knee")
    axes.grid(visible=True, which="both", alpha=0.25)
    if growth:
        axes.legend()
