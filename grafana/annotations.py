"""What happened, drawn into every panel over time: alarms, maintenance, models that came into production."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import AnnotationQuery

from grafana.queries import FLUX, FLUX_OF_DEVICES, FLUX_RANGE, bucket, flux
from pdm_platform.contract.measurements import DEVICE, MODEL_EVENT, PUMP_ALARM, PUMP_TELEMETRY
from pdm_platform.contract.states import State
from pdm_platform.core.alarms import CONDITION, SEVERITIES
from pdm_platform.stores.influx_buckets import HISTORY, RAW, RESULTS

_OF_STATE: Final = f'(r.condition == "{CONDITION}")'
# With a zone: Flux refuses a whole query for one text that it cannot read as a time.
_ISO_TIME: Final = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$"


def of_fleet() -> list[AnnotationQuery]:
    """Alarms from FAULTY on and maintenance of the chosen pumps, both off at first: there may be hundreds."""
    severe = f"{_OF_STATE} and r.severity >= {SEVERITIES[State.FAULTY]} and r.active == 1"
    return [
        _shown("Alarms", "red", _alarms(FLUX_OF_DEVICES, severe), on=False),
        _shown("Maintenance", "blue", _maintenance(FLUX_OF_DEVICES, "last()"), on=False),
        models(),
    ]


def of_pump() -> list[AnnotationQuery]:
    """All alarms of the pump, raised and returned to normal, by what they are about, and its maintenance."""
    pump = f'r.{DEVICE} == "$pump"'
    return [
        _shown("Alarms", "red", _alarms(pump, _OF_STATE)),
        _shown("Sensor faults and novelty", "orange", _alarms(pump, f"not {_OF_STATE}")),
        _shown("Maintenance", "blue", _maintenance(pump, "unique()")),
        models(),
    ]


def models() -> AnnotationQuery:
    """Promotions and rollbacks."""
    text = f"""
from(bucket: "{bucket(RESULTS)}")
  |> {FLUX_RANGE}
  |> filter(fn: (r) => r._measurement == "{MODEL_EVENT.name}")
  |> filter(fn: (r) => r._field == "version" or r._field == "reason")
  |> pivot(rowKey: ["_time", "event"], columnKey: ["_field"], valueColumn: "_value")
  |> group()
  |> map(fn: (r) => ({{time: r._time, text: r.event + " " + r.version + ": " + r.reason, tags: r.event}}))
"""
    return _shown("Models", "purple", text)


def _alarms(devices: str, which: str) -> str:
    return f"""
from(bucket: "{bucket(HISTORY)}")
  |> {FLUX_RANGE}
  |> filter(fn: (r) => r._measurement == "{PUMP_ALARM.name}" and {devices})
  |> filter(fn: (r) => r._field == "message" or r._field == "severity" or r._field == "active" or r._field == "state")
  |> pivot(rowKey: ["_time", "{DEVICE}", "condition"], columnKey: ["_field"], valueColumn: "_value")
  |> filter(fn: (r) => {which})
  |> group()
  |> map(fn: (r) => ({{time: r._time, text: r.message, tags: r.condition + "," + r.state}}))
"""


def _maintenance(devices: str, chosen: str) -> str:
    return f"""
from(bucket: "{bucket(RAW)}")
  |> {FLUX_RANGE}
  |> filter(fn: (r) => r._measurement == "{PUMP_TELEMETRY.name}" and r._field == "last_maintenance")
  |> filter(fn: (r) => {devices})
  |> {chosen}
  |> group()
  |> filter(fn: (r) => r._value =~ /{_ISO_TIME}/)
  |> map(fn: (r) => ({{time: time(v: r._value), text: r.{DEVICE} + " was serviced", tags: "maintenance"}}))
  |> filter(fn: (r) => r.time >= v.timeRangeStart)
"""


def _shown(name: str, colour: str, text: str, *, on: bool = True) -> AnnotationQuery:
    query = AnnotationQuery().name(name).datasource(FLUX).enable(on).icon_color(colour)
    return query.target(flux(text, ref="Anno"))
