"""The causes that drift may have, and the figures that speak for each."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import pandas as pd

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.core.drift import DriftJudgement, FloatArray
from pdm_platform.core.drift_levels import Shifts
from pdm_platform.core.drift_norm import RELATIONS, Norm
from pdm_platform.core.drift_pumps import TEMPERATURE, PumpKind, PumpVerdict


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
# A channel has moved with the fleet where its median pump is at least so many deviations of training off,
_MOVED_SD: Final = 0.5
# and not much less than the one that moved most: a hot day also warms the current a little.
_MOVED_SHARE: Final = 0.5

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

    drifted: the model no longer knows the fleet's operation: by the channels one by one, by all of them together, or by
    pumps of a new type.
    """

    cause: Cause
    drifted: bool
    candidates: tuple[Candidate, ...]

    @property
    def evidence(self) -> dict[str, Figures]:
        """Figures by candidate cause, as they are stored; `pumps` names at most ten. What is not known is left out."""
        return {
            one.cause.value: {
                "found": int(one.found),
                "pumps": ", ".join(one.pumps[:10]),
                **{name: value for name, value in one.figures.items() if value == value},  # NaN is unequal to itself
            }
            for one in self.candidates
        }

    def of(self, cause: Cause) -> Candidate:
        """The candidate of that cause."""
        return next(one for one in self.candidates if one.cause is cause)


@dataclass(frozen=True, slots=True)
class Case:
    """All there is to judge by. level_sd: (8,) median pump's distance from training in deviations of training."""

    judged: DriftJudgement
    norm: Norm
    levels: pd.DataFrame
    shifts: Shifts
    pumps: list[PumpVerdict]
    level_sd: FloatArray

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
    def fleet_distance2(self) -> float:
        """The median pump's squared distance from training."""
        everything = np.arange(len(CHANNEL_NAMES))
        return float(self.norm.among.distance2((self.level_sd * self.norm.among.scale)[None, :], everything)[0])

    @property
    def beyond_load_sd(self) -> float:
        """What load and speed do not explain of the median pump's temperature, in deviations of training."""
        return float(np.median(self.norm.among.beyond(self.shifts.from_training, TEMPERATURE)))

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


def _regime(case: Case, fleet: Cause) -> Candidate:
    other = case.of_kind(PumpKind.OTHER_DUTY)
    found = fleet is Cause.REGIME_CHANGE
    pumps = _all(case) if found else tuple(pump.device_id for pump in other)
    figures: Figures = {
        "channels_moved": ", ".join(CHANNEL_NAMES[index] for index in case.moved),
        "fleet_distance2": _round(case.fleet_distance2),
        "largest_shift_sd": _round(case.level_sd[np.abs(case.level_sd).argmax()]),
        "share_of_pumps": _share(pumps, case),
        **{f"{name}_sd": _round(value) for name, value in zip(RELATIONS, case.tied_sd, strict=True)},
    }
    return Candidate(Cause.REGIME_CHANGE, found, pumps, figures)


def _season(case: Case, fleet: Cause) -> Candidate:
    found = fleet is Cause.SEASON
    own = case.shifts.from_own[:, TEMPERATURE]
    shift = np.where(np.isnan(own), case.shifts.from_training[:, TEMPERATURE], own)
    low, high = np.nanquantile(shift, (0.25, 0.75))
    scale = case.norm.among.scale[TEMPERATURE]
    warmer = case.shifts.from_training[:, TEMPERATURE] * np.sign(case.level_sd[TEMPERATURE]) >= scale
    figures: Figures = {
        "temperature_shift_c": _round(case.level_sd[TEMPERATURE] * scale),
        "temperature_shift_sd": _round(case.level_sd[TEMPERATURE]),
        "beyond_load_sd": _round(case.beyond_load_sd),
        "spread_between_pumps_c": _round(high - low),
        "share_of_pumps": _round(warmer.mean()),
        "largest_other_shift_sd": _round(np.abs(np.delete(case.level_sd, TEMPERATURE)).max()),
    }
    return Candidate(Cause.SEASON, found, _all(case) if found else (), figures)


def _new_type(case: Case, fleet: Cause) -> Candidate:
    new = case.of_kind(PumpKind.NEW_TYPE)
    pumps = _all(case) if fleet is Cause.NEW_PUMP_TYPE and not new else tuple(pump.device_id for pump in new)
    figures: Figures = {
        "share_of_pumps": _share(pumps, case),
        "first_seen_later_than_others": int(case.shifts.newcomer.sum()),
        "largest_over_limit": _largest(new),
    }
    return Candidate(Cause.NEW_PUMP_TYPE, bool(pumps), pumps, figures)


def _sensor(case: Case, _fleet: Cause) -> Candidate:
    lying = case.of_kind(PumpKind.SENSOR_FAULT)
    pumps = tuple(pump.device_id for pump in lying)
    figures: Figures = {
        "share_of_pumps": _share(pumps, case),
        "sensors": ", ".join(f"{pump.device_id}: {pump.sensor}" for pump in lying[:10]),
        "largest_over_limit": _largest(lying),
        "largest_gain": _round(max((pump.sensor_gain for pump in lying), default=0.0)),
    }
    return Candidate(Cause.SENSOR_FAULT, bool(pumps), pumps, figures)


def _wear(case: Case, fleet: Cause) -> Candidate:
    worn = case.of_kind(PumpKind.WEAR)
    if fleet in CURABLE and len(worn) > len(case.levels) / 2:
        worn = []  # the model takes the drift for wear
    pumps = _all(case) if fleet is Cause.WEAR else tuple(pump.device_id for pump in worn)
    stated = [pump.stated_health_percent for pump in worn]
    figures: Figures = {
        "share_of_pumps": _share(pumps, case),
        "largest_over_limit": _largest(worn),
        "largest_vibration_ratio": _round(max((pump.vibration_ratio for pump in worn), default=0.0)),
        "lowest_stated_health_percent": _round(min(stated, default=float("nan"))),
    }
    return Candidate(Cause.WEAR, bool(pumps), pumps, figures)


CANDIDATES: Final[dict[Cause, Callable[[Case, Cause], Candidate]]] = {
    Cause.REGIME_CHANGE: _regime,
    Cause.SEASON: _season,
    Cause.NEW_PUMP_TYPE: _new_type,
    Cause.SENSOR_FAULT: _sensor,
    Cause.WEAR: _wear,
}


def _all(case: Case) -> tuple[str, ...]:
    return tuple(str(device_id) for device_id in case.levels.index)


def _share(pumps: tuple[str, ...], case: Case) -> float:
    return _round(len(pumps) / len(case.levels))


def _largest(pumps: list[PumpVerdict]) -> float:
    return _round(max((pump.over_limit for pump in pumps), default=0.0))


def _round(value: float) -> float:
    return round(float(value), 3)
