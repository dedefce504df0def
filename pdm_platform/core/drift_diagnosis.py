"""Why a fleet runs elsewhere than in training: its operation, the season, other pumps, a lying sensor, or wear."""

from typing import Final

import numpy as np
import pandas as pd

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.states import HEALTHY_ABOVE_PERCENT
from pdm_platform.core.drift import DriftJudgement, FloatArray
from pdm_platform.core.drift_evidence import CANDIDATES, Case, Cause, Diagnosis
from pdm_platform.core.drift_levels import MIN_PUMPS, STATED, VIBRATION_PER_SPEED2, Shifts, medians
from pdm_platform.core.drift_norm import Norm
from pdm_platform.core.drift_pumps import RELATION_MOVED, TEMPERATURE, PumpKind, PumpVerdict, judge_pumps

# A fleet with as many pumps that the model has never seen is no longer the fleet it was trained for.
NEW_TYPE_SHARE: Final = 0.1
# The median pump's squared distance (Mahalanobis) from training at which the fleet as a whole is elsewhere, though no
# channel need be far. Load and weather that swing together like sines over a day take it to 2 at their turning points.
# Measured on healthy simulated fleets, 64 windows each: 2.1 at most for 24 pumps (limit 3.5), 4.2 for 8 (4.6), 3.1
# for 4 (6.2). A system with half or twice the resistance gave 24 pumps 3.4 to 17.
_FLEET_LIMIT: Final = 3.0
# On top, divided by the number of pumps, what chance alone gives the median of so many: 8 channels times pi / 2.
_FLEET_CHANCE: Final = 12.6
_VIBRATION: Final = np.array([name.startswith("vibration_") for name in CHANNEL_NAMES])
# Worn pumps are worn unequally: the quartiles of their vibration lie this share of its median apart.
_UNEQUAL: Final = 0.4


def diagnose(judged: DriftJudgement, norm: Norm, levels: pd.DataFrame, first: pd.DataFrame) -> Diagnosis:
    """Say why, from the judgement, the pumps' levels in the window and their first known levels (may be empty).

    What moved the fleet as a whole comes first; then pumps of a new type, lying sensors, worn pumps.
    """
    if not len(levels):
        return Diagnosis(Cause.UNDETERMINED if judged.drifted else Cause.NONE, judged.drifted, ())
    shifts = Shifts.of(norm, levels, first)
    pumps = judge_pumps(norm, levels, shifts)
    case = Case(judged, norm, levels, shifts, pumps, _level_sd(norm, shifts, pumps))
    fleet = _fleet_cause(case)
    candidates = tuple(CANDIDATES[cause](case, fleet) for cause in CANDIDATES)
    found = [one.cause for one in candidates if one.found]
    new_share = len(case.of_kind(PumpKind.NEW_TYPE)) / len(levels)
    cause = fleet if fleet is not Cause.NONE else found[0] if found else Cause.NONE
    if cause is Cause.WEAR and fleet is Cause.NONE and len(case.of_kind(PumpKind.WEAR)) > len(levels) / 2:
        cause = Cause.UNDETERMINED  # so many do not wear at once while their channels are as in training
    drifted = judged.drifted or fleet is not Cause.NONE or new_share >= NEW_TYPE_SHARE
    return Diagnosis(cause, drifted, candidates)


def _level_sd(norm: Norm, shifts: Shifts, pumps: list[PumpVerdict]) -> FloatArray:
    """The median pump's distance from training, (8,); of those with nothing of their own, where these are the most.

    Vibration below training's counts as none: a fleet that is newer than the pumps of training has not drifted.
    """
    plain = np.array([pump.kind in (PumpKind.NORMAL, PumpKind.OTHER_DUTY) for pump in pumps])
    taken = shifts.from_training[plain] if plain.mean() >= 0.5 else shifts.from_training
    level_sd = medians(taken) / norm.among.scale
    return np.where(_VIBRATION, np.maximum(level_sd, 0.0), level_sd)


def _fleet_cause(case: Case) -> Cause:
    shifts, moved, pumps = case.shifts, case.moved, len(case.levels)
    elsewhere = pumps >= MIN_PUMPS and case.fleet_distance2 >= _FLEET_LIMIT + _FLEET_CHANCE / pumps
    if not case.judged.drifted and not elsewhere:
        return Cause.NONE
    if pumps < MIN_PUMPS or not moved:
        return Cause.UNDETERMINED
    if _mostly_worn(case):
        return Cause.WEAR
    if moved == [TEMPERATURE]:
        return Cause.SEASON
    new = np.array([pump.kind is PumpKind.NEW_TYPE for pump in case.pumps])
    if (new & shifts.newcomer).mean() >= 0.5 or shifts.newcomer.mean() >= 0.5:
        return Cause.NEW_PUMP_TYPE
    if case.since_seen:
        return Cause.REGIME_CHANGE
    broken = np.abs(case.tied_sd).max() >= RELATION_MOVED
    return Cause.NEW_PUMP_TYPE if broken else Cause.REGIME_CHANGE


def _mostly_worn(case: Case) -> bool:
    """Most pumps vibrate more for their speed, each by another factor, and are called worn where they are called."""
    vibration = case.shifts.tied[:, VIBRATION_PER_SPEED2]
    low, middle, high = np.nanquantile(vibration, (0.25, 0.5, 0.75))
    stated = case.levels[STATED].median()
    return bool(middle >= RELATION_MOVED and high - low >= _UNEQUAL * middle and not stated > HEALTHY_ABOVE_PERCENT)
