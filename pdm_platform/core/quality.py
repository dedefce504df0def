"""How well the live predictions of a window fit what is known of it."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pdm_platform.contract.measurements import DEVICE, TIME
from pdm_platform.contract.states import STATES, state_index
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.core.scores import confusion, macro_f1

_WHICH, _SAID = "_which", "_said_ns"
_SAID_WITHIN_NS = 60 * NS_PER_S


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


def paired(telemetry: pd.DataFrame, predictions: pd.DataFrame) -> pd.DataFrame:
    """Each reading beside its prediction: the reading's columns, and those of the prediction with `predicted_` before.

    Columns as in PUMP_TELEMETRY and PUMP_PREDICTION. Joined on device and time. A reading without a timestamp has the
    time of its arrival and its prediction that of its inference: what no time joins is paired by `measurement_id`, or
    without one in each device's order, where the two times lie within a minute.
    """
    told = predictions.rename(columns=lambda name: name if name in (DEVICE, TIME) else f"predicted_{name}")
    by_time = telemetry.merge(told, on=[DEVICE, TIME], how="inner")
    keys = by_time[[DEVICE, TIME]]
    left, right = _without(telemetry, keys), _without(told, keys).rename(columns={TIME: _SAID})
    both = left.merge(right, on=[DEVICE, _WHICH], how="inner")
    both = both[(both[_SAID] - both[TIME]).abs() <= _SAID_WITHIN_NS].drop(columns=[_WHICH, _SAID])
    return pd.concat([by_time, both], ignore_index=True) if len(both) else by_time


def _without(rows: pd.DataFrame, keys: pd.DataFrame) -> pd.DataFrame:
    marked = rows.merge(keys.assign(_found=True), on=[DEVICE, TIME], how="left")
    rest = marked[marked["_found"].isna()].drop(columns="_found").sort_values([DEVICE, TIME])
    number = "measurement_id" if "measurement_id" in rest else "predicted_measurement_id"
    rank = rest.groupby([DEVICE, rest[number].isna()]).cumcount()
    which = rest[number].map(lambda found: f"id {found:.0f}", na_action="ignore").astype(object)
    rest = rest.assign(**{_WHICH: which.where(rest[number].notna(), "order " + rank.astype(str))})
    # a device that counts from 0 again: the last reading of that number is meant
    return rest.drop_duplicates([DEVICE, _WHICH], keep="last")


def judge_predictions(telemetry: pd.DataFrame, predictions: pd.DataFrame) -> Quality:
    """Pair readings with their predictions, and count. Columns as in PUMP_TELEMETRY and PUMP_PREDICTION."""
    joined = paired(telemetry, predictions)
    known = joined[joined["health_percent"].notna()]
    states = [state.value for state in STATES]
    told = known["predicted_state"].map(states.index).to_numpy(np.int64)
    return Quality(
        readings=len(telemetry),
        predicted=len(joined),
        coverage=len(joined) / len(telemetry) if len(telemetry) else float("nan"),
        state_mix={state: int((joined["predicted_state"] == state).sum()) for state in states},
        with_truth=len(known),
        macro_f1=macro_f1(confusion(state_index(known["health_percent"].to_numpy(np.float64)), told)),
        health_mae_percent=float((known["health_percent"] - known["predicted_health_percent"]).abs().mean()),
    )
