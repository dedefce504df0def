"""The alert rules: what is asked, from which value on it is bad, for how long, and what people are told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana.pipeline import LAG, LAG_LIMIT_S, QUARANTINED, RECEIVED
from grafana.queries import Query, bucket, flux, metric, series, stored
from grafana.shell import FLEET, MODEL, PIPELINE, PUMP
from pdm_platform.contract.measurements import DRIFT_SCORE, JOB_RUN, PUMP_PREDICTION, PUMP_TELEMETRY
from pdm_platform.contract.states import State
from pdm_platform.stores.influx_buckets import RAW

FAILING_READINGS: Final = 5
REPAIR_LEAD_H: Final = 24.0
SILENT_S: Final = 600
QUARANTINED_SHARE: Final = 0.01
FOLDER: Final = "Pumps"
EXPRESSION: Final = "__expr__"
_DAY_S: Final = 86_400
_CRITICAL, _WARNING = "critical", "warning"
_PUMP: Final = "{{ $labels.device_id }}"
_BAD: Final = f"\"state\" = '{State.FAULTY.value}' OR \"state\" = '{State.BROKEN.value}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertRule:
    """One rule. It fires for each series whose value is `above` or `below` the limit for `for_s` seconds.

    queries: one, or two whose first is divided by the second. range_s: how far back they look.
    no_data: what a query without rows means, 'OK' or 'Alerting'. dashboard: uid of where to look.
    """

    uid: str
    title: str
    severity: str
    queries: Sequence[Query]
    range_s: int
    limit: float
    below: bool = False
    for_s: int = 0
    no_data: str = "OK"
    summary: str
    description: str
    dashboard: str

    def fires_at(self, value: float) -> bool:
        """Whether this value is bad."""
        return value < self.limit if self.below else value > self.limit

    def to_json(self) -> dict[str, Any]:
        """As Grafana's file provisioning reads it."""
        return {
            "uid": self.uid,
            "title": self.title,
            "condition": "bad",
            "for": f"{self.for_s}s",
            "noDataState": self.no_data,
            "execErrState": "Error",
            "dashboardUid": self.dashboard,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "description": self.description},
            "data": self._steps(),
        }

    def _steps(self) -> list[dict[str, Any]]:
        steps = [self._asked(query) for query in self.queries]
        steps += [_expression(f"last{query.ref}", "reduce", query.ref, reducer="last") for query in self.queries]
        value = "lastA"
        if len(self.queries) == 2:
            steps.append(_expression("share", "math", "$lastA / $lastB"))
            value = "share"
        evaluator = {"type": "lt" if self.below else "gt", "params": [self.limit]}
        return [*steps, _expression("bad", "threshold", value, conditions=[{"evaluator": evaluator}])]

    def _asked(self, query: Query) -> dict[str, Any]:
        return {
            "refId": query.ref,
            "datasourceUid": query.source.uid,
            "relativeTimeRange": {"from": self.range_s, "to": 0},
            "model": {**query.to_json(), "datasource": query.source.to_json(), "intervalMs": 1_000},
        }


def _expression(ref: str, kind: str, of: str, **more: object) -> dict[str, Any]:
    model = {
        "refId": ref,
        "type": kind,
        "expression": of,
        "datasource": {"type": EXPRESSION, "uid": EXPRESSION},
        **more,
    }
    return {"refId": ref, "datasourceUid": EXPRESSION, "model": model}


def _told(ref: str, look: str) -> str:
    """A step's value in a text; nothing where a query without rows gave it none."""
    return f"{{{{ with $values.{ref} }}}}{{{{ {look} .Value }}}}{{{{ end }}}}"


def _failing() -> AlertRule:
    newest = (
        f'SELECT "health_percent", "state" FROM {stored(PUMP_PREDICTION)} WHERE $timeFilter '
        f"GROUP BY device_id ORDER BY time DESC LIMIT {FAILING_READINGS}"
    )
    return AlertRule(
        uid="pdm-pump-failing",
        title="Pump is FAULTY or BROKEN",
        severity=_CRITICAL,
        queries=[
            series(f'SELECT count("health_percent") FROM ({newest}) WHERE {_BAD} GROUP BY device_id ORDER BY time DESC')
        ],
        range_s=_DAY_S,
        limit=FAILING_READINGS - 0.5,
        summary=f"{_PUMP} is FAULTY or BROKEN",
        description=f"The newest {FAILING_READINGS} predictions of {_PUMP} all say FAULTY or BROKEN.",
        dashboard=PUMP,
    )


def _life() -> AlertRule:
    # rul_hours, not its lower bound: the models do not tell one yet
    newest = (
        f'SELECT last("health_percent") AS "health", "rul_hours", "state" FROM {stored(PUMP_PREDICTION)} '
        "WHERE $timeFilter GROUP BY device_id"
    )
    return AlertRule(
        uid="pdm-rul-hours-short",
        title="Predicted rul_hours is shorter than a repair takes to arrange",
        severity=_WARNING,
        queries=[
            series(
                f'SELECT "rul_hours" FROM ({newest}) WHERE "rul_hours" >= 0 AND "state" <> '
                f"'{State.BROKEN.value}' "
                "GROUP BY device_id"
            )
        ],
        range_s=_DAY_S,
        limit=REPAIR_LEAD_H,
        below=True,
        for_s=120,
        summary=f"{_PUMP} has about {_told('lastA', 'printf `%.1f`')} h left",
        description=f"The remaining life predicted for {_PUMP} is below the {REPAIR_LEAD_H:g} h that a repair takes to "
        "arrange. The models give no interval yet: this is the predicted life itself, not its lower bound.",
        dashboard=PUMP,
    )


def _silent() -> AlertRule:
    text = f"""
from(bucket: "{bucket(RAW)}")
  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)
  |> filter(fn: (r) => r._measurement == "{PUMP_TELEMETRY.name}" and r._field == "present")
  |> last()
  |> group()
  |> map(fn: (r) => ({{r with ago_s: float(v: int(v: v.timeRangeStop) - int(v: r._time)) / 1000000000.0}}))
  |> map(fn: (r) => ({{_time: v.timeRangeStop, device_id: r.device_id, _value: r.ago_s}}))
  |> group(columns: ["device_id"])
"""
    return AlertRule(
        uid="pdm-device-silent",
        title="Device is silent",
        severity=_WARNING,
        queries=[flux(text)],
        range_s=_DAY_S,
        limit=SILENT_S,
        summary=f"{_PUMP} has been silent for {_told('lastA', 'humanizeDuration')}",
        description=f"{_PUMP} spoke within the last 24 hours, but not in the last {SILENT_S // 60} minutes.",
        dashboard=FLEET,
    )


def _lag() -> AlertRule:
    return AlertRule(
        uid="pdm-bridge-lag",
        title="Bridge lags or does not answer",
        severity=_CRITICAL,
        queries=[series(f'SELECT max("gauge") FROM {metric(LAG)} WHERE $timeFilter')],
        range_s=60,
        limit=LAG_LIMIT_S,
        for_s=60,
        no_data="Alerting",
        summary="The bridge lags behind, or does not answer",
        description=f"A message has waited in the bridge for more than {LAG_LIMIT_S:g} s, or the bridge gave no "
        "metrics for a minute. Readings stay at the broker; see docs/operations.md.",
        dashboard=PIPELINE,
    )


def _quarantine() -> AlertRule:
    return AlertRule(
        uid="pdm-quarantine-rate",
        title="Many messages are quarantined",
        severity=_WARNING,
        queries=[series(_increase(QUARANTINED)), series(_increase(RECEIVED), ref="B")],
        range_s=600,
        limit=QUARANTINED_SHARE,
        for_s=60,
        summary=f"{_told('share', 'humanizePercentage')} of the messages break the contract",
        description=f"More than {QUARANTINED_SHARE:.0%} of the messages of the last 10 minutes were quarantined. Their "
        "reasons lie in the bridge's quarantine folder and are told on the topic platform/rejected.",
        dashboard=PIPELINE,
    )


def _increase(name: str) -> str:
    inner = f'SELECT non_negative_difference("counter") AS "n" FROM {metric(name)} WHERE $timeFilter GROUP BY *'
    return f'SELECT sum("n") FROM ({inner})'


def _drift() -> AlertRule:
    return AlertRule(
        uid="pdm-drift",
        title="Healthy operation has drifted",
        severity=_WARNING,
        queries=[
            series(f'SELECT last("drifted") FROM {stored(DRIFT_SCORE)} WHERE $timeFilter AND "channel" = \'fleet\'')
        ],
        range_s=_DAY_S,
        limit=0.5,
        summary="Healthy pumps no longer run as they did in training",
        description="The newest drift report of the last 24 hours says drifted. "
        "Predictions may be wrong until retraining.",
        dashboard=MODEL,
    )


def _job() -> AlertRule:
    return AlertRule(
        uid="pdm-job-failed",
        title="Dagster job failed",
        severity=_WARNING,
        queries=[series(f'SELECT last("success") FROM {stored(JOB_RUN)} WHERE $timeFilter GROUP BY "job"')],
        range_s=30 * _DAY_S,
        limit=0.5,
        below=True,
        summary="The last run of {{ $labels.job }} failed",
        description="The newest run of {{ $labels.job }} failed. The reason stands in its row under Runs.",
        dashboard=PIPELINE,
    )


def rules() -> list[AlertRule]:
    """All of them."""
    return [_failing(), _life(), _silent(), _lag(), _quarantine(), _drift(), _job()]


def provisioned() -> Mapping[str, Any]:
    """The rules as a provisioning file."""
    group = {
        "orgId": 1,
        "name": "pdm",
        "folder": FOLDER,
        "interval": "30s",
        "rules": [rule.to_json() for rule in rules()],
    }
    return {"apiVersion": 1, "groups": [group]}
