"""The model card: what was measured, and what the version must not be used for."""

import re

from pdm_platform.core.model_card import model_card

METRICS = {
    "macro_f1": 0.87654,
    "baseline_macro_f1": 0.5,
    "health_mae_percent": 4.26,
    "rul_coverage": 0.91,
    "macro_f1_stress": 0.9,
    "rul_coverage_stress": 0.88,
    "trained_pumps": 40.0,
    "unseen_pumps": 17.0,
}


def card(metrics: dict[str, float] | None = None) -> str:
    return model_card(
        METRICS if metrics is None else metrics,
        training_window=(1_700_000_000 * 10**9, 1_700_086_400 * 10**9),
        data_fingerprint="abcd" * 16,
        feature_contract="ef01" * 16,
        modes=[("bearing_wear", 0.98), ("cavitation", 0.123456)],
        algorithms=[("random forest", 0.81), ("gradient boosting 1", 0.8)],
    )


def table(text: str, head: str) -> dict[str, str]:
    """The rows of the table below a head, by their first cell."""
    block = text.split(head, 1)[1].split("\n\n", 1)[0]
    return {row[0].strip(): row[-1].strip() for row in (re.findall(r"[^|]+", line) for line in block.splitlines()[2:])}


def test_it_says_from_what_it_was_trained_and_on_how_many_pumps_it_was_judged() -> None:
    text = card()

    assert text.startswith("# Model card\n")
    assert "from 2023-11-14T22:13:20" in text
    assert "to 2023-11-15T22:13:20" in text
    assert "`abcdabcdabcdabcd`" in text
    assert "`ef01ef01ef01ef01`" in text
    assert "40 pumps; judged on 17 pumps that it has not seen" in text


def test_only_figures_that_were_measured_are_told() -> None:
    found = table(card(), "| figure | value |")

    assert found["state, macro F1"] == "0.877"
    assert found["health, mean absolute error, %"] == "4.3"
    assert len(found) == 4


def test_each_speed_mode_and_algorithm_has_its_row() -> None:
    text = card()

    assert table(text, "| speed | state, macro F1 | coverage |") == {
        "stress": "0.880",
        "accelerated": "-",
        "nominal": "-",
    }
    assert table(text, "| failure mode | F1 |") == {"bearing_wear": "0.980", "cavitation": "0.123"}
    assert list(table(text, "| compared by pumps | macro F1 |")) == ["random forest", "gradient boosting 1"]


def test_it_says_what_the_version_must_not_be_used_for() -> None:
    limits = card().split("## Limits", 1)[1]

    assert "On other machines its states are not calibrated" in limits
    assert "A pump first seen worn is told too healthy" in limits
    assert "not for each pump" in limits


def test_a_version_of_which_nothing_was_measured_still_has_a_card() -> None:
    text = card({})

    assert table(text, "| figure | value |") == {}
    assert "0 pumps; judged on 0 pumps" in text
