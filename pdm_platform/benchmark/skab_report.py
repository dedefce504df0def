"""`pdmctl benchmark skab`: what came out, beside what others published, for people, for programs, as a picture."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np

from pdm_platform.benchmark.cmapss_files import BenchmarkFileError
from pdm_platform.benchmark.figures import Figures, side_by_side
from pdm_platform.benchmark.skab import CRITERION, LEARN_ROWS, Confusion, Judged, Outcome, judge_folder

_SKAB: Final = "Katser, Kozitsin, SKAB v0.9, doi 10.34740/KAGGLE/DSV/1693952"
# F1, false and missed alarm rate on the same 23,801 rows of SKAB v0.9, as its leaderboard tells them
PUBLISHED: Final = (
    Figures("Conv-AE", (0.78, 0.1355, 0.2802), f"{_SKAB}; judges a row by later ones too"),
    Figures("Conv-AE, causal", (0.71, None, None), "the same, earlier rows only; no public source found"),
    Figures("MSET", (0.78, 0.3973, 0.1413), _SKAB),
    Figures("T-squared+Q (PCA)", (0.76, 0.2662, 0.2492), _SKAB),
    Figures("LSTM-AE", (0.74, 0.2996, 0.2592), _SKAB),
    Figures("Isolation forest", (0.29, 0.0256, 0.8289), _SKAB),
)
CAVEATS: Final = (
    "Limit and time constant of the centre are chosen leave-one-file-out. The method and its other settings were found"
    " with files of SKAB v0.9 in view.",
)
_WORST: Final = 5


def run_skab(folder: Path, *, as_json: bool, plot: Path | None) -> int:
    """Judge a folder, print what came out on stdout and the progress on stderr. Returns the exit status."""
    outcome = judge_folder(folder, progress=lambda text: print(text, file=sys.stderr, flush=True))
    if plot is not None:
        draw(outcome, plot)
    print(json.dumps(as_object(outcome)) if as_json else as_text(outcome))
    return 0


def as_object(outcome: Outcome) -> dict[str, Any]:
    """One JSON object. Rates are shares, None where no file is labelled; seconds of CPU time."""
    judged = [one for one in outcome.files if one.confusion is not None]
    return {
        "benchmark": "skab",
        **(_rates(outcome.confusion()) if judged else dict.fromkeys(("f1", "far", "mar"))),
        "files": len(judged),
        "rows": sum(sum(one.confusion) for one in judged if one.confusion),
        "learn_rows": LEARN_ROWS,
        "criterion": CRITERION,
        "settings": [{**setting._asdict(), "files": files} for setting, files in outcome.chosen()],
        "by_group": {group: _rates(outcome.confusion(group)) for group in outcome.groups()},
        "by_file": {one.recording.name: _rates(one.confusion) for one in judged if one.confusion},
        "unlabelled": {
            one.recording.name: {"rows": len(one.novel) - LEARN_ROWS, "novel_rows": int(one.novel.sum())}
            for one in outcome.files
            if one.confusion is None
        },
        "published": [
            {"method": one.method, **dict(zip(("f1", "far", "mar"), one.values, strict=True)), "source": one.remark}
            for one in PUBLISHED
        ],
        "caveats": list(CAVEATS),
        "seconds": round(outcome.seconds, 1),
    }


def _rates(confusion: Confusion) -> dict[str, float]:
    return {name: round(getattr(confusion, name), 4) for name in ("f1", "far", "mar")}


def as_text(outcome: Outcome) -> str:
    """What came out, for people at a terminal."""
    judged = [one for one in outcome.files if one.confusion is not None]
    lines = [
        f"SKAB: {len(judged)} files, the first {LEARN_ROWS} rows of each learnt,"
        f" {sum(sum(one.confusion) for one in judged if one.confusion)} rows judged by those before them",
        "",
    ]
    if judged:
        lines += [_table(outcome), "", "files with the most rows judged wrongly"]
        lines += [f"  {_of_a_file(one)}" for one in sorted(judged, key=_wrong, reverse=True)[:_WORST]]
    for one in outcome.files:
        if one.confusion is None:
            share = one.novel[LEARN_ROWS:].mean()
            lines.append(f"{one.recording.name}: not labelled, so only told: {share:.1%} of its rows are novel")
    lines += ["", f"settings chosen by the {CRITERION}:"]
    for setting, files in outcome.chosen():
        lines.append(f"  limit {setting.limit:g}, centre over {setting.follow_readings:g} readings: {files} files")
    return "\n".join([*lines, *CAVEATS, f"{outcome.seconds:.0f} s of CPU time"])


def _table(outcome: Outcome) -> str:
    confusions = [("this platform", outcome.confusion())]
    groups = outcome.groups()
    confusions += [(f"  {group}", outcome.confusion(group)) for group in groups if len(groups) > 1]
    ours = [Figures(name, (of.f1, of.far, of.mar)) for name, of in confusions]
    return side_by_side(("F1", "FAR", "MAR"), (".3f", ".1%", ".1%"), [*ours, *PUBLISHED])


def _wrong(one: Judged) -> int:
    return one.confusion.false + one.confusion.missed if one.confusion else 0


def _of_a_file(one: Judged) -> str:
    assert one.confusion is not None
    return f"{one.recording.name:12s} {one.confusion.mar:4.0%} missed, {one.confusion.far:4.0%} false alarms"


def draw(outcome: Outcome, path: Path) -> None:
    """A line a file: its anomaly, and where the detector says novel. Raises BenchmarkFileError."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    files = outcome.files[::-1]
    figure, axes = plt.subplots(figsize=(10, 1.5 + 0.2 * len(files)), layout="constrained")
    for place, one in enumerate(files):
        if one.recording.anomaly is not None:
            axes.broken_barh(_spans(one.recording.anomaly), (place - 0.4, 0.8), color="#fdbe85")
        axes.broken_barh(_spans(one.novel), (place - 0.15, 0.3), color="#08519c")
    axes.axvspan(0, LEARN_ROWS, color="#e0e0e0")
    axes.set(
        title="SKAB: labelled anomaly (light), told novel (dark), learnt (grey)",
        xlabel="row",
        xlim=(0, None),
        ylim=(-1, len(files)),
    )
    axes.set_yticks(range(len(files)), [one.recording.name for one in files], fontsize=7)
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise BenchmarkFileError(f"{path}: the picture cannot be written: {error}") from None
    finally:
        plt.close(figure)


def _spans(holds: np.ndarray) -> list[tuple[int, int]]:
    """Runs in which it holds, as first row and length."""
    edges = np.flatnonzero(np.diff(holds.astype(np.int8), prepend=0, append=0))
    return [(int(start), int(end - start)) for start, end in edges.reshape(-1, 2)]
