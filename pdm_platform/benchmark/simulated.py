"""`pdmctl benchmark simulated`: the shipped training on simulated lives, judged on a larger fleet of other pumps."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from pdm_platform.benchmark.figures import Figures, side_by_side
from pdm_platform.benchmark.simulated_lives import idle_lives, simulated_lives, together
from pdm_platform.core.comparison import best_settings, compare
from pdm_platform.core.judgement import figures
from pdm_platform.core.judgement.judge import Judgement
from pdm_platform.core.judgement.replay import assess
from pdm_platform.core.judgement.report import Algorithm, render_html
from pdm_platform.core.lives import SPEEDS, speeds_of, split_by_pump
from pdm_platform.core.serving import ServingModel
from pdm_platform.core.training import WEAR_COLUMNS, to_files, train
from simulators.plans import LivesPlan

Say = Callable[[str], None]
# other pumps than any training on the same seed has
_OTHER_SEED: Final = 1_000_003
_UNSEEN_SHARE: Final = 0.3


_BESIDE: Final = (
    *("macro_f1", "baseline_macro_f1", "mode_macro_f1", "health_mae_percent", "rul_relative_width"),
    *("flips_per_1000_readings", "cost_per_pump_year", "cost_run_to_failure", "cost_fixed_interval"),
)


class Target(NamedTuple):
    """What is aimed at. name: of the figure; least and most: bounds, either may be missing."""

    name: str
    text: str
    least: float | None
    most: float | None

    def met_by(self, value: float | None) -> bool:
        """Whether a figure lies within the bounds; one that is not known does not."""
        return (
            value is not None
            and (self.least is None or value >= self.least)
            and (self.most is None or value <= self.most)
        )


TARGETS: Final = (
    *(Target(f"rul_coverage_{speed}", f"90 % intervals that held the truth, {speed}", 0.87, 0.95) for speed in SPEEDS),
    Target("macro_f1_margin", "macro F1 above the best baseline", 0.05, None),
    Target("warned_share", "failures warned of with 5 % of the life left", 0.95, None),
    Target("false_alarms_per_100_lives", "false alarms in 100 lives", None, 2.0),
    Target("sensor_faults_taken_for_machine_faults", "sensor faults taken for machine faults", None, 0.02),
)


def run_simulated(
    *, seed: int, plan: str, judged_on: str, idle: int, search_s: float, as_json: bool, html: Path | None
) -> int:
    """Train, judge, print; progress goes to stderr. Returns the exit status: 0, whatever the figures are."""
    started_s = time.monotonic()
    judged, algorithms = measure(
        seed, plan, judged_on, idle, search_s, lambda text: print(text, file=sys.stderr, flush=True)
    )
    found = figures.metrics(judged)
    found["macro_f1_margin"] = found["macro_f1"] - found["baseline_macro_f1"]
    if html is not None:
        html.write_text(render_html(judged, algorithms), encoding="utf-8")
    seconds = round(time.monotonic() - started_s, 1)
    result = {"seed": seed, "plan": plan, "judged_on": judged_on, "idle_pumps": idle, "seconds": seconds}
    print(json.dumps({**result, "targets": _targets(found), **found}) if as_json else _text(result, found))
    return 0


def measure(
    seed: int, plan: str, judged_on: str, idle: int, search_s: float, say: Say
) -> tuple[Judgement, list[Algorithm]]:
    """The judgement of models trained as shipped, and the algorithms that were compared.

    plan, judged_on: lives of LivesPlan, `stress:2,nominal:1`. idle: pumps that do not wear. Of the training lives 30 %
    are kept back, as the job `retrain` does.
    """
    say(f"simulating {plan}")
    lives = simulated_lives(LivesPlan.parse(plan, seed=seed))
    last = np.append(np.flatnonzero(lives.device_ids[1:] != lives.device_ids[:-1]), len(lives) - 1)
    modes = {str(lives.device_ids[row]): str(lives.mode_index[row]) for row in last}
    speeds = speeds_of(lives.device_ids, lives.time_ns)
    seen, _ = split_by_pump(speeds, modes=modes, unseen_share=_UNSEEN_SHARE, seed=seed)
    trained = lives.of(seen)
    compared = compare(
        trained, np.array(WEAR_COLUMNS), seed=seed, budget_s=search_s, clock=time.perf_counter, progress=say
    )
    files = to_files(train(trained, seed=seed, settings=best_settings(compared), progress=say))
    say(f"simulating {judged_on}, and {idle} pumps that do not wear")
    unseen = together(
        simulated_lives(LivesPlan.parse(judged_on, seed=seed + _OTHER_SEED)),
        idle_lives(idle, seed=seed + _OTHER_SEED),
    )
    say(f"judging {len(unseen):,} readings")
    judged = assess(ServingModel.from_files(files), trained, unseen, seed=seed, clock=time.perf_counter)
    return judged, [Algorithm(each.name, each.macro_f1, each.fit_s, each.predict_us) for each in compared]


def _targets(found: dict[str, float]) -> dict[str, Any]:
    return {
        each.name: {
            "value": found.get(each.name),
            "least": each.least,
            "most": each.most,
            "met": each.met_by(found.get(each.name)),
        }
        for each in TARGETS
    }


def _text(result: dict[str, Any], found: dict[str, float]) -> str:
    rows = [
        Figures(
            each.text,
            (found.get(each.name), each.least, each.most),
            "" if each.met_by(found.get(each.name)) else "NOT MET",
        )
        for each in TARGETS
    ]
    lines = [f"{name:<26} {found[name]:10.3f}" for name in _BESIDE if name in found]
    head = f"trained on {result['plan']}, judged on {result['judged_on']} and {result['idle_pumps']} idle pumps, "
    return "\n".join(
        [
            f"{head}seed {result['seed']}, {result['seconds']:.0f} s\n",
            side_by_side(("ours", "at least", "at most"), (".3f", ".2f", ".2f"), rows),
            "",
            *lines,
        ]
    )
