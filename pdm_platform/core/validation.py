"""What training may see: the gate between the store and the features, judged by Great Expectations."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from pdm_platform.contract.channels import CHANNEL_NAMES, CHANNELS
from pdm_platform.contract.measurements import DEVICE, PUMP_LABELS, TIME, Window
from pdm_platform.contract.states import STATES
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S, iso_of
from pdm_platform.core.findings import Finding

_LABEL = "ground_truth"
_REMAINING = "rul_hours"
# Columns added for the judgement: distances are compared with a limit more readably than nanoseconds are.
_STEP_S = "seconds_since_previous"
_REMAINING_RISE = "rise_of_rul_hours"
_AGE_HOURS = "hours_before_window_end"
_MAX_RISE_HOURS = 0.01  # half a minute: clocks jitter, the shortest life lasts two minutes
_EXAMPLES = 3

_TABLE = "(table)"
_BETWEEN = "ExpectColumnValuesToBeBetween"
_NOT_NULL = "ExpectColumnValuesToNotBeNull"
_ROW_COUNT = "ExpectTableRowCountToBeBetween"
_ONLY_LABEL = "only_label"


@dataclass(frozen=True, slots=True)
class ValidationLimits:
    """How much is tolerated.

    max_null_share: nulls per channel, as a share of the rows.
    min_rows_per_state: below that, a state can neither be learned nor be judged.
    min_lives: pumps; half of them teach, the others judge.
    max_age_hours: from the newest reading to the window's end; the default leaves room for a weekend.
    """

    max_null_share: float = 0.02
    min_rows_per_state: int = 100
    min_lives: int = 4
    max_age_hours: float = 72.0


@dataclass(frozen=True, slots=True)
class _Rule:
    """An expectation to be: the class's name in Great Expectations, and its arguments."""

    name: str
    column: str
    expected: str
    expectation: str
    arguments: dict[str, Any]


def validate(frame: pd.DataFrame, *, window: Window, limits: ValidationLimits | None = None) -> list[Finding]:
    """Judge labelled readings, a frame with PUMP_LABELS' columns as the store orders them (device, then time).

    Returns one finding for each of FINDING_NAMES, in that order. What cannot be checked, because a column or all
    rows are missing, has failed.
    """
    rules = _rules(limits or ValidationLimits())
    results = _run(rules, _with_distances(frame, window))
    return [_finding(rule, results[rule.name], empty=frame.empty) for rule in rules]


def _with_distances(frame: pd.DataFrame, window: Window) -> pd.DataFrame:
    frame = frame.reset_index(drop=True)
    added: dict[str, pd.Series[Any]] = {}
    if TIME in frame:
        added[_AGE_HOURS] = (window.end_ns - frame[TIME]) / NS_PER_HOUR
    if DEVICE in frame and TIME in frame:
        added[_STEP_S] = frame.groupby(DEVICE, sort=False)[TIME].diff() / NS_PER_S
    if DEVICE in frame and _REMAINING in frame:
        added[_REMAINING_RISE] = frame.groupby(DEVICE, sort=False)[_REMAINING].diff()
    return frame.assign(**added)


def _rules(limits: ValidationLimits) -> list[_Rule]:
    return [*_table_rules(), *_channel_rules(limits), *_label_rules(limits), *_life_rules(limits)]


def _table_rules() -> list[_Rule]:
    columns = [*sorted(PUMP_LABELS.schema.names), _AGE_HOURS, _STEP_S, _REMAINING_RISE]
    expected = f"the columns of {PUMP_LABELS.name}"
    match = {"column_set": columns, "exact_match": False}
    return [
        _Rule("schema", _TABLE, expected, "ExpectTableColumnsToMatchSet", match),
        _Rule("rows_present", _TABLE, ">= 1 row", _ROW_COUNT, {"min_value": 1}),
    ]


def _channel_rules(limits: ValidationLimits) -> list[_Rule]:
    ranges = [
        _Rule(
            f"range_{channel.name}",
            channel.name,
            f"{channel.plausible_min:g} to {channel.plausible_max:g} {channel.unit}",
            _BETWEEN,
            {"column": channel.name, "min_value": channel.plausible_min, "max_value": channel.plausible_max},
        )
        for channel in CHANNELS
    ]
    expected = f"<= {limits.max_null_share:.0%} nulls"
    nulls = [
        _Rule(f"nulls_{name}", name, expected, _NOT_NULL, {"column": name, "mostly": 1 - limits.max_null_share})
        for name in CHANNEL_NAMES
    ]
    return [*ranges, *nulls]


def _label_rules(limits: ValidationLimits) -> list[_Rule]:
    states = [state.value for state in STATES]
    known = {"column": _LABEL, "value_set": states}
    return [
        _Rule("labels_present", _LABEL, "no nulls", _NOT_NULL, {"column": _LABEL}),
        _Rule("health_present", "health_percent", "no nulls", _NOT_NULL, {"column": "health_percent"}),
        _Rule("labels_known", _LABEL, f"one of {', '.join(states)}", "ExpectColumnValuesToBeInSet", known),
        *(
            _Rule(
                f"rows_{state.lower()}",
                _LABEL,
                f">= {limits.min_rows_per_state} rows {state}",
                _ROW_COUNT,
                {"min_value": limits.min_rows_per_state, _ONLY_LABEL: state},
            )
            for state in states
        ),
    ]


def _life_rules(limits: ValidationLimits) -> list[_Rule]:
    age = {"column": _AGE_HOURS, "min_value": 0, "max_value": limits.max_age_hours}
    later = {"column": _STEP_S, "min_value": 0, "strict_min": True}
    lives = {"column": DEVICE, "min_value": limits.min_lives}
    newest = f"newest row 0 to {limits.max_age_hours:g} h before the window's end"
    # Remaining life that grows again is another pump under the same name: its healthy baseline would be wrong.
    one_life = f"no rise above {_MAX_RISE_HOURS:g} h within a device (one life per device id)"
    rise = {"column": _REMAINING_RISE, "max_value": _MAX_RISE_HOURS}
    return [
        _Rule("time_rises", TIME, "> 0 s after the device's previous row", _BETWEEN, later),
        _Rule("one_life_per_device", _REMAINING, one_life, _BETWEEN, rise),
        _Rule("fresh", TIME, newest, "ExpectColumnMinToBeBetween", age),
        _Rule("lives", DEVICE, f">= {limits.min_lives} devices", "ExpectColumnUniqueValueCountToBeBetween", lives),
    ]


def _great_expectations() -> Any:
    """Great Expectations, imported late: it takes seconds, and only this gate needs it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations
        import great_expectations.expectations
    return great_expectations


def _expectation(rule: _Rule) -> Any:
    from great_expectations.expectations.row_conditions import Column

    arguments = dict(rule.arguments)
    if label := arguments.pop(_ONLY_LABEL, None):
        arguments["row_condition"] = Column(_LABEL) == label
    return getattr(_great_expectations().expectations, rule.expectation)(meta={"name": rule.name}, **arguments)


def _run(rules: Sequence[_Rule], frame: pd.DataFrame) -> dict[str, Any]:
    gx = _great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    batch = context.data_sources.add_pandas("readings").add_dataframe_asset("labels")
    definition = gx.ValidationDefinition(
        name="gate",
        data=batch.add_batch_definition_whole_dataframe("window"),
        suite=context.suites.add(gx.ExpectationSuite(name="gate", expectations=[_expectation(rule) for rule in rules])),
    )
    outcome = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": frame},
        result_format={
            "result_format": "SUMMARY",
            "unexpected_index_column_names": [name for name in (DEVICE, TIME) if name in frame],
            "partial_unexpected_count": _EXAMPLES,
        },
    )
    return {result.expectation_config.meta["name"]: result for result in outcome.results}


def _finding(rule: _Rule, result: Any, *, empty: bool) -> Finding:
    details = dict(result.result)
    examples = details.get("partial_unexpected_index_list") or ()
    return Finding(
        name=rule.name,
        # an expectation on values holds for no values; that must not open the gate
        passed=bool(result.success) and not (empty and rule.name != "schema"),
        expectation=result.expectation_config.type,
        column=rule.column,
        observed="no rows" if empty and rule.name != "schema" else _observed(result, details),
        expected=rule.expected,
        unexpected_count=int(details.get("unexpected_count") or 0),
        examples=tuple(_example(example) for example in examples[:_EXAMPLES]),
    )


def _example(row: dict[str, Any]) -> dict[str, Any]:
    plain = {name: value.item() if hasattr(value, "item") else value for name, value in row.items()}
    if TIME in plain:
        plain["time"] = iso_of(plain.pop(TIME))
    return plain


def _observed(result: Any, details: dict[str, Any]) -> str:
    if "unexpected_count" in details and "element_count" in details:
        return f"{details['unexpected_count']} of {details['element_count']} rows unexpected"
    if mismatched := (details.get("details") or {}).get("mismatched"):
        return f"missing columns: {', '.join(mismatched.get('missing', ()))}"
    value = details.get("observed_value")
    if value is not None:
        return (
            f"{value:.6g}"
            if isinstance(value, float)
            else f"{len(value)} columns"
            if isinstance(value, list)
            else str(value)
        )
    return f"could not be checked: {_reason(result.exception_info)}"


def _reason(exception_info: Any) -> str:
    """The message of an expectation that could not run; Great Expectations nests it by metric."""
    infos = [exception_info] if "exception_message" in exception_info else list(exception_info.values())
    messages = [str(info.get("exception_message")) for info in infos if info.get("exception_message")]
    return messages[0].splitlines()[0][:200] if messages else "no value was observed"


FINDING_NAMES = tuple(rule.name for rule in _rules(ValidationLimits()))
