"""Evidently's page on drift: every channel and prediction in both methods, with their distributions."""

import warnings
from typing import Any, Final

import numpy as np
import pandas as pd

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.core.drift import (
    CHANNEL_THRESHOLD,
    DRIFTED_SHARE,
    KS_THRESHOLD,
    METHOD,
    PREDICTED_STATE,
    STATE_MIX_METHOD,
    STATE_MIX_THRESHOLD,
    DriftJudgement,
    distances,
    healthy_rows,
    running,
)

KS_STATISTIC: Final = "ks_statistic"


def drift_page(reference: pd.DataFrame, current: pd.DataFrame, judged: DriftJudgement) -> str:
    """Evidently's page on what `judge_drift` compared, self-contained HTML."""
    return str(snapshot(reference, current, judged).get_html_str(as_iframe=False))


def snapshot(reference: pd.DataFrame, current: pd.DataFrame, judged: DriftJudgement) -> Any:
    """An Evidently snapshot of the columns that could be compared. Imported late: it takes seconds."""
    columns = [one.channel for one in (*judged.channels, *judged.predictions) if one.score is not None]
    numbers = [name for name in columns if name != PREDICTED_STATE]
    reference, current = reference[running(reference, reference)], current[running(current, reference)]
    compared = current[columns].copy()
    # Evidently passes over missing values, column by column
    compared.loc[~healthy_rows(current), [name for name in CHANNEL_NAMES if name in numbers]] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.metrics import ValueDrift
        from evidently.presets import DataDriftPreset

        _teach_ks_statistic()
        definition = DataDefinition(
            numerical_columns=numbers, categorical_columns=[name for name in columns if name not in numbers]
        )
        preset = DataDriftPreset(
            columns=columns,
            num_method=METHOD,
            num_threshold=CHANNEL_THRESHOLD,
            cat_method=STATE_MIX_METHOD,
            cat_threshold=STATE_MIX_THRESHOLD,
            drift_share=DRIFTED_SHARE,
        )
        by_ks = [ValueDrift(column=name, method=KS_STATISTIC, threshold=KS_THRESHOLD) for name in numbers]
        return Report([preset, *by_ks], include_tests=False).run(
            Dataset.from_pandas(compared, data_definition=definition),
            Dataset.from_pandas(reference[columns], data_definition=definition),
        )


def _teach_ks_statistic() -> None:
    """Evidently's own `ks` gives the p-value, which shrinks with the number of readings; this gives the statistic."""
    from evidently.legacy.calculations.stattests.registry import StatTest, register_stattest
    from evidently.legacy.core import ColumnType

    def judged(reference: pd.Series, current: pd.Series, _kind: ColumnType, threshold: float) -> tuple[float, bool]:
        _, ks = distances(reference.to_numpy(np.float64), current.to_numpy(np.float64))
        return ks, ks >= threshold

    test = StatTest(
        name=KS_STATISTIC,
        display_name="Kolmogorov-Smirnov statistic",
        allowed_feature_types=[ColumnType.Numerical],
        default_threshold=KS_THRESHOLD,
    )
    register_stattest(test, judged)
