"""The plots of the judgement, each as a PNG. No pyplot: its global state is not safe in the threads of a server."""

import io
from typing import Any, Final

import numpy as np

from pdm_platform.core.judgement.classes import ClassScores
from pdm_platform.core.judgement.costs import Costs
from pdm_platform.core.judgement.curves import Curve
from pdm_platform.core.judgement.judge import Judgement
from pdm_platform.core.judgement.remaining import ALPHA

_TRUE, _TOLD, _GOOD, _FAINT = "#1c2733", "#d1602b", "#2f7d5b", "#aab4bd"
_PER_ROW: Final = 3


def confusion_png(scores: ClassScores, title: str) -> bytes:
    """Share of each true class, with the counts of readings."""
    counts = np.array(scores.confusion)
    size = max(4.2, 0.85 * len(counts))
    figure = _figure(1.25 * size, size)
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    names = [name.replace("_", "\n") for name in scores.names]
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set(xlabel="told", ylabel="true", title=title)
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if shares[row, column] > 0.5 else "black"
        text = f"{shares[row, column]:.0%}\n{count}" if count else ""
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    return _png(figure)


def calibration_png(judged: Judgement) -> bytes:
    """Told probability against how often it was so."""
    figure = _figure(9.0, 3.4)
    found = judged.calibration
    for axes, (name, each) in zip(
        figure.subplots(1, 3, sharex=True, sharey=True),
        {"the told state": found.state, "FAULTY or worse": found.severe, "the told mode": found.mode}.items(),
        strict=True,
    ):
        axes.plot([0, 1], [0, 1], color=_FAINT, linestyle="--")
        axes.plot([one.told for one in each.bins], [one.happened for one in each.bins], "o-", color=_TOLD, markersize=4)
        axes.bar([one.told for one in each.bins], [one.share for one in each.bins], width=0.05, color=_FAINT, alpha=0.6)
        axes.set(xlabel="told probability", title=f"{name}, ECE {each.ece:.3f}", xlim=(0, 1), ylim=(0, 1))
    figure.axes[0].set_ylabel("how often it was so")
    return _png(figure)


def lead_png(judged: Judgement) -> bytes:
    """Lead times of the failures that were warned of, as share of life and in hours."""
    figure = _figure(9.0, 3.0)
    shares, hours = figure.subplots(1, 2)
    warned = [life for life in judged.lives if life.warned]
    shares.hist([100.0 * life.lead_share for life in warned], bins=np.arange(0, 105, 5).tolist(), color=_GOOD)
    lead_hours = judged.rule.repair_lead_hours
    limit = (shares, 100.0 * judged.rule.min_share) if lead_hours is None else (hours, lead_hours)
    limit[0].axvline(limit[1], color=_TOLD, linestyle="--")
    shares.set(xlabel="life left at the warning, %", ylabel="failures")
    speeds = sorted({life.speed for life in warned})
    for place, speed in enumerate(speeds):
        found = [life.lead_hours for life in warned if life.speed == speed]
        hours.plot(found, [place] * len(found), "o", color=_GOOD, alpha=0.6, markersize=5)
    hours.set_yticks(range(len(speeds)), speeds)
    hours.set(xscale="log", xlabel="hours of event time from warning to failure")
    return _png(figure)


def coverage_png(judged: Judgement) -> bytes:
    """Coverage of the 90 % interval and its width, by speed and by third of life."""
    figure = _figure(9.0, 3.2)
    found = judged.remaining
    groups = {"all": found.overall, **found.speeds, **found.phases}
    places = np.arange(len(groups))
    names = [name.replace("_", "\n") for name in groups]
    told, wide = figure.subplots(1, 2)
    told.bar(places, [each.coverage for each in groups.values()], color=_GOOD)
    told.axhline(0.9, color=_TOLD, linestyle="--")
    told.set(ylim=(0, 1.02), title="share of intervals that hold the truth")
    wide.bar(places, [each.relative_width for each in groups.values()], color=_FAINT)
    wide.set_title("mean width, in lives")
    for axes in (told, wide):
        axes.set_xticks(places, names, fontsize=8)
    return _png(figure)


def alpha_lambda_png(curves: list[Curve]) -> bytes:
    """Told remaining life with its interval, against the truth and the cone of 20 % around it."""
    figure, grid = _grid(curves)
    for axes, curve in zip(grid, curves, strict=False):
        hours, true = np.array(curve.hours), np.array(curve.true_rul)
        axes.fill_between(hours, (1 - ALPHA) * true, (1 + ALPHA) * true, color=_GOOD, alpha=0.25, linewidth=0)
        axes.plot(hours, true, color=_TRUE, linewidth=1)
        axes.fill_between(hours, curve.rul_lower, curve.rul_upper, color=_TOLD, alpha=0.2, linewidth=0)
        axes.plot(hours, curve.rul_median, color=_TOLD, linewidth=1)
        longest = np.nanmax(true) if np.isfinite(true).any() else 1.0
        axes.set(xlabel="hours", ylabel="hours left", ylim=(0, 1.6 * longest))
        axes.set_title(f"{curve.name} ({curve.speed})", fontsize=9)
    return _png(figure)


def lives_png(curves: list[Curve]) -> bytes:
    """True and told health, with warnings shaded and the failure marked."""
    figure, grid = _grid(curves)
    for axes, curve in zip(grid, curves, strict=False):
        axes.plot(curve.hours, curve.true_health, color=_TRUE, linewidth=1.2)
        axes.plot(curve.hours, curve.told_health, color=_TOLD, linewidth=0.9)
        for start, end in curve.warned_hours:
            axes.axvspan(start, end, color=_TOLD, alpha=0.12, linewidth=0)
        if np.isfinite(curve.failure_hours):
            axes.axvline(curve.failure_hours, color=_TRUE, linestyle=":")
        axes.set(xlabel="hours", ylabel="health, %", ylim=(-3, 103))
        axes.set_title(f"{curve.name} ({curve.speed})", fontsize=9)
    return _png(figure)


def costs_png(costs: Costs) -> bytes:
    """What each policy costs, and how that changes with what a failure costs."""
    figure = _figure(9.0, 3.4)
    bars, lines = figure.subplots(1, 2)
    policies = {
        "run to failure": (costs.run_to_failure, costs.run_to_failure_by_ratio, _TRUE),
        "fixed interval": (costs.fixed_interval, costs.fixed_interval_by_ratio, "#3d6fa5"),
        "this model": (costs.predictive, costs.predictive_by_ratio, _TOLD),
    }
    for place, (name, (total, by_ratio, color)) in enumerate(policies.items()):
        bars.bar(place, total, color=color)
        lines.plot(costs.ratios, by_ratio, color=color, label=name)
    bars.bar(len(policies), costs.perfect, color=_FAINT)
    bars.set_xticks(range(len(policies) + 1), [*policies, "perfect"], fontsize=8)
    bars.set_ylabel("€ per pump and year")
    lines.axvline(costs.table.failure / costs.table.planned, color=_FAINT, linestyle="--")
    lines.set_xlabel("cost of a failure / cost of a planned repair")
    if np.nan_to_num(costs.run_to_failure_by_ratio).max(initial=0.0) > 0.0:
        lines.set_yscale("log")  # running to failure may cost ten times the others
    lines.legend(fontsize=8)
    return _png(figure)


def _grid(curves: list[Curve]) -> tuple[Any, list[Any]]:
    rows = max(1, -(-len(curves) // _PER_ROW))
    figure = _figure(10.0, 2.8 * rows)
    grid = figure.subplots(rows, _PER_ROW, squeeze=False).ravel().tolist()
    for axes in grid[len(curves) :]:
        axes.set_axis_off()
    return figure, grid


def _figure(width_inch: float, height_inch: float) -> Any:
    # 0.5 s, for those who judge only
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inch, height_inch), layout="constrained")


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
    return buffer.getvalue()
