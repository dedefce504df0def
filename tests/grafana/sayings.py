"""What a model says besides the state, put into a store whose model does not say it."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.failure_modes import FailureMode
from pdm_platform.contract.measurements import PUMP_ALARM, PUMP_PREDICTION, TIME, Window
from pdm_platform.contract.states import State
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core.alarms import FLAG_SEVERITIES, SENSOR_FAULT
from pdm_platform.stores.telemetry import TelemetryStore

_SURE_BELOW_PERCENT = 90.0
_PROVISIONAL_READINGS = 30
_HOURS_A_PERCENT = 0.2
_DOUBTFUL_PUMPS = 3
_DOUBTS = {"state", "novelty", "novel", "sensor_fault", "sensor_fault_probability", "provisional"}
_LATELY_NS = 6 * NS_PER_HOUR


def say_more(store: TelemetryStore, window: Window, devices: Sequence[str]) -> None:
    """Give the predictions of these pumps each field that none has lately, and alarms each condition that none has.

    Pumps wear of one mode each. Lately the first pump's sensor lies, the second one's readings are novel, and too
    little is known of the third.
    """
    said = store.read(PUMP_PREDICTION, window, devices=devices)
    rows = said.to_pylist()
    lately = [row for row in rows if row[TIME] >= window.end_ns - _LATELY_NS]
    # a mark that is set nowhere is as good as not said
    unsaid = {name for name in PUMP_PREDICTION.fields if not any(row[name] for row in lately)}
    for place, device in enumerate(devices):
        of_pump = [row for row in rows if row["device_id"] == device]
        for number, row in enumerate(of_pump):
            last = place < _DOUBTFUL_PUMPS and number > 0.95 * len(of_pump)
            told = _told(row, number, place, last=last)
            row |= {name: value for name, value in told.items() if name in unsaid or (last and name in _DOUBTS)}
    store.write(PUMP_PREDICTION, pa.Table.from_pylist(rows, schema=PUMP_PREDICTION.schema))
    known = set(store.read(PUMP_ALARM, window, devices=devices)["condition"].to_pylist())
    raised = [row for condition in FLAG_SEVERITIES.keys() - known for row in _alarms(rows, condition, devices)]
    store.write(PUMP_ALARM, pa.Table.from_pylist(raised, schema=PUMP_ALARM.schema))


def _told(row: dict[str, Any], number: int, place: int, *, last: bool) -> dict[str, Any]:
    """What would be said of this reading, the number-th of the place-th pump. last: it is one of its last."""
    worn = row["health_percent"] < _SURE_BELOW_PERCENT
    left_hours = row["health_percent"] * _HOURS_A_PERCENT if worn else None
    lies, novel, unknown = (last and place == which for which in range(_DOUBTFUL_PUMPS))
    return {
        "rul_hours": left_hours,
        "rul_lower_hours": None if left_hours is None else 0.6 * left_hours,
        "rul_upper_hours": None if left_hours is None else 1.7 * left_hours,
        "failure_mode": tuple(FailureMode)[place % len(FailureMode)].value if worn else None,
        "failure_mode_probability": 0.5 + row["health_percent"] % 40 / 100 if worn else None,
        # a worn pump is novel by itself; this one is told healthy
        **({"state": State.HEALTHY.value} if novel else {}),
        "novelty": 1.5 if novel else 0.2 + number % 7 / 20,
        "novel": int(novel),
        "sensor_fault": CHANNEL_NAMES[4] if lies else None,
        "sensor_fault_probability": 0.9 if lies else None,
        "provisional": int(number < _PROVISIONAL_READINGS or unknown),
    }


def _alarms(rows: Sequence[dict[str, Any]], condition: str, devices: Sequence[str]) -> list[dict[str, Any]]:
    """Raised at the last reading of a pump, and at its middle one raised and returned to normal."""
    of_pump = [row for row in rows if row["device_id"] == devices[0 if condition == SENSOR_FAULT else 1]]
    changes = ((len(of_pump) // 2, 1), (len(of_pump) // 2 + 5, 0), (len(of_pump) - 1, 1))
    return [
        {
            "device_id": row["device_id"],
            "condition": condition,
            TIME: row[TIME],
            "active": active,
            "severity": FLAG_SEVERITIES[condition],
            "state": row["state"],
            "health_percent": row["health_percent"],
            "rul_hours": row["rul_hours"],
            "message": f"{row['device_id']} {condition} {'raised' if active else 'returned to normal'}",
            "model_version": row["model_version"],
            "inference_time_ns": row["inference_time_ns"],
        }
        for row, active in ((of_pump[number], active) for number, active in changes)
    ]
