"""How well the live predictions of a window fit what is known of it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pdm_platform.contract.measurements import DEVICE, TIME
from pdm_platform.contract.states import STATES, state_index
from pdm_platform.core.scores import confusion, macro_f1


@dataclass(frozen=True, slots=True)
class Quality:
    """Predictions against readings.

    coverage: share of the readings that have a prediction, NaN where there are no readings. state_mix: predictions by
    state. macro_f1: mean F1 of the states that occur; health_mae_percent: mean absolute error; both NaN where no
    reading carries its true health. with_truth: readings that do.
    """

    readings: int
    predicted: int
    coverage: float
    state_mix: dict[str, int]
    with_truth: int
    macro_f1: float
    health_mae_percent: float


def judge_predictions(telemetry: pd.DataFrame, predictions: pd.DataFrame) -> Quality:
    """Join on device and time, and count. Columns as in PUMP_TELEMETRY and PUMP_PREDICTION."""
    truth = telemetry[[DEVICE, TIME, "health_percent"]].rename(columns={"health_percent": "true_health"})
    joined = truth.merge(predictions[[DEVICE, TIME, "state", "health_percent"]], on=[DEVICE, TIME], how="inner")
    known = joined[joined["true_health"].notna()]
    states = [state.value for state in STATES]
    told = known["state"].map(states.index).to_numpy(np.int64)
    return Quality(
        readings=len(telemetry),
        predicted=len(joined),
        coverage=len(joined) / len(telemetry) if len(telemetry) else float("nan"),
        state_mix={state: int((joined["state"] == state).sum()) for state in states},
        with_truth=len(known),
        macro_f1=macro_f1(confusion(state_index(known["true_health"].to_numpy(np.float64)), told)),
        health_mae_percent=float((known["true_health"] - known["health_percent"]).abs().mean()),
    )
