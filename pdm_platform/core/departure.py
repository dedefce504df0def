"""How far does a device depart from its own healthy operation? Learnt from its first readings, then judged on line.

No model and no label is needed, so any device of a SignalSpec can be watched. A control chart of exponentially weighted
levels (Roberts 1959; Lucas & Saccucci 1990, Technometrics 32(1), for its design) with two additions: the limits come
from the largest excursion of the levels while the device was learnt, since readings of machines are far from the
independent normal ones that the tables of control charts assume; and the centre follows slow, harmless change.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pdm_platform.core.signal_memory import STEADY_SHARE
from pdm_platform.core.signals import AGE_HOURS, SignalSpec
from pdm_platform.core.states_table import BoolArray, Column, FloatArray, IntArray, StatesTable

_ALGORITHM: Final = "departure-1"


@dataclass(frozen=True, slots=True)
class Settings:
    """How a device is learnt and judged. A score is a departure in units of what was seen while learning.

    learn_readings: its first readings, taken for healthy. The first 1/20 of these are skipped, because levels start at
    a single reading, and the excursions count from 1/4 on, once the centre has settled.
    follow_readings (tau): time constant with which the centre follows a calm device. Long against an episode, so that
    a fault is not learnt while it grows; short against hours, because water and bearings go on warming up. What moves
    by more than about a third of its scale in that time is left behind, and so becomes a departure.
    limit (kappa): score above which a reading is novel; above 1, since the first readings have not shown everything.
    off_share: of the limit, below which a device is calm: less than 1, so that a score at the limit does not flicker.
    return_share (rho): of the highest score of the episode. A device that came back so far, and rests there, is normal
    again even if not calm: after a fault machines settle near, not at, where they were, and that is the new centre.
    hold_readings: an episode ends after more than so many such readings in a row; a pause is not its end.
    steady_share: of the limit, within which short and medium level agree on a device at rest.
    noise_share: least scale, in deviations of a single reading. Levels are steadier than readings, so a short learning
    may show next to none of it.
    relative_floor: least scale as a share of the centre, for each quantity of the spec, or () for none. For vibration
    and temperature: their everyday changes are relative to their level, and a calm learning does not show them.
    floor: least scale in the quantity's own unit, as a trained fleet has it, or () for none; inf leaves one out.
    """

    learn_readings: int = 30
    follow_readings: float = 200.0
    limit: float = 1.8
    off_share: float = 0.65
    return_share: float = 0.3
    hold_readings: int = 15
    steady_share: float = 0.7
    noise_share: float = 0.3
    relative_floor: tuple[float, ...] = ()
    floor: tuple[float, ...] = ()

    @property
    def stages(self) -> tuple[int, int]:
        """Readings that are skipped, and readings after which excursions count."""
        return self.learn_readings // 20, self.learn_readings // 4


class Departure(NamedTuple):
    """novelty: (n,) score over limit, NaN while nothing was learnt yet. novel: (n,) the device is in an episode."""

    novelty: FloatArray
    novel: BoolArray


class DepartureStates(StatesTable):
    """What was learnt of each device. A subclass names its SPEC, and its CONTRACT and COLUMNS by the functions below.

    Of a quantity: count of readings, base (the centre), reach (largest excursion of short and medium level while
    learning), noise (deviation of a reading). Of a device: novel, peak score of the episode, calm readings in a row.
    """

    SPEC: ClassVar[SignalSpec]


def columns_of(spec: SignalSpec) -> dict[str, Column]:
    """COLUMNS of the states of a spec."""
    quantities = len(spec.quantities)
    shapes: dict[str, tuple[int, ...]] = {
        **dict.fromkeys(("count", "base", "noise"), (1, quantities)),
        "reach": (2, quantities),
        **dict.fromkeys(("novel", "peak", "calm_run"), ()),
    }
    return {name: Column(shape, np.float64, 0.0) for name, shape in shapes.items()}


def contract_of(spec: SignalSpec) -> str:
    """CONTRACT of the states of a spec. Settings are no part of it: what was learnt can be judged under others."""
    return hashlib.sha256(f"{_ALGORITHM}\n{spec.contract}".encode()).hexdigest()


def fold(
    states: DepartureStates,
    device_ids: Sequence[str],
    time_ns: IntArray,
    features: NDArray[np.float32],
    settings: Settings,
) -> Departure:
    """Take in the feature rows (n, F) that `signals.fold` made of n readings, and judge each by those before it.

    A reading that is not newer than the device's last one, or comes while the machine stands still, is judged and
    changes nothing. A device that the features see for the first time, or anew after maintenance, is learnt anew.
    Raises ValueError where the shapes do not fit.
    """
    if features.shape != (expected := (len(device_ids), len(states.SPEC.feature_names))):
        raise ValueError(f"features have shape {features.shape}, expected {expected}")
    columns = _columns(states.SPEC)
    batch = states.arrange(device_ids, time_ns)
    rows = batch.sort(features)
    levels = rows[:, columns.levels].astype(np.float64)  # (n, 2, quantities)
    spread = rows[:, columns.spread].astype(np.float64)
    born = batch.newer & (rows[:, columns.age] == 0.0)
    taken = batch.newer & (rows[:, columns.running] > 0.0)
    known = _Known(states, states.floats(batch.rows))
    score, novel = np.empty(len(rows)), np.empty(len(rows), np.bool_)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        for turn in batch.rounds():
            devices = batch.run[turn]
            now = known if batch.is_one_each else known.of(devices)
            if born[turn].any():
                now.forget(born[turn])
            score[turn] = now.take(levels[turn], spread[turn], taken[turn], settings)
            novel[turn] = now.novel > 0.0
            if now is not known:
                known.put(devices, now)
    states.put_floats(batch.rows, known.floats)
    states.advance(batch, time_ns)
    return Departure(batch.unsort(score / settings.limit), batch.unsort(novel))


class _Columns(NamedTuple):
    """Positions among the features. levels: (2, quantities) of short and medium levels. spread: (1, quantities)."""

    levels: IntArray
    spread: IntArray
    age: int
    running: int


@cache
def _columns(spec: SignalSpec) -> _Columns:
    at = {name: place for place, name in enumerate(spec.feature_names)}
    levels = [[at[f"{name}_{level}"] for name in spec.quantities] for level in ("level", "medium")]
    spread = [[at[f"{name}_spread"] for name in spec.quantities]]
    return _Columns(np.array(levels), np.array(spread), at[AGE_HOURS], at["running"])


class _Known:
    """The columns of m devices, the first axis their own, while readings come in. All steps are elementwise."""

    count: FloatArray
    base: FloatArray
    noise: FloatArray
    reach: FloatArray
    novel: FloatArray
    peak: FloatArray
    calm_run: FloatArray

    def __init__(self, states: DepartureStates, floats: FloatArray) -> None:
        self._states, self.floats = states, floats
        for name, place in states.float_slices().items():
            setattr(self, name, floats[:, place].reshape(len(floats), *states.COLUMNS[name].shape))

    def of(self, devices: IntArray) -> "_Known":
        """What is known of some devices, as a copy."""
        return _Known(self._states, self.floats[devices])

    def put(self, devices: IntArray, other: "_Known") -> None:
        """Write back what `of` gave."""
        self.floats[devices] = other.floats

    def forget(self, devices: BoolArray) -> None:
        """Start the devices where `devices` (m,) holds anew."""
        self.floats[devices] = 0.0

    def take(self, levels: FloatArray, spread: FloatArray, taken: BoolArray, settings: Settings) -> FloatArray:
        """Score one reading of each device by what was known before it, then learn from it where `taken` (m,) holds.

        levels: (m, 2, quantities) short and medium, NaN where unknown. spread: (m, 1, quantities). Returns shape (m,).
        """
        away = np.abs(levels - self.base)
        scale = np.where(self.count >= settings.learn_readings, self._scale(settings), np.nan)
        both = away / scale
        z = np.maximum(both[:, :1], both[:, 1:])
        score: FloatArray = np.fmax.reduce(z, axis=(1, 2))
        apart = np.abs(levels[:, :1] - levels[:, 1:]) / scale[:, :1]
        steady = np.fmax.reduce(apart, axis=(1, 2)) < settings.steady_share * settings.limit
        ended = self._decide(score, steady, taken, settings)
        off = settings.off_share * settings.limit
        self.base[...] = np.where(ended[:, None, None] & (z > off), levels[:, :1], self.base)
        follows = taken & (self.novel == 0.0) & (score < off)
        self._learn(levels, away, spread, taken[:, None, None], follows[:, None, None], settings)
        return score

    def _scale(self, settings: Settings) -> FloatArray:
        """Unit of departure of short and medium level, (m, 2, quantities); NaN for a quantity that was always 0."""
        noise = settings.noise_share * self.noise
        relative = np.maximum(np.asarray(settings.relative_floor or 0.0), STEADY_SHARE) * self.base
        learnt = np.sqrt(self.reach * self.reach + (noise * noise + relative * relative))
        scale = np.maximum(learnt, np.asarray(settings.floor or 0.0))
        return np.where(scale > 0.0, scale, np.nan)

    def _decide(self, score: FloatArray, steady: BoolArray, taken: BoolArray, settings: Settings) -> BoolArray:
        """Begin and end episodes; tells which end. Shapes (m,)."""
        novel = (self.novel > 0.0) | (score > settings.limit)
        peak = np.where(novel, np.fmax(self.peak, score), 0.0)
        returned = np.where(steady, settings.return_share * peak, 0.0)
        calm = score < np.maximum(settings.off_share * settings.limit, returned)
        calm_run = np.where(calm, self.calm_run + 1.0, 0.0)
        ended = novel & (calm_run > settings.hold_readings)
        self.novel[...] = np.where(taken, novel & ~ended, self.novel)
        self.peak[...] = np.where(taken, peak, self.peak)
        self.calm_run[...] = np.where(taken, calm_run, self.calm_run)
        return np.asarray(ended & taken)

    def _learn(
        self,
        levels: FloatArray,
        away: FloatArray,
        spread: FloatArray,
        taken: BoolArray,
        follows: BoolArray,
        settings: Settings,
    ) -> None:
        """Learn base, noise and reach from the first readings; afterwards let the base follow where `follows` holds."""
        medium = levels[:, 1:]
        known = taken & np.isfinite(medium)
        learning = known & (self.count < settings.learn_readings)
        follow = 1.0 / settings.follow_readings
        share = np.where(known & ~learning & follows, follow, 0.0)
        if learning.any():
            skipped, settling = settings.stages
            forming, settled = learning & (self.count >= skipped), learning & (self.count >= settling)
            first = 1.0 / np.maximum(self.count - (skipped - 1.0), 1.0)
            share = np.where(forming, np.maximum(first, follow), share)
            self.reach[...] = np.where(settled, np.fmax(self.reach, away), self.reach)
            self.noise += np.where(forming, first * (spread - self.noise), 0.0)
        self.base += np.where(share > 0.0, share * (medium - self.base), 0.0)
        self.count += known
