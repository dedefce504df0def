"""Drift of healthy operation and of predictions, by effect sizes that are Evidently's."""

import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.core.drift import MIN_ROWS, PREDICTED_STATE, DriftError, distances, judge_drift
from pdm_platform.core.drift_page import KS_STATISTIC, drift_page, snapshot
from tests.unit.core import drift_fleet


def healthy(rows: int = 2_000, *, seed: int = 1) -> pd.DataFrame:
    """Readings scattered around 10 with a standard deviation of 1 in every channel."""
    values = np.random.default_rng(seed).normal(10.0, 1.0, size=(rows, len(CHANNEL_NAMES)))
    return pd.DataFrame(values, columns=list(CHANNEL_NAMES))


def test_readings_from_the_same_operation_have_not_drifted() -> None:
    judgement = judge_drift(healthy(seed=1), healthy(seed=2))

    assert not judgement.drifted
    assert judgement.share_drifted == 0.0
    assert judgement.largest_score < 0.2
    assert (judgement.reference_rows, judgement.current_rows) == (2_000, 2_000)


def test_the_score_is_the_shift_in_standard_deviations_however_many_readings_there_are() -> None:
    reference = healthy()
    few, many = healthy(200, seed=2), healthy(5_000, seed=3)

    scores = [judge_drift(reference, current + 0.8).channels[0].score for current in (few, many)]

    assert scores == pytest.approx([0.8, 0.8], abs=0.15)


def test_the_fleet_has_drifted_where_half_of_the_channels_have() -> None:
    moved = healthy(seed=2)
    moved[list(CHANNEL_NAMES[4:])] += 1.5

    judgement = judge_drift(healthy(), moved)

    assert judgement.drifted
    assert [channel.channel for channel in judgement.channels if channel.drifted] == list(CHANNEL_NAMES[4:])
    assert judgement.share_drifted == 0.5


def test_vibration_alone_is_half_of_the_channels_but_one_quantity_and_no_drift_of_the_fleet() -> None:
    moved = healthy(seed=2)
    moved[list(CHANNEL_NAMES[:4])] += 1.5

    judgement = judge_drift(healthy(), moved)

    assert (judgement.share_drifted, judgement.drifted) == (0.5, False)


def test_pumps_that_vibrate_less_than_those_of_training_have_not_drifted() -> None:
    calmer = healthy(seed=2)
    calmer[list(CHANNEL_NAMES[:4])] -= 4.0

    judgement = judge_drift(healthy(), calmer)

    assert judgement.largest_score > 3.5
    assert (judgement.share_drifted, judgement.drifted) == (0.0, False)


def test_one_pump_of_many_moves_the_wasserstein_distance_but_not_the_fleet() -> None:
    moved = healthy(seed=2)
    moved.loc[:99, "temperature"] += 100.0

    temperature = judge_drift(healthy(), moved).channels[4]

    assert temperature.score == pytest.approx(5.0, abs=0.3)
    assert temperature.ks == pytest.approx(0.05, abs=0.03)
    assert not temperature.drifted


def test_one_channel_moved_a_little_is_no_drift_of_the_fleet() -> None:
    moved = healthy(seed=2)
    moved["temperature"] += 1.5

    judgement = judge_drift(healthy(), moved)

    assert not judgement.drifted
    assert judgement.share_drifted == 1 / 8


def test_one_channel_moved_far_is_drift() -> None:
    moved = healthy(seed=2)
    moved["temperature"] += 7.5

    assert judge_drift(healthy(), moved).drifted


def test_a_channel_without_values_is_left_out_of_the_comparison() -> None:
    silent = healthy(seed=2)
    silent["pressure"] = np.nan

    judgement = judge_drift(healthy(), silent)

    pressure = next(channel for channel in judgement.channels if channel.channel == "pressure")
    assert pressure.score is None
    assert not pressure.drifted
    assert all(channel.score is not None for channel in judgement.channels if channel.channel != "pressure")


def test_single_missing_values_do_not_count_as_a_shift() -> None:
    holed = healthy(seed=2)
    holed.iloc[::7] = np.nan

    assert judge_drift(healthy(), holed).largest_score < 0.2


def test_a_constant_channel_that_stays_constant_has_not_drifted() -> None:
    reference, current = healthy(), healthy(seed=2)
    reference["rpm"] = current["rpm"] = 2_850.0

    assert not judge_drift(reference, current).drifted


@pytest.mark.parametrize("rows", [0, MIN_ROWS - 1])
def test_too_few_readings_are_an_error_and_not_an_all_clear(rows: int) -> None:
    with pytest.raises(DriftError, match=f"the window {rows}"):
        judge_drift(healthy(), healthy(rows))


def test_an_empty_reference_is_an_error() -> None:
    with pytest.raises(DriftError, match="reference has 0 rows"):
        judge_drift(healthy(0), healthy())


def test_the_report_is_self_contained_and_made_without_network_or_files(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse(*address: object, **_options: object) -> None:
        raise AssertionError(f"drift tried the network: {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    page = drift_page(healthy(), healthy(seed=2), judge_drift(healthy(), healthy(seed=2)))

    assert "vibration_rms" in page
    assert 'src="http' not in page
    assert "<link" not in page
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_the_scores_are_those_of_evidently_by_both_methods_and_for_the_mix_of_states() -> None:
    reference, current = drift_fleet.reference(), drift_fleet.window(drift_fleet.Pumps.draw(3), 4)
    current.iloc[::11, :8] = np.nan
    reference[PREDICTED_STATE] = reference[PREDICTED_STATE].where(reference.index > 300, "WARNING")

    judged = judge_drift(reference, current)
    metrics = snapshot(reference, current, judged).dict()["metrics"]
    told = {(m["config"]["method"], m["config"]["column"]): m["value"] for m in metrics if "method" in m["config"]}

    ours = [*judged.channels, *judged.predictions]
    assert {(one.method, one.channel): one.score for one in ours} == pytest.approx(
        {key: value for key, value in told.items() if key[0] != KS_STATISTIC}
    )
    assert {one.channel: one.ks for one in ours if one.ks is not None} == pytest.approx(
        {column: value for (method, column), value in told.items() if method == KS_STATISTIC}
    )


def test_the_ks_statistic_is_the_largest_gap_between_the_shares_below_a_value_ties_and_unequal_sizes_included() -> None:
    draw = np.random.default_rng(5)
    reference, current = draw.integers(0, 9, 700).astype(float), draw.integers(2, 12, 333).astype(float)
    gaps = [abs((reference <= value).mean() - (current <= value).mean()) for value in range(13)]

    moved, ks = distances(reference, current)

    assert ks == pytest.approx(max(gaps))
    assert moved == pytest.approx(sum(gaps) / np.std(reference))  # whole numbers are one apart


def test_predictions_are_judged_where_the_reference_has_them_and_do_not_make_operation_drift() -> None:
    pumps = drift_fleet.Pumps.draw(3)
    reference = drift_fleet.reference()
    sadder = drift_fleet.window(pumps, 4)
    sadder["predicted_health_percent"] -= 15.0
    without = reference[list(CHANNEL_NAMES)]

    with_predictions, blind = judge_drift(reference, sadder), judge_drift(without, sadder)

    assert (with_predictions.predictions_drifted, with_predictions.drifted) == (True, False)
    assert [one.score for one in blind.predictions] == [None, None, None]


def test_a_drift_that_makes_the_model_call_most_pumps_worn_does_not_hide_itself() -> None:
    hot = drift_fleet.window(drift_fleet.Pumps.draw(3), 4, weather=drift_fleet.Weather(warmer_c=15.0))
    hot[PREDICTED_STATE] = "WARNING"

    judged = judge_drift(drift_fleet.reference(), hot)

    assert judged.drifted
    assert judged.current_rows == len(hot)


def test_how_long_pumps_stand_still_is_no_drift() -> None:
    reference, current = drift_fleet.reference(), drift_fleet.window(drift_fleet.Pumps.draw(3), 4)
    still = current.assign(rpm=0.0, current=0.0, pressure=0.3, vibration_rms=0.05, temperature=21.0)

    judged = judge_drift(reference, pd.concat([current, still]))

    assert judged == judge_drift(reference, current)
