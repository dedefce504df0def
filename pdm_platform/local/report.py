"""The demo's report: one self-contained HTML page with plots, for whoever would rather look than read."""

import base64
import html
import io
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pdm_platform.contract.states import FAULTY_ABOVE_PERCENT, HEALTHY_ABOVE_PERCENT, STATES, WARNING_ABOVE_PERCENT
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.local.facts import FleetFacts
from pdm_platform.local.summary import Summary
from pdm_platform.local.summary_text import told_left, told_mode

mpl.use("Agg")
_TRUE, _SAID, _TOLD, _ALARM = "#555555", "#1f6feb", "#a8c7fa", "#d4380d"
_ZONES = ((HEALTHY_ABOVE_PERCENT, 100.0, "#e6f4ea"), (WARNING_ABOVE_PERCENT, HEALTHY_ABOVE_PERCENT, "#fff8e1"),
          (FAULTY_ABOVE_PERCENT, WARNING_ABOVE_PERCENT, "#ffe8d9"), (0.0, FAULTY_ABOVE_PERCENT, "#fde0e0"))  # fmt: skip
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; color: #222; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; } td, th { padding: .25rem .9rem .25rem 0; text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; } img { max-width: 100%; }
.wrong { background: #fff4f0; border-left: 4px solid #d4380d; padding: .6rem 1rem; }
@media (prefers-color-scheme: dark) { body { background: #16181c; color: #ddd; } .wrong { background: #33211c; }
 img { background: #fff; border-radius: 6px; } }
"""


def _image(figure: Figure, alt: str) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{html.escape(alt)}" src="data:image/png;base64,{data}">'


def health_figure(summary: Summary, facts: FleetFacts) -> Figure:
    """True against predicted health of each pump that failed, the first FAULTY alarm marked."""
    failed = summary.failed_pumps
    columns = min(3, max(1, len(failed)))
    rows = max(1, -(-len(failed) // columns))
    figure = Figure(figsize=(4.2 * columns, 2.9 * rows))
    for place, failure in enumerate(failed):
        _plot_health(figure.add_subplot(rows, columns, place + 1), failure, facts)
    figure.tight_layout()
    return figure


def _plot_health(axes: Axes, failure: dict[str, Any], facts: FleetFacts) -> None:
    truth = _of(facts.telemetry, failure["device_id"])
    said = _of(facts.predictions, failure["device_id"])
    start_ns = int(truth["time_ns"].min())
    for low, high, colour in _ZONES:
        axes.axhspan(low, high, color=colour, lw=0)
    axes.plot((truth["time_ns"] - start_ns) / NS_PER_S, truth["health_percent"], color=_TRUE, lw=1.6, label="true")
    axes.plot((said["time_ns"] - start_ns) / NS_PER_S, said["health_percent"], color=_SAID, lw=1.0, label="predicted")
    if failure["warning_s"] is not None:
        axes.axvline(failure["life_s"] - failure["warning_s"], color=_ALARM, ls="--", lw=1.2, label="FAULTY alarm")
    axes.set(title=failure["device_id"], xlabel="s since start", ylabel="health, %", ylim=(-3, 103))
    axes.legend(fontsize=7, loc="lower left")


def _of(rows: pd.DataFrame, device_id: str) -> pd.DataFrame:
    return rows[rows["device_id"] == device_id].sort_values("time_ns")


def confusion_figure(confusion: list[list[int]]) -> Figure:
    """Counts and row shares of the true (rows) and predicted (columns) states on unseen pumps."""
    counts = np.asarray(confusion, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(4.6, 3.8))
    axes = figure.add_subplot()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(shares.shape):
        shown = f"{counts[row, column]:.0f}\n{shares[row, column]:.0%}"
        axes.text(
            column,
            row,
            shown,
            ha="center",
            va="center",
            fontsize=8,
            color="white" if shares[row, column] > 0.5 else "#222",
        )
    names = [state.value for state in STATES]
    axes.set_xticks(range(len(names)), names, fontsize=7)
    axes.set_yticks(range(len(names)), names, fontsize=7)
    axes.set(xlabel="predicted", ylabel="true")
    return figure


def lead_figure(summary: Summary) -> Figure:
    """How long was left at the first FAULTY alarm, beside what it said was left, with its interval of 90 %."""
    failed = summary.failed_pumps
    figure = Figure(figsize=(6.2, 0.55 * max(2, len(failed)) + 1.0))
    axes = figure.add_subplot()
    places = np.arange(len(failed))
    true = [item["true_left_s"] or item["warning_s"] or 0.0 for item in failed]
    said = [item["said_left_s"] or 0.0 for item in failed]
    axes.barh(places - 0.18, true, 0.34, color=_SAID, label="true, at the alarm")
    axes.barh(places + 0.18, said, 0.34, color=_TOLD, label="told then; line: 90 % interval")
    for place, item in zip(places, failed, strict=True):
        if item["warning_s"] is None:
            axes.text(0.0, float(place), " no warning", color=_ALARM, va="center")
        if item["said_lower_s"] is not None and item["said_upper_s"] is not None:
            axes.plot((item["said_lower_s"], item["said_upper_s"]), (place + 0.18,) * 2, color=_TRUE, lw=2)
    axes.set_yticks(places, [item["device_id"] for item in failed], fontsize=8)
    axes.invert_yaxis()
    axes.set(xlabel="s until the failure")
    axes.legend(fontsize=7)
    return figure


def drift_figure(drift: pd.DataFrame) -> Figure:
    """Drift score of each channel of the live window against the training reference, with its threshold."""
    channels = drift[drift["channel"] != "fleet"]
    figure = Figure(figsize=(6.2, 3.0))
    axes = figure.add_subplot()
    colours = [_ALARM if drifted else _SAID for drifted in channels["drifted"].astype(bool)]
    axes.bar(channels["channel"], channels["score"], color=colours)
    for place, threshold in enumerate(channels["threshold"]):
        axes.plot((place - 0.45, place + 0.45), (threshold, threshold), color=_TRUE, ls="--", lw=1)
    axes.tick_params(axis="x", rotation=30, labelsize=7)
    axes.set(ylabel="distance; dashed: threshold")
    return figure


def _failed_table(summary: Summary) -> str:
    """What was told of each pump that failed, beside what was so."""
    if not summary.failed_pumps:
        return "<p>No pump failed.</p>"
    rows = "".join(
        "<tr>"
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in (item["device_id"], told_left(item), told_mode(item)))
        for item in summary.failed_pumps
    )
    return (
        f"<table><tr><th>pump</th><th>life left at the first FAULTY alarm</th><th>failure mode</th></tr>{rows}</table>"
    )


def _table(summary: Summary) -> str:
    rows = [(name, value) for name, value in summary.to_dict().items() if name not in ("wrong", "failed_pumps")]
    cells = "".join(
        f'<tr><td>{name}</td><td class="number">{html.escape("-" if value is None else str(value))}</td></tr>'
        for name, value in rows
    )
    return f"<table>{cells}</table>"


def write_report(path: Path, summary: Summary, facts: FleetFacts, evaluation: dict[str, Any]) -> None:
    """Write the page."""
    wrong = "".join(f"<li>{html.escape(text)}</li>" for text in summary.wrong)
    parts = [
        f"<h1>Pump fleet demo, seed {summary.seed}</h1>",
        f"<p>{summary.failures_warned} of {summary.failures} failures were warned of; {summary.false_alarms} false"
        f" alarms; {summary.published} readings published, {summary.stored} stored, {summary.lost} lost.</p>",
        f'<div class="wrong"><b>What was wrong</b><ul>{wrong}</ul></div>',
        "<h2>Health of the pumps that failed</h2>",
        _image(health_figure(summary, facts), "true and predicted health of each failed pump"),
        "<h2>How long before the failure the platform knew</h2>",
        _image(lead_figure(summary), "warning time by pump"),
        _failed_table(summary),
        f"<h2>States on {summary.unseen_pumps} simulated pumps the model had not seen</h2>",
        _image(confusion_figure(evaluation["confusion"]), "confusion matrix"),
        f"<p>Macro F1 {summary.macro_f1_unseen:.3f}; the best baseline has {summary.baseline_macro_f1:.3f}.</p>",
        "<h2>Drift of the live fleet against the training data</h2>",
        _image(drift_figure(facts.drift), "drift score by channel"),
        "<h2>All numbers</h2>",
        _table(summary),
    ]
    page = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Pump fleet demo</title><style>{_STYLE}</style>'
    path.write_text(page + "\n".join(parts) + "</html>\n", encoding="utf-8")
