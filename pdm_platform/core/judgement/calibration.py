"""Whether a probability means what it says: of all readings told at 80 %, are 80 % so?"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pdm_platform.contract.states import STATES
from pdm_platform.core.judgement.verdicts import FAULTY, BoolArray, FloatArray, Verdicts
from pdm_platform.core.judgement.weights import life_weights

_BINS: Final = 10


@dataclass(frozen=True, slots=True)
class Bin:
    """Probabilities from low to high: their mean, how often it was so, and which share of all lies here."""

    low: float
    high: float
    told: float
    happened: float
    share: float


@dataclass(frozen=True, slots=True)
class Reliability:
    """ece: expected calibration error, the mean gap of the bins by share. Source: Naeini et al. (2015), AAAI."""

    bins: list[Bin]
    ece: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """state, mode: the probability of what was told, against whether it was right. severe: of FAULTY or worse.

    brier: mean squared distance of the four probabilities from what was (Brier 1950): 0 perfect, 2 surely wrong.
    """

    state: Reliability
    severe: Reliability
    mode: Reliability
    brier: float


def calibrate(verdicts: Verdicts) -> Calibration:
    """Each life counts the same."""
    truth, told = verdicts.truth, verdicts.told
    every = life_weights(verdicts.owner)
    probabilities = told.state_probabilities
    was = np.eye(len(STATES))[truth.state_index]
    asked = (told.mode_index >= 0) & (truth.mode_index >= 0)
    best_mode = np.nan_to_num(told.mode_probabilities).max(axis=1)
    return Calibration(
        state=reliability(probabilities.max(axis=1), told.state_index == truth.state_index, every),
        severe=reliability(probabilities[:, FAULTY:].sum(axis=1), truth.state_index >= FAULTY, every),
        mode=reliability(best_mode, told.mode_index == truth.mode_index, life_weights(verdicts.owner, asked)),
        brier=float(np.average(((probabilities - was) ** 2).sum(axis=1), weights=every)),
    )


def reliability(probability: FloatArray, happened: BoolArray, weight: FloatArray) -> Reliability:
    """Ten bins of equal width; empty ones are left out. probability, happened, weight: (n,)."""
    if not weight.sum() > 0.0:
        return Reliability([], float("nan"))
    # a sum of probabilities may reach 1.0000001
    place = np.clip((probability * _BINS).astype(np.int64), 0, _BINS - 1)
    mass, told, was = (
        np.bincount(place, weights=weight * values, minlength=_BINS)
        for values in (np.ones(len(weight)), probability, happened.astype(np.float64))
    )
    bins = [
        Bin(index / _BINS, (index + 1) / _BINS, told[index] / mass[index], was[index] / mass[index], share)
        for index, share in enumerate((mass / mass.sum()).tolist())
        if share > 0.0
    ]
    bins = [Bin(each.low, each.high, float(each.told), float(each.happened), each.share) for each in bins]
    return Reliability(bins, sum(each.share * abs(each.told - each.happened) for each in bins))
