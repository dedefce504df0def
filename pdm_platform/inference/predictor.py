"""From readings to predictions and alarms: features, model, prognosis and alarm logic over many pumps at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.payloads import Alarm, Prediction, StateProbabilities, Telemetry
from pdm_platform.contract.states import STATES
from pdm_platform.contract.times import iso_of
from pdm_platform.core import alarms, features, prognosis
from pdm_platform.core.alarms import AlarmChange, AlarmStates
from pdm_platform.core.features import PumpStates
from pdm_platform.core.prognosis import PrognosisStates
from pdm_platform.inference.loader import LoadedModel


@dataclass(frozen=True, slots=True)
class TimedReading:
    """A reading and its event time."""

    reading: Telemetry
    time_ns: int


@dataclass(slots=True)
class FleetState:
    """What the service remembers of each pump; a model swap does not touch it."""

    pumps: PumpStates
    prognosis: PrognosisStates
    alarms: AlarmStates

    @classmethod
    def empty(cls) -> "FleetState":
        """Nothing known of any pump."""
        return cls(PumpStates(), PrognosisStates(), AlarmStates())


def observe(state: FleetState, readings: Sequence[TimedReading]) -> NDArray[np.float64]:
    """Advance the pumps' states by these readings; returns their features, shape (n, features)."""
    channels = np.array(
        [[getattr(item.reading, name) for name in CHANNEL_NAMES] for item in readings], dtype=np.float64
    ).reshape(len(readings), len(CHANNEL_NAMES))
    return features.fold(state.pumps, _devices(readings), _times(readings), channels)


def predict(
    state: FleetState, loaded: LoadedModel, readings: Sequence[TimedReading], now_ns: int
) -> tuple[list[Prediction], list[Alarm]]:
    """One prediction a reading, in their order, and the alarms that changed by them."""
    output = loaded.model.predict(observe(state, readings))
    state_index = output.state_index
    devices, times = _devices(readings), _times(readings)
    rul_hours = prognosis.fold(state.prognosis, devices, times, output.health_percent)
    changes = alarms.fold(state.alarms, devices, times, state_index)
    inference_timestamp = iso_of(now_ns)
    predictions = [
        Prediction(
            device_id=item.reading.device_id,
            timestamp=item.reading.timestamp,
            measurement_id=item.reading.measurement_id,
            state=STATES[index],
            probabilities=StateProbabilities(*probabilities),
            health_percent=health,
            rul_hours=None if np.isnan(hours) else hours,
            model_version=loaded.version,
            inference_timestamp=inference_timestamp,
        )
        for item, index, probabilities, health, hours in zip(
            readings,
            state_index.tolist(),
            output.probabilities.tolist(),
            output.health_percent.tolist(),
            rul_hours.tolist(),
            strict=True,
        )
    ]
    return predictions, [_alarm(change, predictions[change.row]) for change in changes]


def _devices(readings: Sequence[TimedReading]) -> list[str]:
    return [item.reading.device_id for item in readings]


def _times(readings: Sequence[TimedReading]) -> NDArray[np.int64]:
    return np.array([item.time_ns for item in readings], dtype=np.int64)


def _alarm(change: AlarmChange, prediction: Prediction) -> Alarm:
    what = "returned to HEALTHY" if not change.active else f"is {prediction.state}"
    hours = prediction.rul_hours
    life = "" if hours is None or not change.active else f", about {_duration(hours)} left"
    return Alarm(
        device_id=prediction.device_id,
        timestamp=prediction.timestamp,
        condition=alarms.CONDITION,
        active=change.active,
        severity=change.severity,
        state=prediction.state,
        health_percent=prediction.health_percent,
        rul_hours=hours,
        message=f"{prediction.device_id} {what}: health {prediction.health_percent:.0f} %{life}",
        model_version=prediction.model_version,
        inference_timestamp=prediction.inference_timestamp,
    )


def _duration(hours: float) -> str:
    if hours >= 1.0:
        return f"{hours:.1f} h"
    return f"{hours * 60:.1f} min" if hours * 60 >= 2.0 else f"{hours * 3600:.0f} s"
