"""Measurements of the time-series store: names, tags, fields. Tags and time are the key of a point."""

from dataclasses import dataclass

import pyarrow as pa

from pdm_platform.contract.channels import CHANNEL_NAMES

TIME = "time_ns"
DEVICE = "device_id"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One kind of point. `schema` is tags, then `time_ns` (int64), then the fields; rows are ordered by tags, time.

    A field's place is part of the contract: InfluxDB's points name their fields by it. New ones go to the end.
    """

    name: str
    tags: tuple[str, ...]
    schema: pa.Schema

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the columns that are neither tag nor time."""
        return tuple(name for name in self.schema.names if name not in (*self.tags, TIME))


def _measurement(name: str, tags: tuple[str, ...], fields: dict[str, pa.DataType]) -> Measurement:
    columns = [pa.field(tag, pa.string(), nullable=False) for tag in tags]
    columns.append(pa.field(TIME, pa.int64(), nullable=False))
    columns += [pa.field(field, kind) for field, kind in fields.items()]
    return Measurement(name, tags, pa.schema(columns))


_READING: dict[str, pa.DataType] = {
    **dict.fromkeys(CHANNEL_NAMES, pa.float64()),
    "measurement_id": pa.int64(),
    "last_maintenance": pa.string(),
    "health_percent": pa.float64(),
}

PUMP_TELEMETRY = _measurement("pump_telemetry", (DEVICE,), _READING)
# A labelled reading is kept whole here and not in pump_telemetry too: simulated or historic lives must not
# show up among the live pumps.
PUMP_LABELS = _measurement(
    "pump_labels",
    (DEVICE,),
    {
        **_READING,
        "ground_truth": pa.string(),
        "failure_mode": pa.string(),
        "rul_hours": pa.float64(),
        "sensor_fault": pa.string(),
        "disturbance": pa.string(),
    },
)
PUMP_PREDICTION = _measurement(
    "pump_prediction",
    (DEVICE,),
    {
        "measurement_id": pa.int64(),
        "state": pa.string(),
        "p_healthy": pa.float64(),
        "p_warning": pa.float64(),
        "p_faulty": pa.float64(),
        "p_broken": pa.float64(),
        "health_percent": pa.float64(),
        "rul_hours": pa.float64(),
        "model_version": pa.string(),
        "inference_time_ns": pa.int64(),
        "rul_lower_hours": pa.float64(),
        "rul_upper_hours": pa.float64(),
        "failure_mode": pa.string(),
        "failure_mode_probability": pa.float64(),
        "novelty": pa.float64(),
        "novel": pa.int64(),
        "sensor_fault": pa.string(),
        "sensor_fault_probability": pa.float64(),
        "provisional": pa.int64(),
    },
)
PUMP_ALARM = _measurement(
    "pump_alarm",
    (DEVICE, "condition"),
    {
        "active": pa.int64(),
        "severity": pa.int64(),
        "state": pa.string(),
        "health_percent": pa.float64(),
        "rul_hours": pa.float64(),
        "message": pa.string(),
        "model_version": pa.string(),
        "inference_time_ns": pa.int64(),
    },
)
MODEL_EVENT = _measurement(
    "model_event",
    ("event",),
    {"version": pa.string(), "previous": pa.string(), "actor": pa.string(), "reason": pa.string()},
)
DRIFT_SCORE = _measurement(
    "drift_score",
    ("channel",),
    {
        "score": pa.float64(),
        "threshold": pa.float64(),
        "drifted": pa.int64(),
        "window_start_ns": pa.int64(),
        "rows": pa.int64(),
        "model_version": pa.string(),
        "method": pa.string(),
        "ks": pa.float64(),
        "cause": pa.string(),
        "evidence": pa.string(),
    },
)
MODEL_METRIC = _measurement("model_metric", ("version", "metric"), {"value": pa.float64()})
EXPECTATION_RESULT = _measurement(
    "expectation_result",
    ("expectation", "column"),
    {
        "passed": pa.int64(),
        "unexpected_rows": pa.int64(),
        "rows": pa.int64(),
        "observed": pa.string(),
        "expected": pa.string(),
        "window_start_ns": pa.int64(),
    },
)
JOB_RUN = _measurement(
    "job_run",
    ("job",),
    {"success": pa.int64(), "duration_s": pa.float64(), "run_id": pa.string(), "message": pa.string()},
)
MEASUREMENTS = {
    measurement.name: measurement
    for measurement in (
        *(PUMP_TELEMETRY, PUMP_LABELS, PUMP_PREDICTION, PUMP_ALARM),
        *(MODEL_EVENT, MODEL_METRIC, DRIFT_SCORE, EXPECTATION_RESULT, JOB_RUN),
    )
}


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A half-open span of event time, [start_ns, end_ns). Raises ValueError where it ends before it starts."""

    start_ns: int
    end_ns: int

    def __post_init__(self) -> None:
        if self.end_ns < self.start_ns:
            raise ValueError(f"window ends ({self.end_ns}) before it starts ({self.start_ns})")


ALL_TIME = Window(0, 2**63 - 1)
