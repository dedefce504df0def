"""From readings to predictions and alarms: features, models and alarm logic over many pumps at once."""

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, Final, NamedTuple

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

_channels: Final = attrgetter(*CHANNEL_NAMES)


class TimedReading(NamedTuple):
    """A reading and its event time."""

    reading: Telemetry
    time_ns: int


class Answer(NamedTuple):
    """One prediction a reading, in their order, and the alarms that changed by them."""

    predictions: list[Prediction]
    alarms: list[Alarm]


def observe(state: FleetState, readings: Sequence[TimedReading]) -> FeatureArray:
    """Advance the pumps' states by these readings; returns their features, shape (n, features)."""
    told = [item.reading.last_maintenance for item in readings]
    maintained = np.array([0 if one is None else maintained_ns(one) for one in told], dtype=np.int64)
    return monitoring.observe(state, _devices(readings), _times(readings), _values(readings), maintained)


def answer(
    state: FleetState, loaded: LoadedModel, readings: Sequence[TimedReading], now_ns: int, output: str = "full"
) -> Answer:
    """What a model says of readings. output: `full`, or `simple`, for which no state is needed or changed."""
    if output == "simple":
        return Answer(_simple(loaded, readings, now_ns), [])
    told, changes = monitoring.tell(state, loaded.model, _devices(readings), _times(readings), observe(state, readings))
    predictions = _predictions(loaded, readings, now_ns, _columns(told))
    return Answer(predictions, [_alarm(change, predictions[change.row]) for change in changes])


def _simple(loaded: LoadedModel, readings: Sequence[TimedReading], now_ns: int) -> list[Prediction]:
    shares, health = loaded.model.predict_raw(_values(readings))
    columns = {
        "state": [STATES[index] for index in shares.argmax(axis=1).tolist()],
        "probabilities": [StateProbabilities(*each) for each in shares.tolist()],
        "health_percent": health.tolist(),
        "rul_hours": [None] * len(readings),
    }
    return _predictions(loaded, readings, now_ns, columns)


def _predictions(
    loaded: LoadedModel, readings: Sequence[TimedReading], now_ns: int, columns: dict[str, list[Any]]
) -> list[Prediction]:
    inferred, version, names = iso_of(now_ns), loaded.version, tuple(columns)
    return [
        Prediction(
            device_id=reading.device_id,
            timestamp=reading.timestamp,
            measurement_id=reading.measurement_id,
            model_version=version,
            inference_timestamp=inferred,
            **dict(zip(names, row, strict=True)),
        )
        for (reading, _), row in zip(readings, zip(*columns.values(), strict=True), strict=True)
    ]


def _columns(output: ServingOutput) -> dict[str, list[Any]]:
    """What the models said, as plain Python values by field of the payload."""
    rows = np.arange(len(output.health_percent))
    mode = output.mode_index
    return {
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


def _values(readings: Sequence[TimedReading]) -> NDArray[np.float64]:
    """Channels, shape (n, 8), NaN where a sensor gave nothing."""
    return np.array([_channels(item.reading) for item in readings], np.float64).reshape(-1, len(CHANNEL_NAMES))


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
