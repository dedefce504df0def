"""From arrays to payloads: one struct a reading, encoded by the contract's own encoder."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from pdm_platform.contract.payloads import Labelled, Telemetry, encode
from pdm_platform.contract.states import STATES, state_index
from simulators.pump import FAILURE_MODES, FloatArray, IntArray, Readings

# digits that a sensor of this kind gives; more would only lengthen the payload
_DECIMALS: Final = (3, 3, 3, 3, 2, 3, 3, 1)
_PERCENT_DECIMALS: Final = 3
_HOUR_DECIMALS: Final = 6


def _columns(channels: FloatArray) -> list[list[float]]:
    return [np.round(channels[:, index], digits).tolist() for index, digits in enumerate(_DECIMALS)]


def _percent(health: FloatArray) -> FloatArray:
    # minus zero would be legal JSON and read badly
    return np.asarray(np.round(health, _PERCENT_DECIMALS) + 0.0)


def _telemetry(
    device_ids: Sequence[str], readings: Readings, health: FloatArray, measurement_id: IntArray, time_ms: IntArray
) -> Iterator[tuple[Any, ...]]:
    return zip(
        device_ids,
        *_columns(readings.channels),
        measurement_id.tolist(),
        time_ms.tolist(),
        health.tolist(),
        strict=True,
    )


def telemetry_payloads(
    device_ids: Sequence[str],
    readings: Readings,
    *,
    measurement_id: IntArray,
    time_ms: IntArray,
    last_maintenance: Sequence[str | None],
) -> list[bytes]:
    """Payloads of live readings, one for each of n rows; time_ms is epoch milliseconds. Health is the truth."""
    rows = _telemetry(device_ids, readings, _percent(readings.health_percent), measurement_id, time_ms)
    return [
        encode(
            Telemetry(
                device_id=device, vibration_x=x, vibration_y=y, vibration_z=z, vibration_rms=rms,
                temperature=temperature, pressure=pressure, current=current, rpm=rpm,
                measurement_id=sequence, timestamp=moment, health_percent=health, last_maintenance=maintained,
            )
        )
        for (device, x, y, z, rms, temperature, pressure, current, rpm, sequence, moment, health), maintained
        in zip(rows, last_maintenance, strict=True)
    ]  # fmt: skip


def labelled_payloads(
    device_ids: Sequence[str], readings: Readings, *, measurement_id: IntArray, time_ms: IntArray
) -> list[bytes]:
    """Payloads of labelled readings, one for each of n rows. The state follows from health as it is written."""
    health_percent = _percent(readings.health_percent)
    states = [STATES[index] for index in state_index(health_percent)]
    modes = [FAILURE_MODES[index] for index in readings.failure_mode]
    rul = np.round(readings.rul_hours, _HOUR_DECIMALS).tolist()
    rows = _telemetry(device_ids, readings, health_percent, measurement_id, time_ms)
    return [
        encode(
            Labelled(
                device_id=device, vibration_x=x, vibration_y=y, vibration_z=z, vibration_rms=rms,
                temperature=temperature, pressure=pressure, current=current, rpm=rpm,
                measurement_id=sequence, timestamp=moment, health_percent=health,
                ground_truth=state, failure_mode=mode, rul_hours=hours,
            )
        )
        for (device, x, y, z, rms, temperature, pressure, current, rpm, sequence, moment, health), state, mode, hours
        in zip(rows, states, modes, rul, strict=True)
    ]  # fmt: skip
