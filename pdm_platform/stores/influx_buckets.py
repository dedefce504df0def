"""Which measurement lives in which InfluxDB bucket, and how long."""

from dataclasses import dataclass
from typing import Final

from pdm_platform.contract.measurements import (
    DRIFT_SCORE,
    EXPECTATION_RESULT,
    JOB_RUN,
    MODEL_EVENT,
    MODEL_METRIC,
    PUMP_ALARM,
    PUMP_LABELS,
    PUMP_PREDICTION,
    PUMP_TELEMETRY,
    Measurement,
)

DAY_S: Final = 86_400
# every name of a bucket is `{prefix}_{suffix}`
DEFAULT_PREFIX: Final = "pdm"


@dataclass(frozen=True, slots=True)
class Bucket:
    """One kind of bucket.

    suffix: its name after the prefix. retention_s: how long a point is kept; 0 is for ever.
    shard_group_s: how much time one file of the server covers; 0 lets the server choose by the retention.
    measurements: what the platform writes there as points; empty where tasks or scrapers of InfluxDB write.
    """

    suffix: str
    retention_s: int
    measurements: tuple[Measurement, ...] = ()
    shard_group_s: int = 0

    def name(self, prefix: str) -> str:
        """The bucket's name in InfluxDB."""
        return f"{prefix}_{self.suffix}"


RAW: Final = Bucket("raw", 30 * DAY_S, (PUMP_TELEMETRY, PUMP_PREDICTION))
# Labelled lives may lie anywhere since 1970. The server's seven days would be a folder, a file and an index a week
# of history; these hold little a week, and nothing in them expires.
HISTORY: Final = Bucket("history", 0, (PUMP_LABELS, PUMP_ALARM), shard_group_s=52 * 7 * DAY_S)
RESULTS: Final = Bucket(
    "results", 0, (MODEL_EVENT, MODEL_METRIC, DRIFT_SCORE, EXPECTATION_RESULT, JOB_RUN), shard_group_s=52 * 7 * DAY_S
)
MINUTES: Final = Bucket("1m", 365 * DAY_S)
HOURS: Final = Bucket("1h", 0)
METRICS: Final = Bucket("metrics", 30 * DAY_S)
BUCKETS: Final = (RAW, HISTORY, RESULTS, MINUTES, HOURS, METRICS)

_HOME: Final = {measurement.name: bucket for bucket in BUCKETS for measurement in bucket.measurements}


def bucket_of(measurement: Measurement) -> Bucket:
    """The bucket that holds this measurement's points. Raises KeyError for one that is in no bucket."""
    return _HOME[measurement.name]
