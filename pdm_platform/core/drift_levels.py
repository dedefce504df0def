"""Where each pump runs in a window, by how much that is elsewhere, and what the model says of it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE
from pdm_platform.contract.states import State
from pdm_platform.core.drift import (
    PREDICTED_HEALTH,
    PREDICTED_NOVELTY,
    PREDICTED_SENSOR_FAULT,
    PREDICTED_STATE,
    FloatArray,
    running,
)
from pdm_platform.core.drift_norm import RELATIONS, Norm, at_speed, relations

BoolArray = NDArray[np.bool_]
# Fewer readings say nothing about where a pump runs.
MIN_READINGS: Final = 20
# The median of fewer pumps is not the fleet's: one of three would already shape it.
MIN_PUMPS: Final = 4
READINGS: Final = "readings"
FIRST_SEEN: Final = "first_seen_ns"
STATED: Final = "stated_health_percent"
NOVELTY: Final = "novelty"
NOT_HEALTHY: Final = "share_not_healthy"
SENSOR_DOUBTED: Final = "share_sensor_doubted"
NO_SENSOR_FAULT: Final = "none"
VIBRATION_PER_SPEED2: Final = RELATIONS.index("vibration_per_speed2")


def levels_of(readings: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Median of each channel and relation by pump while it runs, from MIN_READINGS readings on; index device_id.

    readings: columns as PUMP_TELEMETRY's channels and device_id, and the `predicted_*` ones where there are any. Beside
    the levels: readings (how many), stated_health_percent and novelty (medians of the predictions), share_not_healthy
    and share_sensor_doubted (of the readings, by the predictions; NaN where these do not tell).
    """
    readings = readings[running(readings, reference)]
    known = readings[[DEVICE, *CHANNEL_NAMES]].copy()
    known[list(RELATIONS)] = relations(known[list(CHANNEL_NAMES)].to_numpy(np.float64))
    for name, source in ((STATED, PREDICTED_HEALTH), (NOVELTY, PREDICTED_NOVELTY)):
        known[name] = readings[source].to_numpy(np.float64) if source in readings else np.nan
    groups = known.groupby(DEVICE)
    found = groups.median()
    found[READINGS] = groups.size()
    told = {
        NOT_HEALTHY: (PREDICTED_STATE, State.HEALTHY.value),
        SENSOR_DOUBTED: (PREDICTED_SENSOR_FAULT, NO_SENSOR_FAULT),
    }
    for name, (source, usual) in told.items():
        share = pd.Series(np.nan, readings.index)
        if source in readings:
            share = (readings[source].notna() & (readings[source] != usual)).astype(np.float64)
        found[name] = share.groupby(readings[DEVICE]).mean()
    return found[found[READINGS] >= MIN_READINGS]


def first_levels(windows: Iterable[tuple[int, pd.DataFrame]], wanted: Sequence[str]) -> pd.DataFrame:
    """Each pump's levels in the first of the windows that has it, and `first_seen_ns`. windows: (start in ns, levels).

    Stops reading windows once all `wanted` pumps are found.
    """
    found: list[pd.DataFrame] = []
    missing = set(wanted)
    for start_ns, levels in windows:
        new = levels[levels.index.isin(missing)]
        if len(new):
            found.append(new.assign(**{FIRST_SEEN: start_ns}))
            missing -= set(new.index)
        if not missing:
            break
    return pd.concat(found) if found else pd.DataFrame()


@dataclass(frozen=True, slots=True)
class Shifts:
    """By how much pumps run elsewhere, p pumps.

    from_training, from_own: (p, 8), channels' units at the reference's speed; the latter NaN where a pump's earlier
    operation is not known. read_*: the same at the speed they were read at.
    tied: (p, 4), relations in deviations of training, from the own earlier ones where known. vibration_ratio: (p,).
    newcomer: (p,), first seen later than others. common_*: medians over the pumps, 0 for a fleet below MIN_PUMPS.
    """

    from_training: FloatArray
    from_own: FloatArray
    read_from_training: FloatArray
    read_from_own: FloatArray
    tied: FloatArray
    vibration_ratio: FloatArray
    newcomer: BoolArray

    @classmethod
    def of(cls, norm: Norm, levels: pd.DataFrame, first: pd.DataFrame) -> "Shifts":
        """levels, first: as `levels_of` and `first_levels` give them; `first` may be empty."""
        channels, tied = _columns(levels, CHANNEL_NAMES), _columns(levels, RELATIONS)
        own = first.reindex(index=levels.index, columns=[*CHANNEL_NAMES, *RELATIONS, FIRST_SEEN])
        own_tied = _columns(own, RELATIONS)
        base = np.where(np.isnan(own_tied), norm.relation_centre, own_tied)
        seen_ns = _columns(own, (FIRST_SEEN,))[:, 0]
        known = ~np.isnan(seen_ns)
        newcomer = (~known | (seen_ns > np.min(seen_ns[known]))) if known.any() else np.zeros(len(levels), np.bool_)
        own_channels = _columns(own, CHANNEL_NAMES)
        translated = at_speed(channels, norm.rpm)
        return cls(
            from_training=translated - norm.centre,
            from_own=translated - at_speed(own_channels, norm.rpm),
            read_from_training=channels - norm.centre,
            read_from_own=channels - own_channels,
            tied=(tied - base) / norm.relation_scale,
            vibration_ratio=(tied / base)[:, VIBRATION_PER_SPEED2],
            newcomer=newcomer,
        )

    @property
    def own_known(self) -> BoolArray:
        """Pumps whose own earlier operation is known, (p,)."""
        return np.asarray(~np.isnan(self.from_own).all(axis=1))

    @property
    def common_from_training(self) -> FloatArray:
        """(8,)"""
        return common(self.from_training)

    @property
    def common_from_own(self) -> FloatArray:
        """(8,), over the pumps that have been seen before."""
        return common(self.from_own[self.own_known & ~self.newcomer])


def medians(shifts: FloatArray) -> FloatArray:
    """Median of each column of (p, 8), 0 for a channel that no pump measures."""
    return np.array([np.median(known) if len(known := column[~np.isnan(column)]) else 0.0 for column in shifts.T])


def common(shifts: FloatArray) -> FloatArray:
    """What pumps have in common: medians of (p, n); 0 for a fleet below MIN_PUMPS."""
    known = shifts[~np.isnan(shifts).all(axis=1)]
    if len(known) < MIN_PUMPS:
        return np.zeros(shifts.shape[1])
    return medians(known)


def _columns(table: pd.DataFrame, names: tuple[str, ...]) -> FloatArray:
    return table[list(names)].to_numpy(np.float64)
