"""Whether a version may serve: by its own metrics, and by what it was measured beside the version that serves."""

from typing import Any

import msgspec
import pytest

from pdm_platform.contract.errors import PromotionRefusedError
from pdm_platform.core.evidence import Evidence, Pair, decide
from pdm_platform.core.promotion import gates, require
from tests.good_evidence import GOOD_METRICS, MEASURED

WORSE = {**MEASURED, "cost_per_pump_year": 3_000.0, "missed_share": 0.4}
ALIKE, WORSENED = Pair(MEASURED, MEASURED), Pair(WORSE, MEASURED)


def evidence(
    production: str | None = "v1", *, unseen_pumps: Pair | None = None, live_window: Pair | None = None
) -> bytes:
    return msgspec.json.encode(Evidence(production=production, unseen_pumps=unseen_pumps, live_window=live_window))


def failed(content: bytes | None, *, production: str | None = "v1") -> list[str]:
    judged = decide(GOOD_METRICS, content, version="v2", production=production)
    return [gate.name for gate in judged if not gate.passed]


def test_the_first_version_is_judged_by_its_own_metrics_alone() -> None:
    assert decide(GOOD_METRICS, None, version="v2", production=None) == gates(GOOD_METRICS)


def test_the_version_that_serves_need_not_be_measured_beside_itself() -> None:
    assert decide(GOOD_METRICS, None, version="v1", production="v1") == gates(GOOD_METRICS)


def test_one_that_is_as_good_as_what_serves_passes_on_both_measures() -> None:
    judged = decide(GOOD_METRICS, evidence(unseen_pumps=ALIKE, live_window=ALIKE), version="v2", production="v1")

    require(judged)
    names = [gate.name for gate in judged]
    assert sum(name.endswith("_on_unseen_pumps") for name in names) == 5
    assert sum(name.endswith("_on_live_window") for name in names) == 5
    assert len(names) == len(set(names))


@pytest.mark.parametrize("measure", ["unseen_pumps", "live_window"])
def test_one_that_is_worse_on_either_is_refused_naming_where(measure: str) -> None:
    both = {"unseen_pumps": ALIKE, "live_window": ALIKE, measure: WORSENED}

    found = failed(evidence(unseen_pumps=both["unseen_pumps"], live_window=both["live_window"]))

    assert found == [f"cost_no_worse_on_{measure}", f"missed_failures_no_worse_on_{measure}"]


def test_a_live_window_without_truth_decides_nothing() -> None:
    assert failed(evidence(unseen_pumps=ALIKE)) == []


def test_unseen_pumps_must_have_been_judged_unless_what_serves_cannot_run_any_more() -> None:
    with pytest.raises(PromotionRefusedError, match="v2 was not measured on unseen pumps beside v1"):
        decide(GOOD_METRICS, evidence(live_window=ALIKE), version="v2", production="v1")

    assert decide(GOOD_METRICS, evidence(), version="v2", production="v1", comparable=False) == gates(GOOD_METRICS)


def test_gates_of_its_own_hold_beside_another_version_too() -> None:
    judged = decide({**GOOD_METRICS, "modes_trained": 1.0}, evidence(unseen_pumps=ALIKE), version="v2", production="v1")

    assert [gate.name for gate in judged if not gate.passed] == ["enough_modes_trained"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "v2 was never measured beside v1"),
        (evidence(None), "v2 was measured beside no version, but v1 serves"),
        (evidence("v0"), "v2 was measured beside v0, but v1 serves"),
        (b"", r"comparison\.json of v2 cannot be read"),
        (b"{}", r"comparison\.json of v2 cannot be read"),
        (b"\xff\xfe", r"comparison\.json of v2 cannot be read"),
        (b'{"production": "v1", "live_window": {"candidate": {"cost": "low"}}}', "cannot be read"),
    ],
)
def test_one_that_was_not_measured_beside_what_serves_is_refused(content: bytes | None, why: str) -> None:
    with pytest.raises(PromotionRefusedError, match=why) as refused:
        decide(GOOD_METRICS, content, version="v2", production="v1")

    assert "model_evaluation" in refused.value.hint


def test_evidence_is_read_as_it_was_written() -> None:
    written = Evidence(production="v1", live_window=WORSENED, notes=["no unseen pump was left"])

    read: Any = msgspec.json.decode(msgspec.json.encode(written), type=Evidence)

    assert read == written
