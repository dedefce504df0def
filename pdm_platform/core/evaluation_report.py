"""The evaluation for people: one self-contained page, without a date, so that the same figures give the same bytes."""

import base64
import html
import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from pdm_platform.contract.states import STATES

if TYPE_CHECKING:
    from pdm_platform.core.evaluation import Evaluation

_PLOTTED_PER_SPEED = 3
_SPEED_COLUMNS = {
    "pumps": "pumps",
    "readings": "readings",
    "macro_f1": "macro F1",
    "health_mae_percent": "health error, %",
    "failures": "failures",
    "failures_warned": "warned",
    "false_alarms": "false alarms",
    "median_warning_hours": "median warning, h",
    "median_warning_share": "share of life",
    "rul_known_share": "remaining life told",
    "rul_relative_error": "its error",
}
_LIFE_COLUMNS = {
    "device_id": "pump",
    "readings": "readings",
    "failed": "failed",
    "warned": "warned",
    "warning_hours": "warning, h",
    "warning_share": "share of life",
    "false_alarms": "false alarms",
    "health_mae_percent": "health error, %",
    "rul_known_share": "remaining life told",
    "rul_relative_error": "its error",
}
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2733}"
    "table{border-collapse:collapse;margin:.5rem 0 1.5rem}"
    "td,th{padding:.25rem .7rem;border-bottom:1px solid #d5dce3;text-align:right}"
    "td:first-child,th:first-child{text-align:left}img{max-width:100%}"
)


def confusion_png(evaluation: "Evaluation") -> bytes:
    """Confusion matrix as a PNG: share of each true state, with the counts."""
    figure = _figure(5.2, 4.2)
    axes = figure.subplots()
    counts = np.array(evaluation.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0)
    names = [str(state) for state in STATES]
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="predicted", ylabel="true", title=f"{evaluation.pumps} unseen pumps")
    for (row, column), count in np.ndenumerate(counts):
        color = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{shares[row, column]:.0%}\n{count}", ha="center", va="center", color=color)
    return _png(figure)


def health_png(evaluation: "Evaluation") -> bytes:
    """True against predicted health over the hours of a few unseen lives of each speed, as a PNG."""
    figure = _figure(10.0, 2.8 * len(evaluation.speeds))
    grid = figure.subplots(len(evaluation.speeds), _PLOTTED_PER_SPEED, squeeze=False, sharey=True)
    for row, speed in zip(grid, evaluation.speeds, strict=True):
        chosen = [life for life in evaluation.lives if life.speed == speed][:_PLOTTED_PER_SPEED]
        for axes in row[len(chosen) :]:
            axes.set_axis_off()
        for axes, life in zip(row, chosen, strict=False):
            hours, true, told = np.array(life.curve).T
            axes.plot(hours, true, color="#1c2733", label="true")
            axes.plot(hours, told, color="#d1602b", label="predicted")
            axes.set_title(life.device_id, fontsize=9)
            axes.set(xlabel="hours", ylim=(-3, 103))
        row[0].set_ylabel("health, %")
    grid[0, 0].legend(fontsize=8)
    return _png(figure)


def render_html(evaluation: "Evaluation") -> str:
    """One page with figures, plots and every unseen life, what went wrong included. It loads nothing from elsewhere."""
    worst = evaluation.smallest_margin()
    return "".join(
        [
            f"<!doctype html><html lang=en><meta charset=utf-8><title>Model evaluation</title><style>{_STYLE}</style>",
            "<h1>Model evaluation</h1>",
            f"<p>Judged on {evaluation.pumps} pumps ({evaluation.readings} readings) that the model has not seen; ",
            f"it was trained on {evaluation.trained_pumps} others. Macro F1 {evaluation.macro_f1:.3f}, ",
            f"{worst.margin:+.3f} against the best rule without a model ({html.escape(worst.name)}).</p>",
            _table(["rule", "what it does", "macro F1"], _rule_rows(evaluation)),
            _table(["state", "F1"], evaluation.f1.items()),
            _image(confusion_png(evaluation), "confusion matrix"),
            "<h2>By speed of life</h2>",
            _speed_table(evaluation),
            _image(health_png(evaluation), "true and predicted health"),
            "<h2>Every unseen life</h2><p>Failure: the first reading that is in truth BROKEN. Warning: from the FAULTY "
            "or BROKEN alarm that was active at the failure to the failure; a WARNING alarm alone does not count. "
            "False alarms: FAULTY or BROKEN alarms raised while the pump was in truth HEALTHY. Remaining life: median "
            "relative error of the time to the failure, in the last third of the readings before it.</p>",
            _life_table(evaluation),
            "</html>\n",
        ]
    )


def _rule_rows(evaluation: "Evaluation") -> list[tuple[str, str, float]]:
    model = ("model", "most probable state", evaluation.macro_f1)
    return [model, *((rule.name, rule.description, rule.macro_f1) for rule in evaluation.baselines)]


def _speed_table(evaluation: "Evaluation") -> str:
    scores = {**evaluation.speeds, "all": evaluation.overall}
    rows = ([speed, *(getattr(score, field) for field in _SPEED_COLUMNS)] for speed, score in scores.items())
    return _table(["speed", *_SPEED_COLUMNS.values()], rows)


def _life_table(evaluation: "Evaluation") -> str:
    rows = ([getattr(life, field) for field in _LIFE_COLUMNS] for life in evaluation.lives)
    return _table(_LIFE_COLUMNS.values(), rows)


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    top = "".join(f"<th>{html.escape(name)}</th>" for name in head)
    body = "".join("<tr>" + "".join(f"<td>{_shown(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{body}</table>"


def _shown(cell: Any) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, float):
        return "not known" if np.isnan(cell) else f"{cell:.3g}"
    return html.escape(str(cell))


def _image(png: bytes, text: str) -> str:
    return f'<p><img alt="{html.escape(text)}" src="data:image/png;base64,{base64.b64encode(png).decode()}"></p>'


def _figure(width_inch: float, height_inch: float) -> Any:
    # 0.5 s, and no pyplot: its global state is not safe in the threads of a server
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inch, height_inch), layout="constrained")


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
    return buffer.getvalue()
