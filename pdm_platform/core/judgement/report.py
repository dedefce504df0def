"""The judgement for people: one self-contained page that begins with what went wrong."""

from collections.abc import Sequence
from typing import Final

from pdm_platform.core.judgement import plots
from pdm_platform.core.judgement.conditions import LITTLE_WORN_PERCENT
from pdm_platform.core.judgement.judge import Judgement
from pdm_platform.core.judgement.page import findings, image, number, page, percent, section, table
from pdm_platform.core.judgement.sections import Algorithm as Algorithm
from pdm_platform.core.judgement.sections import details

# Outside, the intervals of 90 % are too narrow to trust, or wider than they need be.
COVERAGE: Final = (0.85, 0.97)


def render_html(judged: Judgement, algorithms: Sequence[Algorithm] = ()) -> str:
    """The page. algorithms: the comparison, where one was made."""
    summary = [_opening(judged), _wrong(judged), _warnings(judged), _costs(judged)]
    return page("Judgement of a model", [*summary, *details(judged, algorithms)])


def _opening(judged: Judgement) -> str:
    leak = judged.training.leak
    return (
        f"<p>Judged on {judged.pumps} pumps ({judged.readings:,} readings, {len(judged.lives)} lives) that the model "
        f"has not seen; it was trained on {judged.training.pumps} others. Pumps on both sides: {leak.devices}; "
        f"readings on both sides: {leak.rows}. In every share and mean a life counts the same, however long it is.</p>"
    )


def _wrong(judged: Judgement) -> str:
    seen, cond = judged.maintenance, judged.conditions.all_episodes
    late, silent = seen.failures_warned - seen.failures_in_time, seen.failures - seen.failures_warned
    low, high = seen.warned_share_bounds
    lines = [
        (seen.missed > 0, f"{seen.missed} of {seen.failures} failures without a warning in time: {silent} without any, "
         f"{late} too late. Warned in time: {percent(seen.warned_share)}, on as many pumps as these it may be anything "
         f"from {percent(low)} to {percent(high)} (90 %)."),
        (seen.false_alarms > 0, f"{seen.false_alarms} false alarms, {number(seen.false_per_100_lives)} a 100 lives and "
         f"{number(seen.false_per_pump_month)} a pump and month of event time; {seen.false_idle} on pumps that do not "
         "wear."),
        (cond.mistaken > 0, f"{cond.mistaken} of {cond.judged} lying sensors on pumps above {LITTLE_WORN_PERCENT:g} % "
         "health raised a warning of the machine."),
        (judged.costs.predictive >= min(judged.costs.run_to_failure, judged.costs.fixed_interval),
         f"€ {number(judged.costs.predictive)} a pump and year, against {number(judged.costs.run_to_failure)} when run "
         f"to failure and {number(judged.costs.fixed_interval)} at a fixed interval, under the assumptions below."),
        (bool(judged.unknown_modes), "Failure modes judged that the model never saw: "
         f"{', '.join(judged.unknown_modes) or 'none'}."),
        *_beaten(judged),
    ]  # fmt: skip
    how = "Sentences in red say what should not be; the plots are its worst lives, missed failures first."
    worst = judged.curves.worst
    picture = image(plots.lives_png(worst), "worst lives") if worst else "<p>No life went wrong.</p>"
    legend = "Black: true health, orange: told. Shaded: a warning was active. Dotted: the failure."
    return section("What it got wrong", how, findings(lines), picture, f"<p class=read>{legend}</p>" if worst else "")


def _beaten(judged: Judgement) -> list[tuple[bool, str]]:
    coverage, low, high = judged.remaining.overall.coverage, *COVERAGE
    cheaper = [rule.name for rule in judged.baselines if rule.cost_per_pump_year < judged.costs.predictive]
    better = [rule.name for rule in judged.baselines if rule.macro_f1 >= judged.states.macro_f1]
    return [
        (not low <= coverage <= high, f"{percent(coverage)} of the intervals of 90 % hold the truth."),
        (bool(better), f"Rules that tell states no worse: {', '.join(better) or 'none'}."),
        (bool(cheaper), f"Rules whose warnings would cost less: {', '.join(cheaper) or 'none'}."),
    ]


def _warnings(judged: Judgement) -> str:
    seen = judged.maintenance
    how = (
        "Each failure that was warned of stands at the time between the warning and the failure; left of the dashed "
        f"line it came too late to act (less than {judged.rule.text})."
    )
    text = (
        f"<p>A warning is an alarm of severity 700 (FAULTY) or above. Median lead: {number(seen.median_lead_hours)} h, "
        f"{percent(seen.median_lead_share)} of the life. The failure mode told at the warning was right in "
        f"{percent(seen.mode_named_share)}.</p>"
    )
    return section("How early it warns", how, text, image(plots.lead_png(judged), "lead times"))


def _costs(judged: Judgement) -> str:
    costs = judged.costs
    how = (
        "Lower is better; 'perfect' repairs each pump at the last moment. On the right, where the orange line is above "
        "another, that policy is cheaper; the dashed line is the ratio assumed."
    )
    assumed = {name.replace("_", " "): getattr(costs.table, name) for name in type(costs.table).__dataclass_fields__}
    text = (
        f"<p>The fixed interval, {number(costs.interval_years)} years, is the best one on the training lives. "
        "Simulated lives are scaled so that a mean life lasts as long as assumed here. None of this is measured:</p>"
    )
    sheet = table(["assumption", "€, h or years"], assumed.items())
    return section("What it would cost", how, image(plots.costs_png(costs), "costs"), text, sheet)
