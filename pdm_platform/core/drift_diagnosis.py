"""Why a fleet runs elsewhere than in training: its operation, the season, other pumps, a lying sensor, or wear."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.core.drift import DriftJudgement
from pdm_platform.core.drift_levels import RELATIONS, STATED, FloatArray, Norm
from pdm_platform.core.drift_pumps import (
    MIN_PUMPS,
    RELATION_MOVED,
    TEMPERATURE,
    VIBRATION_PER_SPEED2,
    PumpKind,
    PumpVerdict,
    Shifts,
    judge_pumps,
)


class Cause(StrEnum):
    """Why; `none` where there is nothing to explain, `undetermined` where there is but nothing explains it."""

    NONE = "none"
    REGIME_CHANGE = "regime_change"
    SEASON = "season"
    NEW_PUMP_TYPE = "new_pump_type"
    SENSOR_FAULT = "sensor_fault"
    WEAR = "wear"
    UNDETERMINED = "undetermined"


# What the model should have seen and has not: training on it helps. Wear and lies it must not learn as normal.
CURABLE: Final = frozenset({Cause.REGIME_CHANGE, Cause.SEASON, Cause.NEW_PUMP_TYPE})
# A fleet with as many pumps that the model has never seen is no longer the fleet it was trained for.
NEW_TYPE_SHARE: Final = 0.1
# A channel has moved with the fleet where its median pump is at least so many deviations of training off,
_MOVED_SD: Final = 1.0
# and not much less than the one that moved most: a hot day also warms the current a little.
_MOVED_SHARE: Final = 0.5
# Warmer or colder than the load explains, in deviations of training: the warmest hour of a day that goes like a sine
# lies 1.41 from its mean. 30 healthy fleets of 8 to 24 simulated pumps stayed below 0.89; 8 °C more gives 1.6 or above.
_SEASON_SD: Final = 1.45
# Below so many pumps the median pump's own place weighs too much for that.
_SEASON_PUMPS: Final = 8
# Worn pumps are worn unequally: the quartiles of their vibration lie this share of its median apart.
_UNEQUAL: Final = 0.4

Figures = dict[str, float | int | str]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible cause: the pumps that speak for it, and the figures it was judged by."""

    cause: Cause
    found: bool
    pumps: tuple[str, ...]
    figures: Figures


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The first cause of the fleet's drift, or of what single pumps do, and every candidate's evidence.

    drifted: the model no longer knows the fleet's operation: by the channels, by a warmth that its load does not explain,
    or by pumps of a new type.
    """

    cause: Cause
    drifted: bool
    candidates: tuple[Candidate, ...]

    @property
    def evidence(self) -> dict[str, Figures]:
        """Figures by candidate cause, as they are stored; `pumps` names at most ten."""
        return {
            str(one.cause): {"found": int(one.found), "pumps": ", ".join(one.pumps[:10]), **one.figures}
            for one in self.candidates
        }

    def of(self, cause: Cause) -> Candidate:
        """The candidate of that cause."""
        return next(one for one in self.candidates if one.cause is cause)


@dataclass(frozen=True, slots=True)
class _Case:
    """All there is to judge by. level_sd: (8,) median pump's distance from training in deviations of training.
    beyond_load_sd: what its load and speed do not explain of the median pump's temperature, likewise."""

    judged: DriftJudgement
    norm: Norm
    levels: pd.DataFrame
    shifts: Shifts
    pumps: list[PumpVerdict]
    level_sd: FloatArray
    beyond_load_sd: float

    def of_kind(self, kind: PumpKind) -> list[PumpVerdict]:
        return [pump for pump in self.pumps if pump.kind is kind]

    @property
    def own_sd(self) -> FloatArray:
        """(8,) median pump's distance from its own earlier operation, in deviations of training; 0 where unknown."""
        return self.shifts.common_from_own / self.norm.among.scale

    @property
    def since_seen(self) -> bool:
        """Whether the fleet has moved since it was first seen, rather than been elsewhere from the first."""
        known = self.shifts.own_known.mean() >= 0.5
        return bool(known and np.abs(self.own_sd).max() >= 0.5 * np.abs(self.level_sd).max())

    @property
    def moved(self) -> list[int]:
        """Channels that have moved with the fleet, most of all against its own earlier operation."""
        size = np.abs(self.own_sd if self.since_seen else self.level_sd)
        return np.flatnonzero((size >= _MOVED_SD) & (size >= _MOVED_SHARE * size.max())).tolist()

    @property
    def tied_sd(self) -> FloatArray:
        """(4,) median pump's relations, from training, in deviations of training."""
        tied = self.levels[list(RELATIONS)].to_numpy(np.float64)
        return np.nan_to_num(np.nanmedian((tied - self.norm.relation_centre) / self.norm.relation_scale, axis=0))


def diagnose(judged: DriftJudgement, norm: Norm, levels: pd.DataFrame, first: pd.DataFrame) -> Diagnosis:
    """Say why, from the judgement, the pumps' levels in the window and their first known levels (may be empty).

    What moved the fleet as a whole comes first; then pumps of a new type, lying sensors, worn pumps.
    """
    if not len(levels):
        return Diagnosis(Cause.UNDETERMINED if judged.drifted else Cause.NONE, judged.drifted, ())
    shifts = Shifts.of(norm, levels, first)
    level_sd = np.nan_to_num(np.nanmedian(shifts.from_training, axis=0)) / norm.among.scale
    beyond_sd = float(np.median(norm.among.beyond(shifts.from_training, TEMPERATURE)))
    case = _Case(judged, norm, levels, shifts, judge_pumps(norm, levels, shifts), level_sd, beyond_sd)
    fleet = _fleet_cause(case)
    candidates = tuple(_CANDIDATES[cause](case, fleet) for cause in _CANDIDATES)
    found = [one.cause for one in candidates if one.found]
    new_share = len(case.of_kind(PumpKind.NEW_TYPE)) / len(levels)
    cause = fleet if fleet is not Cause.NONE else found[0] if found else Cause.NONE
    if cause is Cause.WEAR and fleet is Cause.NONE and len(case.of_kind(PumpKind.WEAR)) > len(levels) / 2:
        cause = Cause.UNDETERMINED  # so many do not wear at once while their channels are as in training
    drifted = judged.drifted or fleet is not Cause.NONE or new_share >= NEW_TYPE_SHARE
    return Diagnosis(cause, drifted, candidates)


def _fleet_cause(case: _Case) -> Cause:
    if not case.judged.drifted:
        warmer = len(case.levels) >= _SEASON_PUMPS and abs(case.beyond_load_sd) >= _SEASON_SD
        return Cause.SEASON if warmer else Cause.NONE
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


def _mostly_worn(case: _Case) -> bool:
    """Most pumps vibrate more for their speed, each by another factor, and are called worn where they are called."""
    vibration = case.shifts.tied[:, VIBRATION_PER_SPEED2]
    low, middle, high = np.nanquantile(vibration, (0.25, 0.5, 0.75))
    stated = case.levels[STATED].median()
    return bool(middle >= RELATION_MOVED and high - low >= _UNEQUAL * middle and not stated > 75.0)


def _regime(case: _Case, fleet: Cause) -> Candidate:
    other = case.of_kind(PumpKind.OTHER_DUTY)
    found = fleet is Cause.REGIME_CHANGE
    pumps = _all(case) if found else tuple(pump.device_id for pump in other)
    figures: Figures = {
        "channels_moved": ", ".join(CHANNEL_NAMES[index] for index in case.moved),
        "largest_shift_sd": _round(case.level_sd[np.abs(case.level_sd).argmax()]),
        "share_of_pumps": _share(pumps, case),
        **{f"{name}_sd": _round(value) for name, value in zip(RELATIONS, case.tied_sd, strict=True)},
    }
    return Candidate(Cause.REGIME_CHANGE, found, pumps, figures)


def _season(case: _Case, fleet: Cause) -> Candidate:
    found = fleet is Cause.SEASON
    own = case.shifts.from_own[:, TEMPERATURE]
    shift = np.where(np.isnan(own), case.shifts.from_training[:, TEMPERATURE], own)
    low, high = np.nanquantile(shift, (0.25, 0.75))
    scale = case.norm.among.scale[TEMPERATURE]
    warmer = case.shifts.from_training[:, TEMPERATURE] * np.sign(case.level_sd[TEMPERATURE]) >= _MOVED_SD * scale
    figures: Figures = {
        "temperature_shift_c": _round(case.level_sd[TEMPERATURE] * scale),
        "temperature_shift_sd": _round(case.level_sd[TEMPERATURE]),
        "beyond_load_sd": _round(case.beyond_load_sd),
        "spread_between_pumps_c": _round(high - low),
        "share_of_pumps": _round(warmer.mean()),
        "largest_other_shift_sd": _round(np.abs(np.delete(case.level_sd, TEMPERATURE)).max()),
    }
    return Candidate(Cause.SEASON, found, _all(case) if found else (), figures)


def _new_type(case: _Case, fleet: Cause) -> Candidate:
    new = case.of_kind(PumpKind.NEW_TYPE)
    pumps = _all(case) if fleet is Cause.NEW_PUMP_TYPE and not new else tuple(pump.device_id for pump in new)
    figures: Figures = {
        "share_of_pumps": _share(pumps, case),
        "first_seen_later_than_others": int(case.shifts.newcomer.sum()),
        "largest_over_limit": _largest(new),
    }
    return Candidate(Cause.NEW_PUMP_TYPE, bool(pumps), pumps, figures)


def _sensor(case: _Case, _fleet: Cause) -> Candidate:
    lying = case.of_kind(PumpKind.SENSOR_FAULT)
    pumps = tuple(pump.device_id for pump in lying)
    figures: Figures = {
        "share_of_pumps": _share(pumps, case),
        "sensors": ", ".join(f"{pump.device_id}: {pump.sensor}" for pump in lying[:10]),
        "largest_over_limit": _largest(lying),
        "largest_gain": _round(max((pump.sensor_gain for pump in lying), default=0.0)),
    }
    return Candidate(Cause.SENSOR_FAULT, bool(pumps), pumps, figures)


def _wear(case: _Case, fleet: Cause) -> Candidate:
    worn = case.of_kind(PumpKind.WEAR)
    pumps = _all(case) if fleet is Cause.WEAR else tuple(pump.device_id for pump in worn)
    stated = [pump.stated_health_percent for pump in worn]
    figures: Figures = {
        "share_of_pumps": _share(pumps, case),
        "largest_over_limit": _largest(worn),
        "largest_vibration_ratio": _round(max((pump.vibration_ratio for pump in worn), default=0.0)),
        "lowest_stated_health_percent": _round(min(stated, default=float("nan"))),
    }
    return Candidate(Cause.WEAR, bool(pumps), pumps, figures)


_CANDIDATES: Final[dict[Cause, Callable[[_Case, Cause], Candidate]]] = {
    Cause.REGIME_CHANGE: _regime,
    Cause.SEASON: _season,
    Cause.NEW_PUMP_TYPE: _new_type,
    Cause.SENSOR_FAULT: _sensor,
    Cause.WEAR: _wear,
}


def _all(case: _Case) -> tuple[str, ...]:
    return tuple(str(device_id) for device_id in case.levels.index)


def _share(pumps: tuple[str, ...], case: _Case) -> float:
    return _round(len(pumps) / len(case.levels))


def _largest(pumps: list[PumpVerdict]) -> float:
    return _round(max((pump.over_limit for pump in pumps), default=0.0))


def _round(value: float) -> float:
    return round(float(value), 3)
