"""What passing disturbances and lying sensors do to the told state, and whether a lying sensor is known for one."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from pdm_platform.contract.states import STATES
from pdm_platform.core.judgement.maintenance import warnings_of
from pdm_platform.core.judgement.verdicts import BoolArray, FloatArray, TextArray, Verdicts
from pdm_platform.core.judgement.weights import ratio, runs, same_runs

# A warning of a pump that has less health than this may well be meant for the pump.
LITTLE_WORN_PERCENT: Final = 50.0
CALLED_AT: Final = 0.5
CALLED_READINGS: Final = 3
_HOURS_PER_DAY: Final = 24.0


@dataclass(frozen=True, slots=True)
class Condition:
    """Readings under one disturbance or kind of sensor fault, against undisturbed ones of the same lives and states.

    worse, much_worse: share whose told state is worse than the truth by one or more, by two or more; *_without: the
    same of the undisturbed. novel: share told to be novel.
    """

    name: str
    lives: int
    readings: int
    worse: float
    worse_without: float
    much_worse: float
    much_worse_without: float
    novel: float


@dataclass(frozen=True, slots=True)
class FaultEpisodes:
    """Maximal runs of readings with the same lying sensor.

    judged: those that began on a pump with at least 50 % health. mistaken: of these, during which a new warning was
    raised while the pump still had as much; a warning on a pump that wears on meanwhile is early, not the sensor's.
    tellable: episodes of at least 3 readings; called: of these, told as a sensor fault at 3 readings or more.
    """

    kind: str
    episodes: int
    judged: int
    mistaken: int
    mistaken_share: float
    tellable: int
    called: int
    called_share: float


@dataclass(frozen=True, slots=True)
class Conditions:
    """false_calls: runs of 3 or more readings told as a sensor fault that touch no faulty one; NaN if never told."""

    disturbances: list[Condition]
    sensor_faults: list[Condition]
    episodes: list[FaultEpisodes]
    all_episodes: FaultEpisodes
    false_calls_per_pump_day: float


def judge_conditions(verdicts: Verdicts) -> Conditions:
    """By disturbance and by kind of sensor fault, in alphabetical order."""
    kinds = fault_kinds(verdicts)
    disturbed, faulty = verdicts.truth.disturbance, verdicts.truth.sensor_fault != ""
    plain = (disturbed == "") & ~faulty
    found = _episodes(verdicts)
    return Conditions(
        disturbances=[
            _condition(verdicts, str(name), disturbed == name, plain) for name in np.unique(disturbed) if name
        ],
        sensor_faults=[_condition(verdicts, str(kind), kinds == kind, plain) for kind in np.unique(kinds) if kind],
        episodes=[_summed(kind, [each for each in found if each.kind == kind]) for kind in _sorted_kinds(found)],
        all_episodes=_summed("all", found),
        false_calls_per_pump_day=_false_calls(verdicts, faulty),
    )


def fault_kinds(verdicts: Verdicts) -> TextArray:
    """Of each reading, the kind of its sensor fault without the channel, "" for none."""
    names, which = np.unique(verdicts.truth.sensor_fault, return_inverse=True)
    return np.array([str(name).rpartition(":")[2] for name in names], np.str_)[which]


def _condition(verdicts: Verdicts, name: str, under: BoolArray, plain: BoolArray) -> Condition:
    by = verdicts.told.state_index - verdicts.truth.state_index
    novelty = verdicts.told.novelty[under]
    worse, worse_without = _beside(verdicts, by >= 1, under, plain)
    much, much_without = _beside(verdicts, by >= 2, under, plain)
    return Condition(
        name=name,
        lives=len(np.unique(verdicts.owner[under])),
        readings=int(under.sum()),
        worse=worse,
        worse_without=worse_without,
        much_worse=much,
        much_worse_without=much_without,
        novel=ratio(float((novelty > 1.0).sum()), float((~np.isnan(novelty)).sum())),
    )


def _beside(verdicts: Verdicts, lies: BoolArray, under: BoolArray, plain: BoolArray) -> tuple[float, float]:
    """Share of lies under a condition, and of plain readings of the same lives and true states, mixed alike.

    Only lives and states count that have both. Else a condition that strikes worn pumps would look harmful for that.
    """
    cell = verdicts.owner * len(STATES) + verdicts.truth.state_index
    size = len(verdicts.lives) * len(STATES)
    struck, spared = (np.bincount(cell[rows], minlength=size) for rows in (under, plain))
    struck_lies, spared_lies = (np.bincount(cell[rows & lies], minlength=size) for rows in (under, plain))
    both = (struck > 0) & (spared > 0)
    total = float(struck[both].sum())
    expected = struck[both] * (spared_lies[both] / spared[both])
    return ratio(float(struck_lies[both].sum()), total), ratio(float(expected.sum()), total)


@dataclass(frozen=True, slots=True)
class _Episode:
    kind: str
    judged: bool
    mistaken: bool
    tellable: bool
    called: bool


def _episodes(verdicts: Verdicts) -> list[_Episode]:
    truth = verdicts.truth
    names, which = np.unique(truth.sensor_fault, return_inverse=True)
    spans = same_runs(np.where(truth.sensor_fault == "", -1, verdicts.owner * len(names) + which))
    raised = np.zeros(len(verdicts), np.bool_)
    raised[[warned.row for life in warnings_of(verdicts) for warned in life]] = True
    mistaken = raised & (truth.health_percent >= LITTLE_WORN_PERCENT)
    called = _called(verdicts.told.sensor_fault_probability)
    return [
        _Episode(
            kind=str(truth.sensor_fault[start]).rpartition(":")[2],
            judged=bool(truth.health_percent[start] >= LITTLE_WORN_PERCENT),
            mistaken=bool(mistaken[start:stop].any()),
            tellable=stop - start >= CALLED_READINGS,
            called=int(called[start:stop].sum()) >= CALLED_READINGS,
        )
        for start, stop in spans
        if truth.sensor_fault[start]
    ]


def _called(probability: FloatArray) -> BoolArray:
    return np.asarray(np.nan_to_num(probability) >= CALLED_AT, np.bool_)


def _sorted_kinds(episodes: list[_Episode]) -> list[str]:
    return sorted({each.kind for each in episodes})


def _summed(kind: str, episodes: list[_Episode]) -> FaultEpisodes:
    judged, tellable = (sum(flags) for flags in ([e.judged for e in episodes], [e.tellable for e in episodes]))
    mistaken = sum(each.judged and each.mistaken for each in episodes)
    called = sum(each.tellable and each.called for each in episodes)
    return FaultEpisodes(
        kind=kind,
        episodes=len(episodes),
        judged=judged,
        mistaken=mistaken,
        mistaken_share=ratio(mistaken, judged),
        tellable=tellable,
        called=called,
        called_share=ratio(called, tellable),
    )


def _false_calls(verdicts: Verdicts, faulty: BoolArray) -> float:
    probability = verdicts.told.sensor_fault_probability
    if np.isnan(probability).all():
        return float("nan")
    calls = runs(_called(probability), verdicts.owner)
    false = [span for span in calls if span[1] - span[0] >= CALLED_READINGS and not faulty[span[0] : span[1]].any()]
    return ratio(len(false), verdicts.pump_hours / _HOURS_PER_DAY)
