"""The alert rules: what is asked, from which value on it is bad, for how long, and what people are told."""

from collections.abc import Mapping
from typing import Any, Final

from grafana.alert_rule import AlertRule, told
from grafana.pipeline_metrics import LAG, LAG_LIMIT_S, QUARANTINED, RECEIVED, increase
from grafana.queries import bucket, flux, metric, series, stored
from grafana.shell import FLEET, MODEL, PIPELINE, PUMP
from pdm_platform.contract.measurements import DRIFT_SCORE, JOB_RUN, PUMP_PREDICTION, PUMP_TELEMETRY
from pdm_platform.contract.states import State
from pdm_platform.stores.influx_buckets import RAW

FAILING_READINGS: Final = 5
REPAIR_LEAD_H: Final = 24.0
SILENT_S: Final = 600
LYING_READINGS: Final = 10
LYING_S: Final = 600
QUARANTINED_SHARE: Final = 0.01
FOLDER: Final = "Pumps"
_DAY_S: Final = 86_400
_CRITICAL, _WARNING = "critical", "warning"
_PUMP: Final = "{{ $labels.device_id }}"
_BAD: Final = f"\"state\" = '{State.FAULTY.value}' OR \"state\" = '{State.BROKEN.value}'"


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
    # The lower bound: with about 95 % more than that is left. A service of an older release tells none.
    newest = (
        f'SELECT last("health_percent") AS "health", "rul_lower_hours" AS "at_least", "state", "provisional" '
        f"FROM {stored(PUMP_PREDICTION)} WHERE $timeFilter GROUP BY device_id"
    )
    return AlertRule(
        uid="pdm-rul-hours-short",
        title="Remaining life may be shorter than a repair takes to arrange",
        severity=_WARNING,
        queries=[
            series(
                f'SELECT "at_least" FROM ({newest}) WHERE "at_least" >= 0 AND "provisional" = 0 AND "state" <> '
                f"'{State.BROKEN.value}' "
                "GROUP BY device_id"
            )
        ],
        range_s=_DAY_S,
        limit=REPAIR_LEAD_H,
        below=True,
        for_s=120,
        summary=f"{_PUMP} may have only {told('lastA', 'printf `%.1f`')} h left",
        description=f"The lower bound of the remaining life predicted for {_PUMP} (rul_lower_hours of a 90 % interval) "
        f"is below the {REPAIR_LEAD_H:g} h that a repair takes to arrange: it is likely to last longer, but do not "
        "count on it.",
        dashboard=PUMP,
    )


def _lying_sensor() -> AlertRule:
    newest = (
        f'SELECT "health_percent", "sensor_fault" FROM {stored(PUMP_PREDICTION)} WHERE $timeFilter '
        f"GROUP BY device_id ORDER BY time DESC LIMIT {LYING_READINGS}"
    )
    return AlertRule(
        uid="pdm-sensor-fault",
        title="A sensor seems to lie",
        severity=_WARNING,
        queries=[
            series(
                f'SELECT count("sensor_fault") FROM ({newest}) WHERE "sensor_fault" =~ /./ '
                "GROUP BY device_id ORDER BY time DESC"
            )
        ],
        range_s=_DAY_S,
        limit=LYING_READINGS - 0.5,
        for_s=LYING_S,
        summary=f"A sensor of {_PUMP} seems to lie",
        description=f"For {LYING_S // 60} minutes the newest {LYING_READINGS} predictions of {_PUMP} have all said "
        "that one of its sensors lies. Which one stands on its dashboard; what is predicted meanwhile deserves less "
        "trust.",
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
        summary=f"{_PUMP} has been silent for {told('lastA', 'humanizeDuration')}",
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
        queries=[
            series(f'SELECT sum("n") FROM ({increase(QUARANTINED)})'),
            series(f'SELECT sum("n") FROM ({increase(RECEIVED)})', ref="B"),
        ],
        range_s=600,
        limit=QUARANTINED_SHARE,
        for_s=60,
        summary=f"{told('share', 'humanizePercentage')} of the messages break the contract",
        description=f"More than {QUARANTINED_SHARE:.0%} of the messages of the last 10 minutes were quarantined. Their "
        "reasons lie in the bridge's quarantine folder and are told on the topic platform/rejected.",
        dashboard=PIPELINE,
    )


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
    return [_failing(), _life(), _lying_sensor(), _silent(), _lag(), _quarantine(), _drift(), _job()]


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
