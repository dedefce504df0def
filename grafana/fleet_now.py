"""Fleet, by the latest predictions: which fails next and of what, which alarms stand, what is doubtful."""

from dataclasses import replace
from typing import Final

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig

from grafana.panels import Column, listing
from grafana.pump_columns import LIFE_LEFT, NOT_KNOWN, NOVELTY, PREDICTED, PUMP, SENSOR, STATE
from grafana.queries import IN_SECONDS, OF_DEVICES, rows, stored
from grafana.style import PLAIN, condition_names, limits, mode_names
from pdm_platform.contract.measurements import PUMP_ALARM, PUMP_PREDICTION
from pdm_platform.contract.states import STATES, State
from pdm_platform.core.alarms import CLEAR_AFTER_READINGS, RAISE_AFTER_READINGS
from pdm_platform.stores.influx_buckets import DAY_S

NEXT_TO_FAIL: Final = 10
_P: Final = ", ".join(f'"p_{state.lower()}"' for state in STATES)
_OF_LATEST: Final = f"FROM {stored(PUMP_PREDICTION)} WHERE $timeFilter AND {OF_DEVICES} GROUP BY device_id"
# of each pump: a field that its newest prediction does not tell is null, whatever was told before
LATEST: Final = (
    f'SELECT last("health_percent") AS "health", "rul_hours" {IN_SECONDS} AS "life_s", '
    f'"rul_lower_hours" {IN_SECONDS} AS "at_least_s", "rul_upper_hours" {IN_SECONDS} AS "at_most_s", '
    f'"state", "failure_mode" AS "mode", "failure_mode_probability" AS "mode_sure", '
    f'"sensor_fault" AS "sensor", "provisional", {_P} {_OF_LATEST}'
)
LATEST_DOUBTS: Final = (
    f'SELECT last("health_percent") AS "health", "state", "novelty", "novel", "sensor_fault" AS "sensor", '
    f'"sensor_fault_probability" AS "sensor_sure", "provisional" {_OF_LATEST}'
)

# a worn pump is unlike healthy ones by itself
NOVEL: Final = f'"novel" = 1 AND "state" = \'{State.HEALTHY.value}\''


def panels() -> list[table.Panel]:
    """The tables, in the order shown."""
    return [_next_to_fail(), _standing_alarms(), _doubtful()]


def _next_to_fail() -> table.Panel:
    shown = '"state", "health", "at_least_s", "at_most_s", "mode", "mode_sure", "sensor", "provisional", ' + _P
    text = (
        f'SELECT bottom("life_s", "device_id", {NEXT_TO_FAIL}) AS "life_s", '
        f"{shown} FROM ({LATEST}) "
        f'WHERE "life_s" >= 0 AND "state" <> \'{State.BROKEN.value}\''
    )
    soon = limits("orange", (DAY_S, "dark-yellow"), (7 * DAY_S, PLAIN))
    columns = [
        PUMP,
        replace(LIFE_LEFT, thresholds=soon),
        Column("at_least_s", "At least", unit="s", width=100, decimals=1, thresholds=soon),
        Column("at_most_s", "At most", unit="s", width=100, decimals=1),
        Column("mode", "Failure mode", width=150, mappings=mode_names()),
        Column("mode_sure", "Its probability", unit="percentunit", width=110, decimals=0),
        STATE,
        Column("sure", "Its certainty", unit="percentunit", width=100, decimals=0),
        Column("health", "Health", unit="percent", width=80, decimals=0, kind="health"),
        SENSOR,
        NOT_KNOWN,
    ]
    panel = listing(
        "Next to fail",
        f"The {NEXT_TO_FAIL} pumps with the shortest remaining life: the time until the failure itself, a health of "
        "0 %, by the latest prediction. With a probability of 90 % it lies between at least and at most. Only pumps "
        "whose wear is clear enough to tell it, without those that are BROKEN already. The probabilities are the "
        "model's: of the failure mode, and (certainty) of the state. The last columns say what makes a line doubtful. "
        "Click a pump to open it.",
        rows(text),
        columns,
        width=24,
        height=11,
        sort=("Life left", False),
        empty="No pump wears visibly",
    )
    return _with_certainty(panel, [column.name for column in columns])


def _with_certainty(panel: table.Panel, order: list[str]) -> table.Panel:
    """Adds the column `sure`, the probability of the told state, and takes the four it comes from away."""
    names = [f"p_{state.lower()}" for state in STATES]
    reduce = {"mode": "reduceRow", "alias": "sure", "reduce": {"include": names, "reducer": "max"}}
    added = DataTransformerConfig("calculateField", options=reduce)
    hidden = dict.fromkeys(["Time", *names], True)
    places = {name: index for index, name in enumerate(order)}
    shaped = DataTransformerConfig("organize", options={"indexByName": places, "excludeByName": hidden})
    return panel.transformations([added, shaped])


def _standing_alarms() -> table.Panel:
    fields = '"severity", "state", "health_percent", "rul_hours"'
    shown = fields.replace('"rul_hours"', f'"rul_hours" {IN_SECONDS} AS "life_s"')
    text = (
        f'SELECT "a", {shown} FROM (SELECT last("active") AS "a", {fields} FROM {stored(PUMP_ALARM)} '
        f'WHERE {OF_DEVICES} GROUP BY device_id, condition) WHERE "a" = 1 GROUP BY device_id, condition'
    )
    return listing(
        "Standing alarms",
        f"Alarms that have not returned to normal, of every condition: the state of the pump (raised by "
        f"{RAISE_AFTER_READINGS} readings in a row at or above a state, ended by {CLEAR_AFTER_READINGS} HEALTHY ones "
        "in a row), a sensor that seems to lie, readings like none known. Since is when it was raised or became more "
        "severe; state, health and remaining life are what was predicted then.",
        rows(text),
        [
            PUMP,
            Column("condition", "About", width=105, mappings=condition_names()),
            Column("Time", "Since", unit="dateTimeFromNow", width=118),
            *PREDICTED,
        ],
        width=12,
        height=10,
        sort=("Since", True),
        hidden=["a", "severity"],
        empty="No alarm stands",
    )


def _doubtful() -> table.Panel:
    text = (
        'SELECT "novelty", "sensor", "sensor_sure", "provisional", "state", "health" '
        f'FROM ({LATEST_DOUBTS}) WHERE ({NOVEL}) OR "sensor" =~ /./ OR "provisional" = 1 GROUP BY device_id'
    )
    return listing(
        "Doubtful",
        "Pumps whose latest prediction in the shown range deserves less trust: told HEALTHY, while the reading is like "
        "none of a healthy pump (novelty above 1); a sensor seems to lie; or too little is known of the pump yet.",
        rows(text),
        [
            PUMP,
            NOVELTY,
            SENSOR,
            Column("sensor_sure", "Its probability", unit="percentunit", width=110, decimals=0),
            NOT_KNOWN,
            STATE,
        ],
        width=12,
        height=10,
        sort=("Novelty", True),
        hidden=["Time", "health"],
        empty="Nothing is doubtful",
    )
