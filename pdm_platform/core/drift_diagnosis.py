"""Why a fleet runs elsewhere than in training: its operation, the season, other pumps, a lying sensor, or wear."""

from typing import Final

import numpy as np
import pandas as pd

from pdm_platform.contract.states import HEALTHY_ABOVE_PERCENT
from pdm_platform.core.drift import DriftJudgement
from pdm_platform.core.drift_evidence import CANDIDATES, Case, Cause, Diagnosis
from pdm_platform.core.drift_levels import MIN_PUMPS, STATED, VIBRATION_PER_SPEED2, Shifts
from pdm_platform.core.drift_norm import Norm
from pdm_platform.core.drift_pumps import RELATION_MOVED, TEMPERATURE, PumpKind, judge_pumps

# A fleet with as many pumps that the model has never seen is no longer the fleet it was trained for.
NEW_TYPE_SHARE: Final = 0.1
# Warmer or colder than the load explains, in deviations of training: the warmest hour of a day that goes like a sine
# lies 1.41 from its mean. 30 healthy fleets of 8 to 24 simulated pumps stayed below 0.89; 8 °C more gives 1.6 or above.
_SEASON_SD: Final = 1.45
# Below so many pumps the median pump's own place weighs too much for that.
_SEASON_PUMPS: Final = 8
# Worn pumps are worn unequally: the quartiles of their vibration lie this share of its median apart.
_UNEQUAL: Final = 0.4


def diagnose(judged: DriftJudgement, norm: Norm, levels: pd.DataFrame, first: pd.DataFrame) -> Diagnosis:
    """Say why, from the judgement, the pumps' levels in the window and their first known levels (may be empty).

    What moved the fleet as a whole comes first; then pumps of a new type, lying sensors, worn pumps.
    """
    if not len(levels):
        return Diagnosis(Cause.UNDETERMINED if judged.drifted else Cause.NONE, judged.drifted, ())
    shifts = Shifts.of(norm, levels, first)
    level_sd = np.nan_to_num(np.nanmedian(shifts.from_training, axis=0)) / norm.among.scale
    beyond_sd = float(np.median(norm.among.beyond(shifts.from_training, TEMPERATURE)))
    case = Case(judged, norm, levels, shifts, judge_pumps(norm, levels, shifts), level_sd, beyond_sd)
    fleet = _fleet_cause(case)
    candidates = tuple(CANDIDATES[cause](case, fleet) for cause in CANDIDATES)
    found = [one.cause for one in candidates if one.found]
    new_share = len(case.of_kind(PumpKind.NEW_TYPE)) / len(levels)
    cause = fleet if fleet is not Cause.NONE else found[0] if found else Cause.NONE
    if cause is Cause.WEAR and fleet is Cause.NONE and len(case.of_kind(PumpKind.WEAR)) > len(levels) / 2:
        cause = Cause.UNDETERMINED  # so many do not wear at once while their channels are as in training
    drifted = judged.drifted or fleet is not Cause.NONE or new_share >= NEW_TYPE_SHARE
    return Diagnosis(cause, drifted, candidates)


def _fleet_cause(case: Case) -> Cause:
    if not case.judged.drifted:
        warmer = len(case.levels) >= _SEASON_PUMPS and abs(case.beyond_load_sd) >= _SEASON_SD
        if not warmer:
            return Cause.NONE
        return Cause.WEAR if _mostly_worn(case) else Cause.SEASON
    shifts, moved = case.shifts, case.moved
    if len(case.levels) < MIN_PUMPS or not moved:
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
