"""Live predictions against what is known."""

import numpy as np
import pandas as pd
import pytest

from pdm_platform.core.quality import judge_predictions, paired


def readings(*health_percent: float) -> pd.DataFrame:
    """One reading a second of one pump, with its true health (NaN: not told)."""
    times = np.arange(len(health_percent), dtype=np.int64)
    frame = pd.DataFrame({"device_id": "p", "time_ns": times, "health_percent": np.array(health_percent, float)})
    return frame.assign(measurement_id=np.nan)


def predictions(*states: str, health_percent: float = 50.0) -> pd.DataFrame:
    """One prediction for each of the first readings."""
    times = np.arange(len(states), dtype=np.int64)
    frame = pd.DataFrame({"device_id": "p", "time_ns": times, "state": list(states)})
    return frame.assign(health_percent=health_percent, measurement_id=np.nan)


def test_right_states_score_one_and_the_health_error_is_the_mean_distance() -> None:
    quality = judge_predictions(readings(90.0, 50.0, 20.0), predictions("HEALTHY", "WARNING", "FAULTY"))

    assert quality.macro_f1 == 1.0
    assert quality.health_mae_percent == pytest.approx((40 + 0 + 30) / 3)
    assert quality.state_mix == {"HEALTHY": 1, "WARNING": 1, "FAULTY": 1, "BROKEN": 0}


def test_coverage_counts_readings_without_a_prediction() -> None:
    quality = judge_predictions(readings(90.0, 90.0, 90.0, 90.0), predictions("HEALTHY"))

    assert (quality.readings, quality.predicted, quality.coverage) == (4, 1, 0.25)


def test_a_prediction_of_another_time_belongs_to_no_reading() -> None:
    late = predictions("HEALTHY").assign(time_ns=61 * 10**9)

    assert judge_predictions(readings(90.0), late).predicted == 0


def test_readings_without_a_timestamp_are_paired_with_their_predictions_in_order() -> None:
    # the reading has the time of its arrival, the prediction that of its inference; another pump's does not count
    said = predictions("HEALTHY", "BROKEN").assign(time_ns=[10, 11])
    other = predictions("FAULTY").assign(device_id="q")

    joined = paired(readings(90.0, 5.0), pd.concat([other, said]))

    assert joined["health_percent"].tolist() == [90.0, 5.0]
    assert joined["predicted_state"].tolist() == ["HEALTHY", "BROKEN"]
    assert joined["time_ns"].tolist() == [0, 1]


def test_without_true_health_there_is_coverage_but_no_score() -> None:
    quality = judge_predictions(readings(np.nan, np.nan), predictions("HEALTHY", "BROKEN"))

    assert quality.coverage == 1.0
    assert quality.with_truth == 0
    assert np.isnan(quality.macro_f1)
    assert np.isnan(quality.health_mae_percent)


def test_no_readings_have_no_coverage() -> None:
    assert np.isnan(judge_predictions(readings(), predictions()).coverage)


def test_a_prediction_that_is_missing_does_not_shift_the_others_where_readings_are_numbered() -> None:
    taken = readings(90.0, 50.0, 5.0).assign(measurement_id=[0.0, 1.0, 2.0])
    said = predictions("WARNING", "BROKEN").assign(time_ns=[11, 12], measurement_id=[1.0, 2.0])

    joined = paired(taken, said)

    assert joined["health_percent"].tolist() == [50.0, 5.0]
    assert joined["predicted_state"].tolist() == ["WARNING", "BROKEN"]
