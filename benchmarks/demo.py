"""How long `make demo` takes, beside a fixed piece of work that changes only with the machine."""

import subprocess
import time
from typing import Final

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, HistGradientBoostingClassifier

from benchmarks.bench import Bench, Measured, say
from benchmarks.figures import Figure, UnavailableError
from pdm_platform.local.processes import pdmctl

NAMES: Final = ("demo",)
_ROWS, _COLUMNS, _CLASSES = 30_000, 60, 4


def measure(bench: Bench) -> Measured:
    """Seconds by the clock, the start of all processes included.

    Most of the demo is training, so the reference trains too; but not with our code: a faster feature or a slower
    search must show in the ratio.
    """
    if not bench.work.demo:
        raise UnavailableError("left out of a quick run: it takes minutes")
    say("demo: `pdmctl demo` and a fixed training in turns, some minutes a round")
    found = bench.in_turns({"training": _train_s, "demo": lambda: _demo_s(bench)}, bench.demo_rounds)
    return {
        "demo": Figure(
            "s",
            "lower",
            "`make demo`, from the command to the summary",
            f"scikit-learn fitting boosted and random trees to {_ROWS:,} x {_COLUMNS} fixed numbers",
            found["demo"],
            found["training"],
        )
    }


def _demo_s(bench: Bench) -> float:
    with bench.scratch() as folder:
        began_s = time.monotonic()
        done = subprocess.run(
            pdmctl("demo", "--folder", str(folder)), stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        seconds = time.monotonic() - began_s
    if done.returncode != 0:
        raise RuntimeError(f"the demo failed:\n{done.stdout[-2_000:]}\n{done.stderr[-2_000:]}")
    return seconds


def _train_s() -> float:
    draw = np.random.default_rng(1)
    rows = draw.standard_normal((_ROWS, _COLUMNS))
    classes = np.digitize(rows[:, :8].sum(axis=1) + draw.standard_normal(_ROWS), np.linspace(-3, 3, _CLASSES - 1))
    began_s = time.monotonic()
    HistGradientBoostingClassifier(max_iter=60, random_state=1).fit(rows, classes)
    ExtraTreesClassifier(60, min_samples_leaf=5, random_state=1).fit(rows, classes)
    return time.monotonic() - began_s
