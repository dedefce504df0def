"""What panels, variables and annotations ask the store, and the pieces that their texts share."""

from dataclasses import dataclass
from typing import Final

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import DataSourceRef

from pdm_platform.contract.measurements import DEVICE, Measurement
from pdm_platform.core.alarms import CONDITION
from pdm_platform.stores.influx_buckets import DEFAULT_PREFIX, METRICS, Bucket, bucket_of

INFLUXQL: Final = DataSourceRef(type_val="influxdb", uid="pdm-influxql")
FLUX: Final = DataSourceRef(type_val="influxdb", uid="pdm-flux")

# `$site` holds the dot that ends it, so that site `a` is not `ab` too; All is `.*`.
OF_DEVICES: Final = f'"{DEVICE}" =~ /^${{site:regex}}/ AND "{DEVICE}" =~ /^${{pump:regex}}$/'
OF_PUMP: Final = f"\"{DEVICE}\" = '$pump'"
# alarms of the pump's state; those of other conditions say what makes the predictions doubtful
OF_STATE: Final = f"\"condition\" = '{CONDITION}'"
FLUX_OF_DEVICES: Final = f"r.{DEVICE} =~ /^${{site:regex}}/ and r.{DEVICE} =~ /^${{pump:regex}}$/"
FLUX_RANGE: Final = "range(start: v.timeRangeStart, stop: v.timeRangeStop)"
# In seconds, which Grafana shows as minutes, hours, days or weeks, whichever fits; hours it makes longer only.
IN_SECONDS: Final = "* 3600"
# Downsampled points carry the tag `agg`; raw ones have none, so that one text serves every bucket.
OF_MEANS: Final = '"agg" !~ /^(min|max)$/'
# At least two scrapes in each window of a rate: the store looks every 10 s.
METRICS_INTERVAL: Final = "30s"


@dataclass(frozen=True, slots=True)
class Query(Dataquery, Builder["Query"]):
    """One query of a panel. table: rows as they are, else one series for each value and set of tags."""

    text: str
    source: DataSourceRef
    ref: str = "A"
    table: bool = False
    alias: str = ""

    def build(self) -> "Query":
        """Itself: the SDK's panels take builders."""
        return self

    def to_json(self) -> dict[str, object]:
        """As Grafana's InfluxDB data source reads it."""
        common: dict[str, object] = {"refId": self.ref, "datasource": self.source, "query": self.text}
        if self.source is FLUX:
            return common
        shape = "table" if self.table else "time_series"
        return {**common, "rawQuery": True, "resultFormat": shape} | ({"alias": self.alias} if self.alias else {})


def series(text: str, *, alias: str = "", ref: str = "A") -> Query:
    """InfluxQL that gives time series. alias: the legend, with `$col` and `$tag_NAME`."""
    return Query(text, INFLUXQL, ref, alias=alias)


def rows(text: str, *, ref: str = "A") -> Query:
    """InfluxQL that gives a table."""
    return Query(text, INFLUXQL, ref, table=True)


def flux(text: str, *, ref: str = "A") -> Query:
    """Flux, for what InfluxQL cannot say."""
    return Query(text.strip(), FLUX, ref)


def bucket(kind: Bucket) -> str:
    """A bucket's name in the stack."""
    return kind.name(DEFAULT_PREFIX)


def stored(measurement: Measurement) -> str:
    """What stands after FROM for a measurement at full resolution."""
    return f'"{bucket(bucket_of(measurement))}"."autogen"."{measurement.name}"'


def ranged(measurement: Measurement) -> str:
    """The same at the resolution that fits the shown range, by the hidden variable `bucket`."""
    return f'"$bucket"."autogen"."{measurement.name}"'


def metric(name: str) -> str:
    """What stands after FROM for a scraped metric."""
    return f'"{bucket(METRICS)}"."autogen"."{name}"'


def rate(name: str, *, by: str = "") -> str:
    """Events per second of a counter, summed over its labels, or one series for each value of the label `by`.

    A counter that starts again at 0 with its process gives no negative rate.
    """
    # between two looks at the metrics each: the window that has just begun holds no whole interval yet
    each = f'SELECT non_negative_derivative("counter", 1s) AS "rate" FROM {metric(name)} WHERE $timeFilter GROUP BY *'
    mean = f'SELECT mean("rate") AS "rate" FROM ({each}) WHERE $timeFilter GROUP BY time($__interval), * fill(none)'
    tags = f', "{by}"' if by else ""
    return f'SELECT sum("rate") FROM ({mean}) WHERE $timeFilter GROUP BY time($__interval){tags} fill(none)'


def quantiles(name: str, *quantile: float) -> str:
    """Flux: quantiles over time of a scraped histogram, one series each, named `p50` and so on."""
    parts = ", ".join(f'quantile(q: {q:g}, name: "p{q * 100:g}")' for q in quantile)
    return f"""
buckets = from(bucket: "{bucket(METRICS)}")
  |> {FLUX_RANGE}
  |> filter(fn: (r) => r._measurement == "{name}" and r._field != "count" and r._field != "sum")
  |> aggregateWindow(every: v.windowPeriod, fn: last, createEmpty: false)
  |> difference(nonNegative: true)
  |> filter(fn: (r) => exists r._value)
  |> map(fn: (r) => ({{_time: r._time, _value: float(v: r._value), le: float(v: r._field)}}))
  |> group(columns: ["_time"])
  |> sort(columns: ["le"])
quantile = (q, name) => buckets
  |> histogramQuantile(quantile: q, onNonmonotonic: "drop")
  |> group()
  |> filter(fn: (r) => exists r._value)
  |> set(key: "_field", value: name)
  |> keep(columns: ["_time", "_value", "_field"])
union(tables: [{parts}])
  |> group(columns: ["_field"])
  |> sort(columns: ["_time"])
"""
