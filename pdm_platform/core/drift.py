"""Has the operation of the fleet, or what the model says of it, moved away from training? By how much, in two methods.

The distances are those of Evidently, computed here because a page of it takes a second (see `drift_page`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.errors import PdmError
from pdm_platform.contract.measurements import DEVICE
from pdm_platform.contract.states import State

FloatArray = NDArray[np.float64]

# The first Wasserstein distance over the reference's standard deviation: how far, in standard deviations, readings
# have to be moved on average. Unlike a test's p-value it does not shrink with the number of readings.
METHOD: Final = "wasserstein"
# Measured on simulated fleets of healthy pumps with duty, stops and weather of their own, 64 windows each: 1.29 at most
# for fleets of 24, 1.79 for fleets of 8 (with a KS statistic below its threshold).
CHANNEL_THRESHOLD: Final = 1.25
# A channel this far off is another operation even where it is the only one: a heatwave moves little but temperature.
# The warmest hour of a day that goes like a sine is 1.41 deviations off.
SINGLE_CHANNEL_THRESHOLD: Final = 1.75
# The Kolmogorov-Smirnov statistic, the largest gap between the two cumulated shares: what share of the readings has
# moved at least. One pump of many moves the first distance as far as it likes, but not this one. Of 72
# healthy windows 0.42 at most for fleets of 24, 0.69 for fleets of 4.
KS_THRESHOLD: Final = 0.5
SINGLE_CHANNEL_KS: Final = 0.75
DRIFTED_SHARE: Final = 0.5
# The four of vibration are half of the channels, and one quantity.
MIN_QUANTITIES: Final = 2
# Distance of Jensen and Shannon between the mixes of states, 0 to 0.83: 0.3 is about a quarter of the readings.
STATE_MIX_METHOD: Final = "jensenshannon"
STATE_MIX_THRESHOLD: Final = 0.3
MIN_ROWS: Final = 100

PREDICTED_STATE: Final = "predicted_state"
PREDICTED_HEALTH: Final = "predicted_health_percent"
PREDICTED_NOVELTY: Final = "predicted_novelty"
PREDICTED_SENSOR_FAULT: Final = "predicted_sensor_fault"
PREDICTED_NUMBERS: Final = (PREDICTED_HEALTH, PREDICTED_NOVELTY)


class DriftError(PdmError):
    """There is too little to compare."""

    code = "PDM-DRIFT-001"


@dataclass(frozen=True, slots=True)
class ChannelDrift:
    """One channel's, or prediction's, distance from the reference; None where it cannot be compared.

    score: by `method`, for numbers in the reference's standard deviations. ks: Kolmogorov-Smirnov statistic, 0 to 1.
    drifted: both have reached their threshold, and it is not vibration that fell; a mix of states has only the score.
    """

    channel: str
    score: float | None
    threshold: float
    drifted: bool
    method: str = METHOD
    ks: float | None = None
    ks_threshold: float | None = KS_THRESHOLD


@dataclass(frozen=True, slots=True)
class DriftJudgement:
    """All channels, the predictions (as far as the reference has them) and the fleet.

    drifted: its operation, judged by the channels alone.
    """

    channels: tuple[ChannelDrift, ...]
    predictions: tuple[ChannelDrift, ...]
    share_drifted: float
    largest_score: float
    drifted: bool
    reference_rows: int
    current_rows: int

    @property
    def predictions_drifted(self) -> bool:
        """Whether anything that the model says has moved."""
        return any(one.drifted for one in self.predictions)

    @property
    def rule(self) -> str:
        """What counts as no drift, in words."""
        return (
            f"below {DRIFTED_SHARE:.0%} of the channels, or one quantity alone, at {CHANNEL_THRESHOLD}"
            f" (KS {KS_THRESHOLD}) or above, none at {SINGLE_CHANNEL_THRESHOLD} (KS {SINGLE_CHANNEL_KS}) or above"
        )


def judge_drift(reference: pd.DataFrame, current: pd.DataFrame) -> DriftJudgement:
    """Compare readings of healthy operation with those of training; both frames have the eight channels as columns.

    current: live readings, with the columns `predicted_*` of their predictions where there are any. Channels are
    compared over `healthy_rows`, predictions over all readings, both of pumps that run. The fleet has drifted where
    half of the comparable channels have, and MIN_QUANTITIES, or one is at SINGLE_CHANNEL_THRESHOLD and
    SINGLE_CHANNEL_KS or above. A channel with fewer than MIN_ROWS values on either side is not compared. Raises
    DriftError where a side has no channel with MIN_ROWS values.
    """
    reference, current = reference[running(reference, reference)], current[running(current, reference)]
    healthy = current[healthy_rows(current)]
    channels = tuple(_numbers(name, reference, healthy) for name in CHANNEL_NAMES)
    known = [one for one in channels if one.score is not None]
    if not known:
        raise DriftError(
            f"drift needs {MIN_ROWS} healthy readings on both sides: the reference has {len(reference)} rows,"
            f" the window {len(healthy)}",
            hint="Take a longer window, or check that readings and predictions arrive.",
        )
    share = sum(one.drifted for one in known) / len(known)
    numbers = [_numbers(name, reference, current) for name in PREDICTED_NUMBERS]
    return DriftJudgement(
        channels=channels,
        predictions=(*numbers, _mix(PREDICTED_STATE, reference, current)),
        share_drifted=share,
        largest_score=max(one.score or 0.0 for one in known),
        drifted=any(_far(one) for one in known) or (share >= DRIFTED_SHARE and _quantities(known) >= MIN_QUANTITIES),
        reference_rows=len(reference),
        current_rows=len(healthy),
    )


def running(readings: pd.DataFrame, reference: pd.DataFrame) -> NDArray[np.bool_]:
    """Which readings are of a pump that runs, shape (n,): how long pumps stand still is no question of drift.

    Speed or current is at least half of the reference's median: one sensor at 0 does not make a pump stand still.
    """
    found = np.zeros(len(readings), np.bool_)
    for name in ("rpm", "current"):
        half = float(reference[name].median()) / 2.0
        found |= ~(readings[name].to_numpy(np.float64) < half)  # not below half: a missing value is no standstill
    return found


def healthy_rows(current: pd.DataFrame) -> NDArray[np.bool_]:
    """Which readings are compared, shape (n,): those predicted HEALTHY, so that a few worn pumps are no drift.

    All of them where the model calls most pumps worn: so many do not wear at once, and a drift that makes the model
    call them worn must not hide itself.
    """
    if PREDICTED_STATE not in current:
        return np.ones(len(current), np.bool_)
    healthy = (current[PREDICTED_STATE] == State.HEALTHY.value).to_numpy(np.bool_)
    pumps = current[DEVICE] if DEVICE in current else pd.Series("", index=current.index)
    by_pump = pd.Series(healthy, index=current.index).groupby(pumps.to_numpy()).mean()
    return healthy if (by_pump >= 0.5).mean() >= 0.5 else np.ones(len(current), np.bool_)


def distances(reference: FloatArray, current: FloatArray) -> tuple[float, float]:
    """Wasserstein distance over the reference's standard deviation, and Kolmogorov-Smirnov statistic, of two samples.

    The floor of the deviation is Evidently's: a constant has none.
    """
    reference, current = np.sort(reference), np.sort(current)
    places = np.sort(np.concatenate([reference, current]))
    gap = np.abs(
        np.searchsorted(reference, places, "right") / len(reference)
        - np.searchsorted(current, places, "right") / len(current)
    )
    moved = float((gap[:-1] * np.diff(places)).sum())
    return moved / max(float(np.std(reference)), 0.001), float(gap.max())


def state_mix_distance(reference: pd.Series, current: pd.Series) -> float:
    """Distance of Jensen and Shannon (natural logarithm) between two mixes of words."""
    words = sorted({*reference.unique(), *current.unique()})
    mixes = [
        side.value_counts(normalize=True).reindex(words, fill_value=0.0).to_numpy() for side in (reference, current)
    ]
    middle = (mixes[0] + mixes[1]) / 2.0
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = [np.where(mix > 0.0, mix * np.log(mix / middle), 0.0).sum() for mix in mixes]
    return float(np.sqrt(max(sum(terms) / 2.0, 0.0)))


def _far(one: ChannelDrift) -> bool:
    return one.drifted and (one.score or 0.0) >= SINGLE_CHANNEL_THRESHOLD and (one.ks or 0.0) >= SINGLE_CHANNEL_KS


def _quantities(known: Sequence[ChannelDrift]) -> int:
    """How many physical quantities have drifted."""
    return len({one.channel.split("_")[0] for one in known if one.drifted})


def _numbers(name: str, reference: pd.DataFrame, current: pd.DataFrame) -> ChannelDrift:
    sides = _sides(name, reference, current)
    if sides is None:
        return ChannelDrift(name, None, CHANNEL_THRESHOLD, drifted=False)
    score, ks = distances(sides[0].to_numpy(np.float64), sides[1].to_numpy(np.float64))
    drifted = score >= CHANNEL_THRESHOLD and ks >= KS_THRESHOLD
    # a fleet of newer pumps, which vibrate less than those of training, has not drifted
    calmer = name.startswith("vibration_") and sides[1].median() <= sides[0].median()
    return ChannelDrift(name, score, CHANNEL_THRESHOLD, bool(drifted and not calmer), ks=ks)


def _mix(name: str, reference: pd.DataFrame, current: pd.DataFrame) -> ChannelDrift:
    sides = _sides(name, reference, current)
    score = None if sides is None else state_mix_distance(*sides)
    drifted = score is not None and score >= STATE_MIX_THRESHOLD
    return ChannelDrift(name, score, STATE_MIX_THRESHOLD, drifted, STATE_MIX_METHOD, None, None)


def _sides(name: str, reference: pd.DataFrame, current: pd.DataFrame) -> tuple[pd.Series, pd.Series] | None:
    """The known values of both sides; None where either has too few."""
    if name not in reference or name not in current:
        return None
    sides = (reference[name].dropna(), current[name].dropna())
    return sides if min(len(sides[0]), len(sides[1])) >= MIN_ROWS else None
