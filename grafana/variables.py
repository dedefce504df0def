"""What is chosen at the top of a dashboard, and what is chosen behind the scenes."""

from typing import Final

from grafana_foundation_sdk.builders.dashboard import CustomVariable, QueryVariable, TextBoxVariable
from grafana_foundation_sdk.models.dashboard import VariableHide, VariableOption, VariableRefresh, VariableSort

from grafana.queries import FLUX, FLUX_OF_DEVICES, FLUX_RANGE, INFLUXQL, bucket
from pdm_platform.contract.measurements import DEVICE, PUMP_PREDICTION, PUMP_TELEMETRY
from pdm_platform.stores.influx_buckets import HOURS, MINUTES, RAW

RAW_UP_TO_HOURS: Final = 6
MINUTES_UP_TO_HOURS: Final = 7 * 24
WORST_PUMPS: Final = 20
_ALL: Final = VariableOption(selected=True, text="All", value="$__all")
_DEVICES: Final = f'SHOW TAG VALUES ON "{bucket(RAW)}" FROM "{PUMP_TELEMETRY.name}" WITH KEY = "{DEVICE}"'


def site() -> QueryVariable:
    """What stands before the first dot of a device id; a fleet without dots has only All.

    The value keeps the dot: it is what tells site `a` from site `ab`.
    """
    variable = _query("site", "Site", "Site: what stands before the first dot of a device id", _DEVICES)
    variable.regex(r"/^(?<value>(?<text>[^.]+)\.)/").multi(True).include_all(True).all_value(".*").current(_ALL)
    return variable.sort(VariableSort.ALPHABETICAL_ASC)


def pumps() -> QueryVariable:
    """Any number of pumps of the chosen sites."""
    variable = _query("pump", "Pump", "Pumps of the chosen sites; type to search", _of_site())
    variable.multi(True).include_all(True).all_value(".*").current(_ALL)
    return variable.sort(VariableSort.NATURAL_ASC)


def one_pump() -> QueryVariable:
    """One pump of the chosen sites."""
    variable = _query("pump", "Pump", "A pump of the chosen sites; type to search", _of_site())
    return variable.multi(False).include_all(False).sort(VariableSort.NATURAL_ASC)


def resolution() -> QueryVariable:
    """Hidden: the bucket that fits the shown range.

    Full resolution up to six hours, so that nothing is missing where the downsampled points are not there yet.
    """
    text = f"""
import "array"
hours = (int(v: v.timeRangeStop) - int(v: v.timeRangeStart)) / 3600000000000
bucket = if hours <= {RAW_UP_TO_HOURS} then "{bucket(RAW)}"
  else if hours <= {MINUTES_UP_TO_HOURS} then "{bucket(MINUTES)}"
  else "{bucket(HOURS)}"
array.from(rows: [{{_value: bucket}}])
"""
    variable = _query("bucket", "Resolution", "The bucket that fits the shown range", text.strip(), flux=True)
    return variable.hide(VariableHide.HIDE_VARIABLE)


def worst() -> QueryVariable:
    """Hidden: the pumps with the lowest health at the end of the range."""
    text = f"""
from(bucket: "{bucket(RAW)}")
  |> {FLUX_RANGE}
  |> filter(fn: (r) => r._measurement == "{PUMP_PREDICTION.name}" and r._field == "health_percent")
  |> filter(fn: (r) => {FLUX_OF_DEVICES})
  |> last()
  |> group()
  |> sort(columns: ["_value"])
  |> limit(n: {WORST_PUMPS})
  |> keep(columns: ["{DEVICE}"])
"""
    variable = _query("worst", "Worst", "The pumps with the lowest health", text.strip(), flux=True)
    return variable.hide(VariableHide.HIDE_VARIABLE).multi(True).include_all(True).current(_ALL)


def choice(name: str, label: str, help_text: str, values: str, chosen: str) -> CustomVariable:
    """One of a few values, written `a,b,c`."""
    variable = CustomVariable(name).label(label).description(help_text).values(values)
    return variable.current(VariableOption(selected=True, text=chosen, value=chosen))


def address(name: str, help_text: str, url: str) -> TextBoxVariable:
    """Hidden: where another part of the platform is reached; `?var-NAME=` in the address sets another."""
    option = VariableOption(selected=True, text=url, value=url)
    variable = TextBoxVariable(name).description(help_text).default_value(url).current(option)
    return variable.hide(VariableHide.HIDE_VARIABLE)


def _of_site() -> str:
    return f'{_DEVICES} WHERE "{DEVICE}" =~ /^${{site:regex}}/'


def _query(name: str, label: str, help_text: str, text: str, *, flux: bool = False) -> QueryVariable:
    variable = QueryVariable(name).label(label).description(help_text).datasource(FLUX if flux else INFLUXQL)
    variable.query({"query": text, "refId": name}).definition(text)
    return variable.refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
