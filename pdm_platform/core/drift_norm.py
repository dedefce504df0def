"""Healthy operation in training: where pumps run, how they spread, and what physics ties together."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pdm_platform.contract.channels import CHANNEL_NAMES
from pdm_platform.contract.measurements import DEVICE
from pdm_platform.core.drift import FloatArray, running

# What physics ties together. Affinity laws: head goes with the square of the speed, and so do the forces of unbalance;
# motor current per pressure stands for power per head.
# Source: EN ISO 9906:2012, 6.1.2 (translation to the specified speed).
RELATIONS: Final = ("pressure_per_speed2", "current_per_pressure", "vibration_per_speed2", "rms_per_axes")
_RPM: Final = CHANNEL_NAMES.index("rpm")
_BY_SPEED: Final = np.array([name not in ("temperature", "rpm") for name in CHANNEL_NAMES])
# What no sensor is held to: a share of the value, and of the channel's own spread. A channel that was constant in
# training has no spread, and the total vibration next to none beside its axes.
_FLOOR: Final = 0.002
_LOOSE: Final = 0.15
# A drive may set another speed than those seen in training: a twentieth off is nothing unusual in itself.
_SPEED_FLOOR: Final = 0.05
_RELATION_FLOOR: Final = 0.02
# Readings of training so many deviations off are left out of what is usual.
_WILD: Final = 5.0
# Deviations kept to tell what is calm.
_KEPT: Final = 1_000
# Of the reference's own readings all but one in a thousand lie within the limit; levels are calmer than readings.
_LIMIT_QUANTILE: Final = 0.999
_CALM_QUANTILE: Final = 0.95
_LIMIT_MARGIN: Final = 1.2


def relations(channels: FloatArray) -> FloatArray:
    """Relations (n, 4) between the channels (n, 8), columns as RELATIONS; NaN where one is missing or divides by 0.

    pressure and vibration per (1,000 1/min)²: bar, mm/s; current per pressure: A/bar; total vibration per vector sum of
    the axes: 1 as long as both are right.
    """
    x, y, z, rms, _, pressure, current, rpm = channels.T
    with np.errstate(divide="ignore", invalid="ignore"):
        speed2 = (rpm / 1_000.0) ** 2
        found = np.column_stack(
            [pressure / speed2, current / pressure, rms / speed2, rms / np.sqrt(x**2 + y**2 + z**2)]
        )
    return np.where(np.isfinite(found), found, np.nan)


def at_speed(channels: FloatArray, rpm: float) -> FloatArray:
    """Channels (n, 8) as they would be at that speed, by the affinity laws; the speed itself and temperature as read.

    Pressure, the forces behind vibration, and torque, for which current stands, go with the square of the speed. Where
    the speed read is none, or a small part of `rpm`, it cannot be right and nothing is translated.
    Source: EN ISO 9906:2012, 6.1.2.
    """
    read = channels[:, _RPM]
    ratio = np.where(read > rpm / 4.0, rpm / np.where(read > 0.0, read, rpm), 1.0)
    return np.where(_BY_SPEED, channels * ratio[:, None] ** 2, channels)


@dataclass(frozen=True, slots=True)
class Spread:
    """How far operation may lie off before it is unusual: deviations (n, 8) of training, and what they imply.

    scale: (8,) standard deviations. limit, calm: squared distances of Mahalanobis, over all channels, that a level must
    not pass, and that all but one in twenty readings stay below. slack: factor on both.
    """

    scale: FloatArray
    covariance: FloatArray
    limit: float
    deviations: FloatArray
    slack: float

    @classmethod
    def of(cls, deviations: FloatArray, centre: FloatArray, *, slack: float = 1.0) -> Self:
        """Learn it from deviations (n, 8) around a centre (8,). Rows with a gap are passed over, and wild ones.

        Training holds lying sensors and passing disturbances too; they must not widen what is usual.
        """
        whole = deviations[~np.isnan(deviations).any(axis=1)]
        floor = np.where(np.arange(len(centre)) == _RPM, _SPEED_FLOOR, _FLOOR) * np.abs(centre) + 1e-9
        low, high = np.quantile(whole, (0.16, 0.84), axis=0)
        tame = whole[(np.abs(whole) <= _WILD * ((high - low) / 2.0 + floor)).all(axis=1)]
        covariance = np.cov(tame, rowvar=False)
        covariance += np.diag(floor**2 + _LOOSE**2 * np.diag(covariance))
        spread = cls(np.sqrt(np.diag(covariance)), covariance, np.inf, tame, slack)
        everything = np.arange(len(centre))
        limit = float(np.quantile(spread.distance2(tame, everything), _LIMIT_QUANTILE)) * _LIMIT_MARGIN
        few = tame[:: max(len(tame) // _KEPT, 1)]
        return cls(spread.scale, covariance, limit * slack, few, slack)

    def distance2(self, deviations: FloatArray, channels: NDArray[np.int64]) -> FloatArray:
        """Squared distance of Mahalanobis, shape (n,), over these channels of deviations (n, 8); a missing one is 0.

        It is large where a channel is far off and where it breaks with what the others say it should be.
        """
        part = np.nan_to_num(deviations[:, channels])
        covariance = self.covariance[np.ix_(channels, channels)]
        return np.asarray(np.einsum("ij,ij->i", part @ np.linalg.inv(covariance), part))

    def beyond(self, deviations: FloatArray, channel: int) -> FloatArray:
        """What the other channels do not explain of one, of deviations (n, 8), in its deviations of training, (n,)."""
        precision = np.linalg.inv(self.covariance)
        return np.asarray(np.nan_to_num(deviations) @ precision[channel] / np.sqrt(precision[channel, channel]))

    def calm(self, channels: NDArray[np.int64]) -> float:
        """Squared distance over these channels below which nothing is unusual."""
        return self.slack * float(np.quantile(self.distance2(self.deviations, channels), _CALM_QUANTILE))


@dataclass(frozen=True, slots=True)
class Norm:
    """Healthy operation in training: centres and scales of channels and relations, and how pumps spread around them.

    rpm: median speed in 1/min, at which `centre` and the spreads hold (`at_speed`). own: of readings around their own
    pump's level where the reference names its pumps, else as `among`.
    """

    rpm: float
    centre: FloatArray
    among: Spread
    own: Spread
    relation_centre: FloatArray
    relation_scale: FloatArray

    @classmethod
    def of(cls, reference: pd.DataFrame) -> Self:
        """Learn it from the reference: the eight channels, and device_id where it has one."""
        reference = reference[running(reference, reference)]
        read = reference[list(CHANNEL_NAMES)].to_numpy(np.float64)
        rpm = float(np.nanmedian(read[:, _RPM]))
        channels = at_speed(read, rpm)
        centre = np.nanmedian(channels, axis=0)
        among = Spread.of(channels - centre, centre)
        own = among
        if DEVICE in reference:
            levels = pd.DataFrame(channels).groupby(reference[DEVICE].to_numpy()).transform("median").to_numpy()
            # what moves between two levels scatters twice as much as one about its mean
            own = Spread.of(channels - levels, centre, slack=2.0)
        tied = relations(read)
        tied_centre = np.nanmedian(tied, axis=0)
        low, high = np.nanquantile(tied, (0.16, 0.84), axis=0)
        scale = np.hypot((high - low) / 2.0, _RELATION_FLOOR * tied_centre)
        return cls(rpm, centre, among, own, tied_centre, scale)
