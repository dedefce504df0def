"""The whole judgement: figures for the manifest, JSON, the page."""

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pdm_platform.contract.errors import TrainingError
from pdm_platform.core.judgement.baselines import Baseline
from pdm_platform.core.judgement.curves import WORST
from pdm_platform.core.judgement.figures import metrics, to_json
from pdm_platform.core.judgement.judge import Judgement, judge
from pdm_platform.core.judgement.leaks import Leak
from pdm_platform.core.judgement.report import Algorithm, render_html
from pdm_platform.core.judgement.training_facts import training_facts
from pdm_platform.core.judgement.verdicts import Told, Verdicts
from tests.unit.core.judgement.builders import FAULTY, HEALTHY, changed, life, together, told_as, training

EXISTING = {
    "macro_f1", "baseline_macro_f1", "health_mae_percent", "unseen_pumps", "failures", "failures_warned",
    "false_alarms", "median_warning_share", "rul_relative_error", "macro_f1_nominal",
}  # fmt: skip
PROMISED = {
    "mode_macro_f1", "rul_coverage", "rul_coverage_nominal", "rul_relative_width", "warned_share", "missed_failures",
    "false_alarms_per_100_lives", "sensor_faults_taken_for_machine_faults", "cost_per_pump_year",
    "cost_run_to_failure", "cost_fixed_interval", "flips_per_pump_day", "ece", "modes_trained", "split_leak",
    "missed_share", "modes_without_training", "unseen_readings",
}  # fmt: skip


def fleet() -> Verdicts:
    """Told right, but for one life nobody was warned of, a false alarm, and a sensor that lied."""
    faults = np.full(100, "", dtype="<U40")
    faults[20:30] = "pressure:freeze"
    hot = np.full(100, "", dtype="<U40")
    hot[40:50] = "heatwave"
    return together(
        changed(life("good"), truth={"sensor_fault": faults, "disturbance": hot}),
        told_as(life("missed <b>"), np.full(100, HEALTHY)),
        told_as(life("idle", wearing=False), np.repeat([FAULTY, HEALTHY], [5, 95])),
    )


def judged(verdicts: Verdicts | None = None, **facts: Any) -> Judgement:
    found = fleet() if verdicts is None else verdicts
    rule = Baseline("always healthy", "a rule", Told.of_states(np.zeros(len(found), np.int64)), 0.0, 0.1)
    return judge(found, training=replace(training(), **facts), baselines=[rule])


def test_every_name_that_others_read_is_there() -> None:
    found = metrics(judged())

    assert set(found) >= EXISTING | PROMISED
    assert all(np.isfinite(value) for value in found.values())
    assert found["unseen_pumps"] == 3.0
    assert (found["failures"], found["failures_warned"], found["missed_failures"]) == (2.0, 1.0, 1.0)
    assert (found["false_alarms"], found["warned_share"], found["missed_share"]) == (1.0, 0.5, 0.5)


def test_what_is_not_known_is_left_out() -> None:
    found = metrics(judge(life(wearing=False), training=training(())))

    absent = {"baseline_macro_f1", "rul_coverage", "warned_share", "missed_share", "cost_fixed_interval"}
    assert not absent & set(found)
    assert found["unseen_pumps"] == 1.0


def test_a_baseline_goes_through_the_same_alarms_and_costs() -> None:
    found = judged()

    (rule,) = found.baselines
    assert (rule.warned_share, rule.false_per_100_lives) == (0.0, 0.0)
    assert rule.cost_per_pump_year == pytest.approx(found.costs.run_to_failure)
    assert found.best_baseline == rule
    assert found.costs.predictive < rule.cost_per_pump_year


def test_modes_that_no_training_life_showed_are_named() -> None:
    assert judged().unknown_modes == []
    assert judged(mode_lives={"cavitation": 2}).unknown_modes == ["bearing_wear"]


def test_a_leak_of_the_split_is_among_the_figures() -> None:
    assert metrics(judged(leak=Leak(1, 20)))["split_leak"] == 21.0


def test_nothing_to_judge_is_refused() -> None:
    empty = life(readings=0)

    with pytest.raises(TrainingError, match="nothing to judge"):
        judge(empty, training=training())


def test_the_facts_of_training_count_lives_by_the_mode_they_showed() -> None:
    taught = together(life("a", mode=1), life("b", mode=2, readings=50), life("c", wearing=False))

    found = training_facts(
        taught.device_ids, taught.time_ns, taught.truth, speed=taught.speed, leak=Leak(0, 0)
    )  # fmt: skip

    assert found.mode_lives == {"bearing_wear": 1, "impeller_wear": 1}
    assert found.pumps == 3
    assert found.mean_hours["nominal"] == pytest.approx((90 + 45) / 2)  # failures at hours 90 and 45 (of 99 and 49)
    assert found.ages.failed.tolist() == [1.0, 1.0, 0.0]


def test_the_json_is_plain_and_keeps_the_keys_others_read() -> None:
    plain = json.loads(json.dumps(to_json(judged()), allow_nan=False))

    assert plain["pumps"] == 3
    assert np.sum(plain["confusion"]) == 300
    assert set(plain["f1"]) == {"HEALTHY", "WARNING", "FAULTY", "BROKEN"}
    assert plain["metrics"]["macro_f1"] == plain["macro_f1"]
    assert len(plain["lives"]) == 3
    assert plain["lives"][2]["lead_hours"] is None


def test_the_page_loads_nothing_escapes_names_and_is_the_same_each_time() -> None:
    found = judged()
    algorithms = [Algorithm("slow <i>", 0.7, 3.0, 5.0), Algorithm("better", 0.8, 9.0, 1.0)]

    page = render_html(found, algorithms)

    assert page == render_html(found, algorithms)
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert page.count("data:image/png;base64,") == 8
    assert "missed &lt;b&gt;" in page
    assert "slow &lt;i&gt;" in page
    assert page.index(">better<") < page.index(">slow ")


def test_the_page_begins_with_what_went_wrong() -> None:
    page = render_html(judged())

    first = page[page.index("<h2>") : page.index("<h2>How early")]
    assert "1 of 2 failures without a warning in time" in first
    assert "1 false alarms" in first
    assert "class=bad" in first


def test_a_page_of_pumps_that_all_stayed_well_says_that_nothing_went_wrong() -> None:
    page = render_html(judge(life(wearing=False), training=training(())))

    assert "No life went wrong." in page
    assert "not known" in page


def test_curves_show_the_worst_lives_first_and_not_too_many() -> None:
    wrong = [told_as(life(f"missed-{number}"), np.full(100, HEALTHY)) for number in range(WORST + 2)]
    found = judged(together(life("good"), *wrong)).curves

    assert len(found.worst) == WORST
    assert all(curve.name.startswith("missed") for curve in found.worst)
    assert [curve.name for curve in found.typical] == ["good", "missed-0"]
    assert len(judged(life("long", readings=5_000)).curves.typical[0].hours) == 150
