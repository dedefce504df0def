"""Has the healthy operation of the fleet moved away from what the model was trained on? Judged by Evidently."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import PdmError
from pdm_platform.contract.times import NS_PER_HOUR

# The first Wasserstein distance over the reference's standard deviation: how far, in standard deviations, readings
# have to be moved on average. Unlike a test's p-value it does not shrink with the number of readings.
METHOD: Final = "wasserstein"
# Measured on 40 simulated fleets of 24 other healthy pumps: at most 0.97 in any channel; with 15 °C more, 6.6 or above.
CHANNEL_THRESHOLD: Final = 1.25
# A channel this far off is another operation even where it is the only one: a heatwave moves little but temperature.
SINGLE_CHANNEL_THRESHOLD: Final = 3.0
DRIFTED_SHARE: Final = 0.5
MIN_ROWS: Final = 100


class DriftError(PdmError):
    """There is too little to compare."""

    code = "PDM-DRIFT-001"


@dataclass(frozen=True, slots=True)
class ChannelDrift:
    """One channel's distance from the reference, in the reference's standard deviations; None where not comparable."""

    channel: str
    score: float | None
    threshold: float
    drifted: bool


@dataclass(frozen=True, slots=True)
class DriftJudgement:
    """All channels and the fleet. `html` is Evidently's page, self-contained."""

    channels: tuple[ChannelDrift, ...]
    share_drifted: float
    largest_score: float
    drifted: bool
    reference_rows: int
    current_rows: int
    html: str

    @property
    def rule(self) -> str:
        """What counts as no drift, in words."""
        return (
            f"below {DRIFTED_SHARE:.0%} of the channels at {CHANNEL_THRESHOLD} or above,"
            f" none at {SINGLE_CHANNEL_THRESHOLD} or above"
        )


def judge_drift(reference: pd.DataFrame, current: pd.DataFrame) -> DriftJudgement:
    """Compare healthy readings with healthy readings, both frames with the eight channels as columns.

    The fleet has drifted where half of the comparable channels are at CHANNEL_THRESHOLD or above, or one at
    SINGLE_CHANNEL_THRESHOLD or above. A channel with fewer than MIN_ROWS values on either side is not compared.
    Raises DriftError where a side has no channel with MIN_ROWS values.
    """
    comparable = [name for name in CHANNEL_NAMES if min(reference[name].count(), current[name].count()) >= MIN_ROWS]
    if not comparable:
        raise DriftError(
            f"drift needs {MIN_ROWS} healthy readings on both sides: the reference has {len(reference)} rows,"
            f" the window {len(current)}",
            hint="Take a longer window, or check that readings and predictions arrive.",
        )
    snapshot = _run(reference[comparable], current[comparable])
    scores = {
        metric["config"]["column"]: float(metric["value"])
        for metric in snapshot.dict()["metrics"]
        if "column" in metric["config"]
    }
    channels = tuple(_channel(name, scores.get(name)) for name in CHANNEL_NAMES)
    share = sum(channel.drifted for channel in channels) / len(comparable)
    largest = max(scores.values())
    return DriftJudgement(
        channels=channels,
        share_drifted=share,
        largest_score=largest,
        drifted=share >= DRIFTED_SHARE or largest >= SINGLE_CHANNEL_THRESHOLD,
        reference_rows=len(reference),
        current_rows=len(current),
        html=snapshot.get_html_str(as_iframe=False),
    )


def _channel(name: str, score: float | None) -> ChannelDrift:
    return ChannelDrift(name, score, CHANNEL_THRESHOLD, score is not None and score >= CHANNEL_THRESHOLD)


def _run(reference: pd.DataFrame, current: pd.DataFrame) -> Any:
    """An Evidently snapshot. Imported late: it takes seconds, and only monitoring needs it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        columns = list(reference.columns)
        definition = DataDefinition(numerical_columns=columns)
        preset = DataDriftPreset(
            columns=columns, num_method=METHOD, num_threshold=CHANNEL_THRESHOLD, drift_share=DRIFTED_SHARE
        )
        return Report([preset], include_tests=False).run(
            Dataset.from_pandas(current, data_definition=definition),
            Dataset.from_pandas(reference, data_definition=definition),
        )


def disjoint(windows: Sequence[tuple[int, int, bool]]) -> list[tuple[int, bool]]:
    """Of windows (start ns, end ns, drifted), those that share less than half with a newer one; (end, drifted), by end.

    Three looks at the same hour are one piece of evidence, not three.
    """
    kept: list[tuple[int, bool]] = []
    newer_start_ns: int | None = None
    for start_ns, end_ns, drifted in sorted(windows, key=lambda window: window[1], reverse=True):
        if newer_start_ns is None or end_ns - newer_start_ns < (end_ns - start_ns) / 2:
            kept.append((end_ns, drifted))
            newer_start_ns = start_ns
    return kept[::-1]


def lasting_drift(windows: Sequence[tuple[int, bool]], *, needed: int = 3) -> bool:
    """Whether the newest `needed` windows have all drifted. windows: (end in ns, drifted), in any order.

    A window judged twice counts once, as it was judged last: a single blip, looked at again and again, is no trend.
    """
    by_end = dict(windows)
    newest = sorted(by_end)[-needed:]
    return len(newest) == needed and all(by_end[end_ns] for end_ns in newest)


def cooled_down(now_ns: int, last_retraining_ns: int | None, *, cool_down_hours: float = 24.0) -> bool:
    """Whether enough time has passed since the last retraining, in hours, for the next one to see new data."""
    return last_retraining_ns is None or now_ns - last_retraining_ns >= cool_down_hours * NS_PER_HOUR
