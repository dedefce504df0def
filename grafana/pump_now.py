"""Pump, the figures at the top: what the latest prediction and the latest reading say."""

from typing import Final

from grafana_foundation_sdk.builders import stat
from grafana_foundation_sdk.models.common import BigValueColorMode
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from grafana.panels import figure
from grafana.queries import IN_SECONDS, OF_PUMP, OF_STATE, rows, series, stored
from grafana.style import health_limits, limits, short_time, state_colours
from pdm_platform.contract.measurements import PUMP_ALARM, PUMP_PREDICTION, PUMP_TELEMETRY
from pdm_platform.contract.states import STATES
from pdm_platform.stores.influx_buckets import DAY_S

HERE: Final = f"WHERE $timeFilter AND {OF_PUMP}"
PROBABILITIES: Final = tuple(f"p_{state.lower()}" for state in STATES)
MISSED: Final = (
    f'SELECT difference("measurement_id") - 1 AS "gap" FROM {stored(PUMP_TELEMETRY)} {HERE}'  # by event time
)


def panels() -> list[stat.Panel]:
    """The figures, in the order shown: one row."""
    return [_state(), _health_now(), _life_now(), _sure(), _alarm(), _last_reading(), _missed(), _maintained()]


def latest(field: str) -> str:
    """What the newest prediction says, also where it is null: the last known value may be long past."""
    return f'SELECT last("health_percent") AS "health", {field} FROM {stored(PUMP_PREDICTION)} {HERE}'


def _state() -> stat.Panel:
    panel = figure(
        "State",
        "The most probable state by the latest prediction in the shown range.",
        rows(latest('"state" AS "state_then"')),
        unit="none",
        mappings=state_colours(),
        fields="/^state_then$/",
    )
    return panel.color_mode(BigValueColorMode.BACKGROUND_SOLID)


def _health_now() -> stat.Panel:
    return figure(
        "Health",
        "Predicted health by the latest prediction; 100 % is new, BROKEN begins at 10 %.",
        series(f'SELECT last("health_percent") FROM {stored(PUMP_PREDICTION)} {HERE}'),
        unit="percent",
        decimals=0,
        thresholds=health_limits(),
    )


def _life_now() -> stat.Panel:
    return figure(
        "Remaining life",
        "Time until the failure itself, a health of 0 %, by the latest prediction. 'not yet' while no wear is clear "
        "enough to tell it.",
        rows(latest(f'"rul_hours" {IN_SECONDS} AS "life_s"')),
        unit="s",
        decimals=1,
        fields="/^life_s$/",
        thresholds=limits("orange", (DAY_S, "yellow"), (7 * DAY_S, "green")),
        empty="not yet",
    )


def _sure() -> stat.Panel:
    columns = ", ".join(f'last("{name}") AS "{name}"' for name in PROBABILITIES)
    panel = figure(
        "Probability",
        "What the model gives the state that it tells, by the latest prediction.",
        rows(f"SELECT {columns} FROM {stored(PUMP_PREDICTION)} {HERE}"),
        unit="percentunit",
        decimals=0,
        fields="/^sure$/",
    )
    options = {"mode": "reduceRow", "alias": "sure", "reduce": {"include": list(PROBABILITIES), "reducer": "max"}}
    return panel.with_transformation(DataTransformerConfig("calculateField", options=options))


def _alarm() -> stat.Panel:
    return figure(
        "Standing alarm",
        "The state at which the pump's alarm was raised last, while it has not returned to normal. What makes the "
        "predictions doubtful stands below.",
        rows(
            f'SELECT "told" FROM (SELECT last("active") AS "a", "state" AS "told" FROM {stored(PUMP_ALARM)} '
            f'WHERE {OF_PUMP} AND {OF_STATE}) WHERE "a" = 1'
        ),
        unit="none",
        mappings=state_colours(),
        fields="/^told$/",
        empty="none",
    )


def _last_reading() -> stat.Panel:
    return figure(
        "Last reading",
        "How long ago the newest reading in the shown range was taken.",
        rows(f'SELECT last("present") FROM {stored(PUMP_TELEMETRY)} {HERE}'),
        unit="dateTimeFromNow",
        fields="/^Time$/",
    )


def _missed() -> stat.Panel:
    return figure(
        "Readings missed",
        "Holes in the sequence numbers (measurement_id) of the readings stored in the shown range. A pump that sends "
        "no numbers has none.",
        series(f'SELECT sum("gap") FROM ({MISSED}) WHERE "gap" >= 0'),
        unit="none",
        thresholds=limits("green", (1, "yellow")),
        empty="0",
    )


def _maintained() -> stat.Panel:
    return figure(
        "Maintained",
        "When the pump was serviced last, as it says itself (last_maintenance), without the seconds.",
        rows(f'SELECT last("last_maintenance") AS "serviced" FROM {stored(PUMP_TELEMETRY)} {HERE}'),
        unit="none",
        fields="/^serviced$/",
        mappings=short_time(),
        empty="not told",
    )
