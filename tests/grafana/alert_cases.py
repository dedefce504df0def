"""What stands in the store when an alert rule is asked, and for whom it must then fire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from grafana.alerts import FAILING_READINGS, LYING_READINGS, QUARANTINED_SHARE, REPAIR_LEAD_H, SILENT_S
from grafana.pipeline_metrics import LAG, LAG_LIMIT_S, QUARANTINED, RECEIVED
from pdm_platform.contract.measurements import (
    DRIFT_SCORE,
    JOB_RUN,
    PUMP_PREDICTION,
    PUMP_TELEMETRY,
    TIME,
    Measurement,
)
from pdm_platform.contract.states import State
from pdm_platform.contract.times import NS_PER_S
from pdm_platform.stores.influx_buckets import METRICS
from pdm_platform.stores.telemetry import TelemetryStore
from tests.servers.influxd import Influxd

Row = tuple[Measurement, float, Mapping[str, Any]]
Scrape = tuple[str, float, str]


@dataclass(frozen=True)
class Case:
    """rows: (measurement, seconds ago, values). scrapes: (metric and labels, seconds ago, field). fires: for whom."""

    rule: str
    what: str
    rows: Sequence[Row] = ()
    scrapes: Sequence[Scrape] = ()
    fires: frozenset[str] = field(default=frozenset())

    def write(self, store: TelemetryStore, influxd: Influxd, now_ns: int) -> None:
        """Put it into the store as if it were now_ns."""
        for measurement, ago_s, values in self.rows:
            row = {**values, TIME: now_ns - int(ago_s * NS_PER_S)}
            store.write(measurement, pa.Table.from_pylist([row], schema=measurement.schema))
        if self.scrapes:
            lines = [f"{what} {value} {now_ns - int(ago_s * NS_PER_S)}" for what, ago_s, value in self.scrapes]
            influxd.write_lines(METRICS.name("pdm"), *lines)


def _said(states: str, *, device: str = "p-1", **fields: object) -> list[Row]:
    """Predictions a minute apart, the newest last, written `HWFB` by their states; fields: what else each says."""
    named = {state.value[0]: state.value for state in State}
    return [
        (
            PUMP_PREDICTION,
            60.0 * (len(states) - place),
            {"device_id": device, "state": named[letter], "health_percent": 50.0, **fields},
        )
        for place, letter in enumerate(states)
    ]


def _left(states: str, lower_hours: float, *, provisional: int = 0) -> list[Row]:
    """Predictions of a long remaining life. lower_hours: what is left at least."""
    return _said(states, rul_hours=100.0, rul_lower_hours=lower_hours, provisional=provisional)


def _sensor(channels: Sequence[str | None]) -> list[Row]:
    """Predictions a minute apart, the newest last, each with the channel whose sensor seems to lie."""
    return [
        (measurement, 60.0 * (len(channels) - place), {**values, "sensor_fault": channel})
        for place, channel in enumerate(channels)
        for measurement, _ago_s, values in _said("H")
    ]


def _read(ago_s: float, device: str) -> Row:
    return PUMP_TELEMETRY, ago_s, {"device_id": device, "temperature": 40.0}


def _counted(quarantined: Sequence[int], received: Sequence[int]) -> list[Scrape]:
    """Counters at scrapes ten seconds apart."""
    return [
        (what, 10.0 * (len(values) - place), f"counter={value}")
        for what, values in ((f"{QUARANTINED},cause=payload", quarantined), (RECEIVED, received))
        for place, value in enumerate(values)
    ]


def _waited(*seconds: float) -> list[Scrape]:
    return [(LAG, 10.0 * (len(seconds) - place), f"gauge={value}") for place, value in enumerate(seconds)]


def _drift(drifted: int, ago_s: float = 60.0, channel: str = "fleet") -> Row:
    return DRIFT_SCORE, ago_s, {"channel": channel, "score": 0.5, "drifted": drifted}


def _ran(job: str, success: int, ago_s: float = 60.0) -> Row:
    return JOB_RUN, ago_s, {"job": job, "success": success, "duration_s": 1.0}


_N, _M = FAILING_READINGS, LYING_READINGS
_FAILING, _LIFE, _SILENT = "pdm-pump-failing", "pdm-rul-hours-short", "pdm-device-silent"
_LYING = "pdm-sensor-fault"
_LAG, _REFUSED, _DRIFT, _JOB = "pdm-bridge-lag", "pdm-quarantine-rate", "pdm-drift", "pdm-job-failed"
_P1, _ONE = frozenset({"p-1"}), frozenset({""})
_FEW = int(1_000 * QUARANTINED_SHARE) // 2

CASES = (
    Case(_FAILING, "the newest predictions are all FAULTY", _said("HW" + "F" * _N), fires=_P1),
    Case(_FAILING, "the newest predictions are FAULTY or BROKEN", _said("F" * (_N - 1) + "B"), fires=_P1),
    Case(_FAILING, "one of the newest is only a WARNING", _said("F" * _N + "W" + "F" * (_N - 1))),
    Case(_FAILING, "there are too few predictions yet", _said("B" * (_N - 1))),
    Case(_FAILING, "another pump is well", [*_said("B" * _N), *_said("H" * _N, device="p-2")], fires=_P1),
    Case(_LIFE, "less may be left than a repair takes", _left("W", REPAIR_LEAD_H - 1), fires=_P1),
    Case(_LIFE, "more is left than a repair takes", _left("W", REPAIR_LEAD_H + 1)),
    Case(_LIFE, "no remaining life is told", _said("H")),
    Case(_LIFE, "a service of an older release tells no interval", _said("W", rul_hours=REPAIR_LEAD_H - 1)),
    Case(_LIFE, "too little is known of the pump yet", _left("W", 0.0, provisional=1)),
    Case(_LIFE, "the newest prediction tells none any more", [*_left("WW", 1.0)[:1], *_said("H")]),
    Case(_LIFE, "the pump is BROKEN already", _left("B", 0.0)),
    Case(_LYING, "all of the newest predictions say so", _sensor([None, *["rpm"] * _M]), fires=_P1),
    Case(_LYING, "one of the newest does not", _sensor([*["rpm"] * _M, None, *["rpm"] * (_M - 1)])),
    Case(_LYING, "there are too few predictions yet", _sensor(["rpm"] * (_M - 1))),
    Case(_LYING, "a service of an older release tells none", _said("H" * _M)),
    Case(_SILENT, "one has not spoken for a while", [_read(SILENT_S + 60, "p-1"), _read(9, "p-2")], fires=_P1),
    Case(_SILENT, "all have spoken just now", [_read(SILENT_S - 60, "p-1"), _read(SILENT_S + 60, "p-1")]),
    Case(_LAG, "a message waited for long", scrapes=_waited(0, LAG_LIMIT_S + 1, 2), fires=_ONE),
    Case(_LAG, "messages wait for seconds", scrapes=_waited(0, LAG_LIMIT_S - 1)),
    Case(_LAG, "the bridge gives no metrics", fires=_ONE),
    Case(_REFUSED, "one in ten is refused", scrapes=_counted((0, 100), (0, 1_000)), fires=_ONE),
    Case(_REFUSED, "few of a thousand are refused", scrapes=_counted((7, 7 + _FEW), (50, 1_050))),
    Case(_REFUSED, "the bridge started again meanwhile", scrapes=_counted((900, 0, 1), (9_000, 0, 1_000))),
    Case(_REFUSED, "nothing comes at all"),
    Case(_DRIFT, "the newest report says drifted", [_drift(0, 3_600), _drift(1)], fires=_ONE),
    Case(_DRIFT, "the newest report says no drift", [_drift(1, 3_600), _drift(0)]),
    Case(_DRIFT, "one channel alone has drifted", [_drift(1, channel="rpm"), _drift(0)]),
    Case(_JOB, "the newest run failed", [_ran("a", 1, 600), _ran("a", 0)], fires=frozenset({"a"})),
    Case(_JOB, "a run has succeeded since", [_ran("b", 0, 600), _ran("b", 1)]),
)
