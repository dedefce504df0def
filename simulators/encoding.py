"""From arrays to payloads: one struct a reading, encoded by the contract's own encoder."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np

from pdm_platform.contract.payloads import Labelled, Telemetry, encode
from pdm_platform.contract.states import STATES, state_index
from simulators.chaos import DISTURBANCES
from simulators.pump import FAILURE_MODES, FloatArray, IntArray, Readings
from simulators.sensors import CHANNEL_LABELS, SENSOR_FAULTS

# digits that a sensor of this kind gives; more would only lengthen the payload
DECIMALS: Final = (3, 3, 3, 3, 2, 3, 3, 1)
PERCENT_DECIMALS: Final = 3
_HOUR_DECIMALS: Final = 6


def _columns(channels: FloatArray) -> list[list[float | None]]:
    return [_column(channels[:, index], digits) for index, digits in enumerate(DECIMALS)]


def _column(values: FloatArray, digits: int) -> list[float | None]:
    # minus zero would be legal JSON and read badly
    rounded: list[float | None] = (np.round(values, digits) + 0.0).tolist()
    if np.isnan(values).any():
        return [None if value != value else value for value in rounded]
    return rounded


def behind_ms(readings: Readings) -> IntArray:
    """How far each reading's clock runs behind, in milliseconds, shape (n,)."""
    return np.asarray(np.round(readings.clock_behind_s * 1_000).astype(np.int64))


def _percent(health: FloatArray) -> FloatArray:
    return np.asarray(np.round(health, PERCENT_DECIMALS) + 0.0)


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


def sensor_fault_names(readings: Readings) -> list[str | None]:
    """`channel:kind` of the sensor that lies at each reading, None where none does."""
    pairs = zip(readings.fault_channel.tolist(), readings.sensor_fault.tolist(), strict=True)
    return [None if kind < 0 else f"{CHANNEL_LABELS[channel]}:{SENSOR_FAULTS[kind]}" for channel, kind in pairs]


def disturbance_names(readings: Readings) -> list[str | None]:
    """What passes over the pump at each reading, None where nothing does."""
    return [None if kind < 0 else DISTURBANCES[kind].value for kind in readings.disturbance.tolist()]


def labelled_payloads(
    device_ids: Sequence[str], readings: Readings, *, measurement_id: IntArray, time_ms: IntArray
) -> list[bytes]:
    """Payloads of labelled readings, one for each of n rows. The state follows from health as it is written."""
    health_percent = _percent(readings.health_percent)
    states = [STATES[index] for index in state_index(health_percent)]
    modes = [FAILURE_MODES[index] for index in readings.failure_mode]
    rul = np.round(readings.rul_hours, _HOUR_DECIMALS).tolist()
    faults, disturbances = sensor_fault_names(readings), disturbance_names(readings)
    rows = _telemetry(device_ids, readings, health_percent, measurement_id, time_ms)
    return [
        encode(
            Labelled(
                device_id=device, vibration_x=x, vibration_y=y, vibration_z=z, vibration_rms=rms,
                temperature=temperature, pressure=pressure, current=current, rpm=rpm,
                measurement_id=sequence, timestamp=moment, health_percent=health,
                ground_truth=state, failure_mode=mode, rul_hours=hours, sensor_fault=fault, disturbance=disturbance,
            )
        )
        for (device, x, y, z, rms, temperature, pressure, current, rpm, sequence, moment, health),
            (state, mode, hours, fault, disturbance)
        in zip(rows, zip(states, modes, rul, faults, disturbances, strict=True), strict=True)
    ]  # fmt: skip
