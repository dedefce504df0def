"""What training may see: the gate between the store and the features, judged by Great Expectations part by part."""

import gc
import warnings
from collections.abc import Sequence
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE, TIME, Window
from pdm_platform.contract.times import NS_PER_HOUR, NS_PER_S, iso_of
from pdm_platform.core.expectations import (
    AGE_HOURS,
    LABEL,
    MAINTENANCE,
    ONLY_LABEL,
    REMAINING,
    REMAINING_RISE,
    SENSOR_FAULT,
    STEP_S,
    Rule,
    ValidationLimits,
    rules,
)
from pdm_platform.core.findings import Finding
from pdm_platform.core.observations import EXAMPLES, Observation, PartJudgement, findings_of

FINDING_NAMES: Final = tuple(rule.name for rule in rules(ValidationLimits()))


def validate(frame: pd.DataFrame, *, window: Window, limits: ValidationLimits | None = None) -> list[Finding]:
    """Judge labelled readings that are one part, a frame; see `judge` and `findings_of`."""
    return findings_of([judge_frame(frame, window=window)], limits=limits)


def judge(part: pa.Table, *, window: Window) -> PartJudgement:
    """Look at one part of labelled readings: whole devices, with PUMP_LABELS' columns, by device, then time."""
    return judge_frame(part.to_pandas(), window=window)


def judge_frame(frame: pd.DataFrame, *, window: Window) -> PartJudgement:
    """See `judge`. What cannot be checked, because a column is missing, is told and raises nothing."""
    every_rule = rules(ValidationLimits())
    found = {
        **_run([rule for rule in every_rule if rule.sound], _sound(frame)),
        **_run([rule for rule in every_rule if not rule.sound], _with_distances(frame, window)),
    }
    devices = frame[DEVICE].iloc[[0, -1]].tolist() if DEVICE in frame and len(frame) else ["", ""]
    observations = {name: _observation(result) for name, result in found.items()}
    # Great Expectations' objects know each other in circles, and the frame with them: 25 MB a part stay until Python
    # happens to look for circles, which it does the more seldom the more objects there are.
    del found
    gc.collect()
    return PartJudgement(len(frame), str(devices[0]), str(devices[1]), observations)


def _sound(frame: pd.DataFrame) -> pd.DataFrame:
    """Channels of the rows at which no sensor is labelled to lie."""
    columns = [name for name in (DEVICE, TIME, *CHANNEL_NAMES) if name in frame]
    return frame.loc[frame[SENSOR_FAULT].isna(), columns] if SENSOR_FAULT in frame else frame[columns]


def _with_distances(frame: pd.DataFrame, window: Window) -> pd.DataFrame:
    frame = frame.reset_index(drop=True)
    added: dict[str, pd.Series[Any]] = {}
    if TIME in frame:
        added[AGE_HOURS] = (window.end_ns - frame[TIME]) / NS_PER_HOUR
    if DEVICE in frame and TIME in frame:
        added[STEP_S] = frame.groupby(DEVICE, sort=False)[TIME].diff() / NS_PER_S
    if DEVICE in frame and REMAINING in frame:
        # a clock that lies puts its readings among earlier ones, and with them their shorter remaining life
        truthful = frame[frame[SENSOR_FAULT].isna()] if SENSOR_FAULT in frame else frame
        rise = truthful.groupby(DEVICE, sort=False)[REMAINING].diff()
        added[REMAINING_RISE] = rise.mask(_just_maintained(truthful))
    return frame.assign(**added)


def _just_maintained(frame: pd.DataFrame) -> "pd.Series[bool]":
    """Rows that tell another last maintenance than the row before."""
    if MAINTENANCE not in frame:
        return pd.Series(False, index=frame.index)
    told = frame[MAINTENANCE]
    return told.notna() & (told != told.shift(1)).fillna(True)


def _great_expectations() -> Any:
    """Great Expectations, imported late: it takes seconds, and only this gate needs it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        import great_expectations
        import great_expectations.expectations
    return great_expectations


def _expectation(rule: Rule) -> Any:
    from great_expectations.expectations.row_conditions import Column

    arguments = dict(rule.arguments)
    if label := arguments.pop(ONLY_LABEL, None):
        arguments["row_condition"] = Column(LABEL) == label
    return getattr(_great_expectations().expectations, rule.expectation)(meta={"name": rule.name}, **arguments)


def _run(chosen: Sequence[Rule], frame: pd.DataFrame) -> dict[str, Any]:
    """Great Expectations' result for each rule, by the rule's name."""
    gx = _great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    batch = context.data_sources.add_pandas("readings").add_dataframe_asset("labels")
    definition = gx.ValidationDefinition(
        name="gate",
        data=batch.add_batch_definition_whole_dataframe("window"),
        suite=context.suites.add(
            gx.ExpectationSuite(name="gate", expectations=[_expectation(rule) for rule in chosen])
        ),
    )
    outcome = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": frame},
        result_format={
            "result_format": "SUMMARY",
            "unexpected_index_column_names": [name for name in (DEVICE, TIME) if name in frame],
            "partial_unexpected_count": EXAMPLES,
        },
    )
    return {result.expectation_config.meta["name"]: result for result in outcome.results}


def _observation(result: Any) -> Observation:
    details = dict(result.result)
    if "unexpected_count" in details and "element_count" in details:
        examples = details.get("partial_unexpected_index_list") or ()
        return Observation(
            rows=int(details["element_count"]),
            unexpected=int(details["unexpected_count"]),
            examples=tuple(_example(example) for example in examples[:EXAMPLES]),
        )
    value = details.get("observed_value")
    if value is None:
        return Observation(problem=_reason(result.exception_info))
    mismatched = (details.get("details") or {}).get("mismatched") or {}
    return Observation(
        value=len(value) if isinstance(value, list) else value, missing=tuple(mismatched.get("missing", ()))
    )


def _example(row: dict[str, Any]) -> dict[str, Any]:
    plain = {name: value.item() if hasattr(value, "item") else value for name, value in row.items()}
    if TIME in plain:
        plain["time"] = iso_of(plain.pop(TIME))
    return plain


def _reason(exception_info: Any) -> str:
    """The message of an expectation that could not run; Great Expectations nests it by metric."""
    infos = [exception_info] if "exception_message" in exception_info else list(exception_info.values())
    messages = [str(info.get("exception_message")) for info in infos if info.get("exception_message")]
    return messages[0].splitlines()[0][:200] if messages else "no value was observed"
