"""The sections of the page that go into detail: states, modes, probabilities, remaining life, conditions, rules."""

from collections.abc import Sequence
from typing import NamedTuple

from pdm_platform.contract.failure_modes import NO_FAILURE_MODE
from pdm_platform.core.judgement import plots
from pdm_platform.core.judgement.conditions import Condition
from pdm_platform.core.judgement.curves import badness
from pdm_platform.core.judgement.judge import Judgement
from pdm_platform.core.judgement.page import image, number, percent, section, table
from pdm_platform.core.judgement.remaining import ALPHA

_WORST_ROWS = 20


class Algorithm(NamedTuple):
    """One way to train, tried on the same split: its macro F1, seconds to fit, microseconds a row to tell."""

    name: str
    macro_f1: float
    fit_s: float
    predict_us: float


def details(judged: Judgement, algorithms: Sequence[Algorithm]) -> list[str]:
    """In the order of the page."""
    return [
        _states(judged),
        _modes(judged),
        _calibration(judged),
        _remaining(judged),
        _conditions(judged),
        _baselines(judged),
        _algorithms(algorithms),
        _every_life(judged),
    ]


def _states(judged: Judgement) -> str:
    scores = judged.states
    how = "On the diagonal are the readings told right; below it a pump looks better than it is, which is the bad side."
    rows = zip(scores.names, scores.lives, scores.precision, scores.recall, scores.f1, strict=True)
    speeds = [[speed, each.macro_f1, max(each.lives)] for speed, each in judged.speeds.items()]
    text = (
        f"<p>Macro F1 {scores.macro_f1:.3f}; drawing the pumps anew it lies between {scores.macro_f1_low:.3f} and "
        f"{scores.macro_f1_high:.3f} (90 %). Health is off by {number(judged.health_mae_percent)} % in the mean. The "
        f"told state changes {number(judged.flips.per_1000_readings)} times in 1,000 readings "
        f"({judged.flips.flips:,} times, the true one {judged.flips.true_changes:,} times), "
        f"{number(judged.flips.per_pump_day)} times a pump and day.</p>"
    )
    return section(
        "States",
        how,
        text,
        image(plots.confusion_png(scores, "states"), "confusion of states"),
        table(["state", "lives", "precision", "recall", "F1"], rows),
        table(["speed", "macro F1", "lives"], speeds),
    )


def _modes(judged: Judgement) -> str:
    scores = judged.modes
    how = (
        "Of readings worse than HEALTHY, and of pumps that do not wear: the true mode in rows, the told one in columns."
    )
    trained = judged.training.mode_lives
    rows = [
        [name, "" if name == NO_FAILURE_MODE else trained.get(name, 0), *figures]
        for name, *figures in zip(
            scores.names, scores.lives, scores.precision, scores.recall, scores.f1, strict=True
        )
    ]  # fmt: skip
    picture = image(plots.confusion_png(scores, "failure modes"), "confusion of modes")
    head = ["mode", "training lives", "unseen lives", "precision", "recall", "F1"]
    return section("Failure modes", how, f"<p>Macro F1 {number(scores.macro_f1)}.</p>", picture, table(head, rows))


def _calibration(judged: Judgement) -> str:
    how = "On the dashed line a probability means what it says; below it the model is too sure. Bars: how many."
    brier = f"<p>Brier score {number(judged.calibration.brier)} (0 is perfect, 2 surely wrong).</p>"
    return section("Probabilities", how, image(plots.calibration_png(judged), "calibration"), brier)


def _remaining(judged: Judgement) -> str:
    told = judged.remaining
    how = "An interval of 90 % should hold the truth nine times in ten (dashed) and be narrow: either alone is easy."
    groups = {"all": told.overall, **told.speeds, **told.phases, **told.modes}
    rows = [
        [name, g.lives, g.readings, g.told_share, g.coverage, g.relative_width, g.width_hours]
        for name, g in groups.items()
    ]
    cone = " ".join(f"{percent(value)} at {share:.0%} of the life;" for share, value in told.alpha_lambda.items())
    text = (
        f"<p>Within {ALPHA:.0%} of the truth: {cone} nothing told is a miss. Right to the end, within a tenth of the "
        f"life, from {percent(told.horizon_share)} of the life left on. Median relative error in the last third "
        f"{percent(told.relative_error)}, RMSE {number(told.rmse_percent)} % of the life, PHM08 score "
        f"{number(told.phm08)} a reading. An end was told in {percent(told.told_idle_share)} of the readings of pumps "
        "that do not wear.</p>"
    )
    cones = image(plots.alpha_lambda_png(judged.curves.typical), "remaining life") if judged.curves.typical else ""
    legend = "Black: the truth with its cone of 20 %. Orange: what was told, with its interval; gaps are not told."
    return section(
        "Remaining life",
        how,
        image(plots.coverage_png(judged), "coverage"),
        table(["", "lives", "readings", "told", "coverage", "width, lives", "width, h"], rows),
        text,
        cones,
        f"<p class=read>{legend}</p>" if cones else "",
    )


def _conditions(judged: Judgement) -> str:
    found = judged.conditions
    how = (
        "The state lies where it is worse than the truth more often under the condition than without it, life by life."
    )
    return section(
        "Disturbances and lying sensors",
        how,
        _condition_table("disturbance", found.disturbances),
        _condition_table("sensor fault", found.sensor_faults),
        table(
            ["episodes of", "seen", "judged", "taken for the machine", "share", "tellable", "called", "share"],
            [
                [e.kind, e.episodes, e.judged, e.mistaken, e.mistaken_share, e.tellable, e.called, e.called_share]
                for e in [*found.episodes, found.all_episodes]
            ],
        ),
        f"<p>False calls of a lying sensor: {number(found.false_calls_per_pump_day)} a pump and day.</p>",
    )


def _condition_table(name: str, conditions: Sequence[Condition]) -> str:
    head = [name, "lives", "readings", "worse", "without", "worse by two", "without", "novel"]
    rows = [
        [c.name, c.lives, c.readings, c.worse, c.worse_without, c.much_worse, c.much_worse_without, c.novel]
        for c in conditions
    ]
    return table(head, rows) if rows else f"<p>No {name} among the unseen readings.</p>"


def _baselines(judged: Judgement) -> str:
    how = (
        "What simple rules achieve on the same readings, through the same alarms and costs: a model has to be worth it."
    )
    seen = judged.maintenance
    model = ["this model", "", judged.states.macro_f1, judged.modes.macro_f1, seen.warned_share]
    rows = [[*model, seen.false_per_100_lives, judged.costs.predictive, "", ""]]
    for rule in judged.baselines:
        figures = [rule.macro_f1, rule.mode_macro_f1, rule.warned_share, rule.false_per_100_lives]
        rows.append([rule.name, rule.description, *figures, rule.cost_per_pump_year, rule.fit_s, rule.predict_us])
    head = ["", "what it does", "macro F1", "modes", "warned", "false/100", "€/pump-year", "fit, s", "µs/row"]
    return section("Against simple rules", how, table(head, rows))


def _by_f1(algorithm: Algorithm) -> float:
    return -algorithm.macro_f1


def _algorithms(algorithms: Sequence[Algorithm]) -> str:
    if not algorithms:
        return ""
    how = "Ways to train that were tried on the same split; a gain below the doubt about the macro F1 is none."
    ranked: list[Algorithm] = sorted(algorithms, key=_by_f1)
    head = ["algorithm", "macro F1", "fit, s", "µs/row"]
    return section("Algorithms compared", how, table(head, ranked))


def _every_life(judged: Judgement) -> str:
    how = f"Worst first, at most {_WORST_ROWS}; all of them are in the JSON beside this page."
    head = ["life", "speed", "mode", "hours", "failed", "warned", "in time", "lead, h", "of life", "mode told"]
    rows = [
        [life.name, life.speed, life.mode, life.hours, life.failed, life.warned, life.in_time, life.lead_hours,
         life.lead_share, life.mode_named, life.false_alarms, life.health_mae_percent]
        for life in sorted(judged.lives, key=badness, reverse=True)[:_WORST_ROWS]
    ]  # fmt: skip
    return section("Lives", how, table([*head, "false", "health error, %"], rows))
