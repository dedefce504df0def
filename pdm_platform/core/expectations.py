"""What is expected of readings before a model may learn from them: every rule of the gate, with its limits."""

import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from pdm_platform.contract.channels import CHANNEL_NAMES, CHANNELS
from pdm_platform.contract.measurements import DEVICE, PUMP_LABELS, TIME
from pdm_platform.contract.states import STATES

LABEL: Final = "ground_truth"
REMAINING: Final = "rul_hours"
SENSOR_FAULT: Final = "sensor_fault"
MAINTENANCE: Final = "last_maintenance"
# Columns added for the judgement: distances are compared with a limit more readably than nanoseconds are.
STEP_S: Final = "seconds_since_previous"
REMAINING_RISE: Final = "rise_of_rul_hours"
AGE_HOURS: Final = "hours_before_window_end"
ONLY_LABEL: Final = "only_label"
_MAX_RISE_HOURS: Final = 0.01  # half a minute: clocks jitter, the shortest life lasts two minutes

_TABLE = "(table)"
_BETWEEN = "ExpectColumnValuesToBeBetween"
_NOT_NULL = "ExpectColumnValuesToNotBeNull"
_NULL = "ExpectColumnValuesToBeNull"
_ROW_COUNT = "ExpectTableRowCountToBeBetween"


@dataclass(frozen=True, slots=True)
class ValidationLimits:
    """How much is tolerated.

    max_null_share: nulls per channel, as a share of the rows at which no sensor is labelled to lie.
    max_fault_share: rows at which a sensor is labelled to lie, as a share of all rows.
    min_rows_per_state: below that, a state can neither be learned nor be judged.
    min_lives: pumps; half of them teach, the others judge.
    max_age_hours: from the newest reading to the window's end; the default leaves room for a weekend.
    """

    max_null_share: float = 0.02
    max_fault_share: float = 0.5
    min_rows_per_state: int = 100
    min_lives: int = 4
    max_age_hours: float = 72.0


class Kind(Enum):
    """How the results of several parts become one.

    SCHEMA: each must be right. VALUES: rows are counted, and those that fail. TOTAL: a number for each, to be summed.
    LEAST: a number for each, of which the least counts.
    """

    SCHEMA = "schema"
    VALUES = "values"
    TOTAL = "total"
    LEAST = "least"


@dataclass(frozen=True, slots=True)
class Rule:
    """An expectation to be: the class's name in Great Expectations, and its arguments.

    sound: it holds for the rows at which no sensor is labelled to lie, as what a lying sensor gives is no reading.
    """

    name: str
    column: str
    expected: str
    expectation: str
    arguments: dict[str, Any]
    kind: Kind = Kind.VALUES
    sound: bool = False

    @property
    def expectation_type(self) -> str:
        """The expectation's name as Great Expectations writes it in results."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", self.expectation).lower()

    def allows(self, value: float) -> bool:
        """Whether a TOTAL or a LEAST lies within the bounds."""
        least, most = self.arguments.get("min_value", -math.inf), self.arguments.get("max_value", math.inf)
        return bool(least <= value <= most)

    def tolerates(self, unexpected: int, rows: int) -> bool:
        """Whether so many unexpected VALUES in so many rows may be."""
        return unexpected == 0 or (rows - unexpected) / rows >= self.arguments.get("mostly", 1.0)


def rules(limits: ValidationLimits) -> list[Rule]:
    """All rules, in the order in which they are told."""
    return [*_table_rules(), *_channel_rules(limits), *_label_rules(limits), *_life_rules(limits)]


def _table_rules() -> list[Rule]:
    columns = [*sorted(PUMP_LABELS.schema.names), AGE_HOURS, STEP_S, REMAINING_RISE]
    expected = f"the columns of {PUMP_LABELS.name}"
    match = {"column_set": columns, "exact_match": False}
    return [
        Rule("schema", _TABLE, expected, "ExpectTableColumnsToMatchSet", match, Kind.SCHEMA),
        Rule("rows_present", _TABLE, ">= 1 row", _ROW_COUNT, {"min_value": 1}, Kind.TOTAL),
    ]


def _channel_rules(limits: ValidationLimits) -> list[Rule]:
    ranges = [
        Rule(
            f"range_{channel.name}",
            channel.name,
            f"{channel.plausible_min:g} to {channel.plausible_max:g} {channel.unit}",
            _BETWEEN,
            {"column": channel.name, "min_value": channel.plausible_min, "max_value": channel.plausible_max},
            sound=True,
        )
        for channel in CHANNELS
    ]
    expected = f"<= {limits.max_null_share:.0%} nulls"
    nulls = [
        Rule(
            f"nulls_{name}",
            name,
            expected,
            _NOT_NULL,
            {"column": name, "mostly": 1 - limits.max_null_share},
            sound=True,
        )
        for name in CHANNEL_NAMES
    ]
    # What a sensor gives that is labelled to lie is no bad data: models are to learn it. Were it most of the history,
    # the rules above would hold for next to nothing.
    expected = f"<= {limits.max_fault_share:.0%} of the rows with a sensor that lies"
    few = {"column": SENSOR_FAULT, "mostly": 1 - limits.max_fault_share}
    return [*ranges, *nulls, Rule("sensor_faults", SENSOR_FAULT, expected, _NULL, few)]


def _label_rules(limits: ValidationLimits) -> list[Rule]:
    states = [state.value for state in STATES]
    known = {"column": LABEL, "value_set": states}
    return [
        Rule("labels_present", LABEL, "no nulls", _NOT_NULL, {"column": LABEL}),
        Rule("health_present", "health_percent", "no nulls", _NOT_NULL, {"column": "health_percent"}),
        Rule("labels_known", LABEL, f"one of {', '.join(states)}", "ExpectColumnValuesToBeInSet", known),
        *(
            Rule(
                f"rows_{state.lower()}",
                LABEL,
                f">= {limits.min_rows_per_state} rows {state}",
                _ROW_COUNT,
                {"min_value": limits.min_rows_per_state, ONLY_LABEL: state},
                Kind.TOTAL,
            )
            for state in states
        ),
    ]


def _life_rules(limits: ValidationLimits) -> list[Rule]:
    age = {"column": AGE_HOURS, "min_value": 0, "max_value": limits.max_age_hours}
    later = {"column": STEP_S, "min_value": 0, "strict_min": True}
    lives = {"column": DEVICE, "min_value": limits.min_lives}
    newest = f"newest row 0 to {limits.max_age_hours:g} h before the window's end"
    # Remaining life that grows again is another pump under the same name: its healthy baseline would be wrong.
    one_life = f"no rise above {_MAX_RISE_HOURS:g} h within a device but by maintenance (one life per device id)"
    rise = {"column": REMAINING_RISE, "max_value": _MAX_RISE_HOURS}
    distinct = "ExpectColumnUniqueValueCountToBeBetween"
    return [
        Rule("time_rises", TIME, "> 0 s after the device's previous row", _BETWEEN, later),
        Rule("one_life_per_device", REMAINING, one_life, _BETWEEN, rise),
        Rule("fresh", TIME, newest, "ExpectColumnMinToBeBetween", age, Kind.LEAST),
        # parts hold whole devices, so that no device counts twice
        Rule("lives", DEVICE, f">= {limits.min_lives} devices", distinct, lives, Kind.TOTAL),
    ]
