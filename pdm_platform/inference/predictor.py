"""From readings to predictions and alarms: features, models and alarm logic over many pumps at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.contract.payloads import Alarm, Prediction, StateProbabilities, Telemetry
from pdm_platform.contract.states import STATES
from pdm_platform.contract.times import iso_of, maintained_ns
from pdm_platform.core import alarms, monitoring
from pdm_platform.core.alarms import AlarmChange
from pdm_platform.core.monitoring import FleetState
from pdm_platform.core.serving import ServingOutput
from pdm_platform.core.signals import FeatureArray
from pdm_platform.inference.loader import LoadedModel


@dataclass(frozen=True, slots=True)
class TimedReading:
    """A reading and its event time."""

    reading: Telemetry
    time_ns: int


def observe(state: FleetState, readings: Sequence[TimedReading]) -> FeatureArray:
    """Advance the pumps' states by these readings; returns their features, shape (n, features)."""
    channels = np.array(
        [[getattr(item.reading, name) for name in CHANNEL_NAMES] for item in readings], dtype=np.float64
    ).reshape(len(readings), len(CHANNEL_NAMES))
    maintained = np.array([maintained_ns(item.reading.last_maintenance) for item in readings], dtype=np.int64)
    return monitoring.observe(state, _devices(readings), _times(readings), channels, maintained)


def predict(
    state: FleetState, loaded: LoadedModel, readings: Sequence[TimedReading], now_ns: int
) -> tuple[list[Prediction], list[Alarm]]:
    """One prediction a reading, in their order, and the alarms that changed by them."""
    output, changes = monitoring.tell(
        state, loaded.model, _devices(readings), _times(readings), observe(state, readings)
    )
    told = _Told(output)
    inference_timestamp = iso_of(now_ns)
    predictions = [
        Prediction(
            device_id=item.reading.device_id,
            timestamp=item.reading.timestamp,
            measurement_id=item.reading.measurement_id,
            model_version=loaded.version,
            inference_timestamp=inference_timestamp,
            **told.of(row),
        )
        for row, item in enumerate(readings)
    ]
    return predictions, [_alarm(change, predictions[change.row]) for change in changes]


class _Told:
    """What the models said, as plain Python values by field of the payload."""

    def __init__(self, output: ServingOutput) -> None:
        rows = np.arange(len(output.health_percent))
        mode = output.mode_index
        self._columns: dict[str, list[Any]] = {
            "state": [STATES[index] for index in output.state_index.tolist()],
            "probabilities": [StateProbabilities(*shares) for shares in output.probabilities.tolist()],
            "health_percent": output.health_percent.tolist(),
            "rul_hours": _or_none(output.rul_hours),
            "rul_lower_hours": _or_none(output.rul_lower_hours),
            "rul_upper_hours": _or_none(output.rul_upper_hours),
            "failure_mode": [MODE_CLASSES[index] if index else None for index in mode.tolist()],
            "failure_mode_probability": _or_none(np.where(mode > 0, output.mode_probabilities[rows, mode], np.nan)),
            "novelty": output.novelty.tolist(),
            "novel": output.novel.tolist(),
            "sensor_fault": [
                CHANNEL_NAMES[channel] if lies else None
                for channel, lies in zip(output.faulty_channel.tolist(), output.sensor_lies.tolist(), strict=True)
            ],
            "sensor_fault_probability": output.sensor_fault_probability.tolist(),
            "provisional": output.provisional.tolist(),
        }

    def of(self, row: int) -> dict[str, Any]:
        return {name: values[row] for name, values in self._columns.items()}


def _or_none(values: NDArray[np.float64]) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # NaN is not itself


def _devices(readings: Sequence[TimedReading]) -> list[str]:
    return [item.reading.device_id for item in readings]


def _times(readings: Sequence[TimedReading]) -> NDArray[np.int64]:
    return np.array([item.time_ns for item in readings], dtype=np.int64)


def _alarm(change: AlarmChange, prediction: Prediction) -> Alarm:
    return Alarm(
        device_id=prediction.device_id,
        timestamp=prediction.timestamp,
        condition=change.condition,
        active=change.active,
        severity=change.severity,
        state=prediction.state,
        health_percent=prediction.health_percent,
        rul_hours=prediction.rul_hours,
        message=f"{prediction.device_id} {_message(change, prediction)}",
        model_version=prediction.model_version,
        inference_timestamp=prediction.inference_timestamp,
    )


def _message(change: AlarmChange, prediction: Prediction) -> str:
    if change.condition == alarms.SENSOR_FAULT:
        return f"sensor of {prediction.sensor_fault} seems to lie" if change.active else "sensors are plausible again"
    if change.condition == alarms.NOVELTY:
        how_far = f"novelty {prediction.novelty or 0.0:.1f}, limit 1"
        return f"{'does what was never seen on a healthy pump' if change.active else 'is as known again'}: {how_far}"
    if not change.active:
        return f"returned to HEALTHY: health {prediction.health_percent:.0f} %"
    mode = f", probably {prediction.failure_mode.replace('_', ' ')}" if prediction.failure_mode else ""
    return f"is {prediction.state}: health {prediction.health_percent:.0f} %{mode}{_life_left(prediction)}"


def _life_left(prediction: Prediction) -> str:
    lower, hours, upper = prediction.rul_lower_hours, prediction.rul_hours, prediction.rul_upper_hours
    if hours is None or lower is None or upper is None:
        return ""
    return f", about {_duration(hours)} left (90 %: {_duration(lower)} to {_duration(upper)})"


def _duration(hours: float) -> str:
    if hours >= 1.0:
        return f"{hours:.1f} h"
    return f"{hours * 60:.1f} min" if hours * 60 >= 2.0 else f"{hours * 3600:.0f} s"
