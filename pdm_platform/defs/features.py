"""Fourth stage: one row a reading, as the models see it."""

import dagster as dg
import numpy as np
import pyarrow as pa

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE, TIME
from pdm_platform.core.features import FEATURE_CONTRACT, FEATURE_NAMES, PumpStates, fold
from pdm_platform.core.training import FloatArray
from pdm_platform.defs.metadata import describe, explained
from pdm_platform.defs.resources import Platform
from pdm_platform.defs.validate import validated_telemetry

_TRUTH = ("ground_truth", "health_percent", "rul_hours", "failure_mode")


@dg.asset(group_name="features", kinds={"numpy", "parquet"}, deps=[validated_telemetry])
def feature_table(platform: Platform) -> dg.MaterializeResult[None]:
    """Features of every reading, folded with the code the inference service runs, beside the truth."""
    with explained():
        lake = platform.lake
        validated = lake.current("validated_telemetry")
        table = _with_features(lake.read(validated))
        stored = lake.write("feature_table", table, validated.window, feature_contract=FEATURE_CONTRACT)
        return dg.MaterializeResult(
            metadata=describe(stored, table, features=len(FEATURE_NAMES), feature_contract=FEATURE_CONTRACT)
        )


def _with_features(readings: pa.Table) -> pa.Table:
    """readings: labelled, by device, then time. Returns device, time, truth and features, row for row."""
    channels: FloatArray = np.column_stack([readings[name].to_numpy() for name in CHANNEL_NAMES])
    device_ids = readings[DEVICE].to_pylist()
    features = fold(PumpStates(), device_ids, readings[TIME].to_numpy(), channels)
    columns = {name: readings[name] for name in (DEVICE, TIME, *_TRUTH)}
    return pa.table({**columns, **dict(zip(FEATURE_NAMES, features.T, strict=True))})
