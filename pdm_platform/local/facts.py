"""What the store holds of the live fleet, and what really happened to it."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from pdm_platform.contract.measurements import (
    ALL_TIME,
    DRIFT_SCORE,
    PUMP_ALARM,
    PUMP_PREDICTION,
    PUMP_TELEMETRY,
)
from pdm_platform.local.truth import TrueEvent
from pdm_platform.stores.telemetry import TelemetryStore


@dataclass(frozen=True, slots=True)
class FleetFacts:
    """The live fleet's rows, as the store has them. truth: what the simulator wrote down; empty where it did not."""

    telemetry: pd.DataFrame
    predictions: pd.DataFrame
    alarms: pd.DataFrame
    drift: pd.DataFrame
    truth: Sequence[TrueEvent] = ()


def read_facts(store: TelemetryStore, truth: Sequence[TrueEvent] = ()) -> FleetFacts:
    """Everything the store holds of the live fleet."""
    telemetry, predictions, alarms, drift = (
        frame_of(store.read(measurement, ALL_TIME))
        for measurement in (PUMP_TELEMETRY, PUMP_PREDICTION, PUMP_ALARM, DRIFT_SCORE)
    )
    return FleetFacts(telemetry, predictions, alarms, drift, truth)


def frame_of(rows: pa.Table) -> pd.DataFrame:
    """The rows with NaN for every missing number, also where a column holds nothing else, and None for a text."""
    frame = pd.DataFrame(rows.to_pydict())
    empty = [
        field.name for field in rows.schema if field.type != pa.string() and rows[field.name].null_count == len(rows)
    ]
    return frame.astype(dict.fromkeys(empty, "float64"))
