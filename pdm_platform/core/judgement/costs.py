"""What maintenance by the model's warnings would cost a year, against running to failure and a fixed interval.

Simulated lives last minutes or hours, those of plants years: each life counts as its length over the mean length of
lives of its speed, and a mean life is taken to last `field_life_years`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np

from pdm_platform.core.judgement.maintenance import FALSE_ABOVE_SHARE, InTime, Warned, warnings_of
from pdm_platform.core.judgement.verdicts import FloatArray, Life, Verdicts
from pdm_platform.core.judgement.weights import ratio

RATIOS: Final = tuple(float(times) for times in range(2, 21))
_ROUNDING: Final = 1e-9
_AGES: Final = np.arange(0.05, 2.5, 0.01)


@dataclass(frozen=True, slots=True)
class CostTable:
    """Assumptions, none measured; put the plant's own figures here. Amounts in euros of one pump of some 5 kW.

    A planned repair is ordered, staffed and done in a stop that was coming; an unplanned failure takes the coupling,
    the seal and often the motor along, at a weekend, with the line standing. inspection: a technician goes and finds
    nothing. downtime_per_hour: of what stands still. field_life_years: the mean life of such a pump in the field.
    """

    planned_repair: float = 3_000.0
    unplanned_repair: float = 9_000.0
    inspection: float = 300.0
    downtime_per_hour: float = 250.0
    planned_downtime_hours: float = 4.0
    unplanned_downtime_hours: float = 24.0
    field_life_years: float = 2.0

    @classmethod
    def of(cls, table: Mapping[str, float]) -> Self:
        """From a table somebody wrote; what it leaves out keeps its assumption. Raises ValueError for another name."""
        unknown = sorted(set(table) - set(cls.__dataclass_fields__))
        if unknown or any(not value >= 0.0 for value in table.values()):
            raise ValueError(f"costs are numbers from 0 on, named {', '.join(cls.__dataclass_fields__)}: {dict(table)}")
        return cls(**{name: float(value) for name, value in table.items()})

    @property
    def planned(self) -> float:
        """One planned repair with its downtime."""
        return self.planned_repair + self.planned_downtime_hours * self.downtime_per_hour

    @property
    def failure(self) -> float:
        """One unplanned failure with its downtime."""
        return self.unplanned_repair + self.unplanned_downtime_hours * self.downtime_per_hour

    def at_ratio(self, times: float) -> "CostTable":
        """The same, with a failure that costs this many times a planned repair."""
        return replace(self, unplanned_repair=times * self.planned, unplanned_downtime_hours=0.0)


@dataclass(frozen=True, slots=True)
class Ages:
    """L lives. age: (L,) how long each was seen to its failure or to its end, in mean lives. failed: (L,) bool."""

    age: FloatArray
    failed: FloatArray


@dataclass(frozen=True, slots=True)
class Course:
    """One life under the model's warnings: what was done, and the age (in mean lives) at which it ended."""

    planned: int
    failures: int
    inspections: int
    age: float


@dataclass(frozen=True, slots=True)
class Costs:
    """Euros a pump and year. perfect: each pump repaired as late as can be, the bound that no model passes.

    interval_years: of the fixed interval, the best one on the training lives. ratios: of failure to planned repair,
    beside them the costs at each.
    """

    table: CostTable
    predictive: float
    run_to_failure: float
    fixed_interval: float
    perfect: float
    interval_years: float
    ratios: tuple[float, ...]
    predictive_by_ratio: tuple[float, ...]
    run_to_failure_by_ratio: tuple[float, ...]
    fixed_interval_by_ratio: tuple[float, ...]


def mean_length_hours(lives: Sequence[Life]) -> dict[str, float]:
    """By speed, the mean length of the lives that failed."""
    speeds = {life.speed for life in lives if life.failure is not None}
    lengths = {
        speed: [life.length_hours for life in lives if life.failure is not None and life.speed == speed]
        for speed in sorted(speeds)
    }
    return {speed: float(np.mean(found)) for speed, found in lengths.items()}


def ages_of(lives: Sequence[Life], seen_hours: Sequence[float], mean_hours: Mapping[str, float]) -> Ages:
    """Lives of a speed whose mean length is not known are left out. seen_hours: event time of each life's readings."""
    known = [(life, hours) for life, hours in zip(lives, seen_hours, strict=True) if life.speed in mean_hours]
    ages = [(hours if life.failure is None else life.length_hours) / mean_hours[life.speed] for life, hours in known]
    return Ages(np.array(ages, np.float64), np.array([life.failure is not None for life, _ in known], np.float64))


def courses_of(verdicts: Verdicts, mean_hours: Mapping[str, float], rule: InTime) -> list[Course]:
    """Each life as the warnings would have steered it."""
    pairs = zip(verdicts.lives, warnings_of(verdicts), strict=True)
    return [
        _course(life, warned, float(verdicts.elapsed_hours[life.stop - 1]), mean_hours[life.speed], rule)
        for life, warned in pairs
        if life.speed in mean_hours
    ]


def _course(life: Life, warnings: list[Warned], seen_hours: float, mean_hours: float, rule: InTime) -> Course:
    """A false warning costs an inspection. One that is on with half the life over leads to a repair after the lead.

    It does so only where it stays on until then: one that went away before cost an inspection. A warning that was false
    and stayed on was inspected once, and its repair is planned when half the life is over.
    """
    length, inspections = life.length_hours, 0
    if not life.wearing or not np.isfinite(length) or length <= 0.0:
        return Course(0, int(life.failure is not None), len(warnings), seen_hours / mean_hours)
    end = 1.0 if life.failure is not None else seen_hours / length
    for warned in warnings:
        raised, cleared = 1.0 - warned.left, 1.0 - warned.left_at_end
        if raised >= end:
            break
        inspections += warned.false
        due = max(raised, 1.0 - FALSE_ABOVE_SHARE) + rule.lead_share(length)
        if due <= end + _ROUNDING and cleared >= due:
            return Course(1, 0, inspections, due * length / mean_hours)
        if cleared < min(due, end) and not warned.false:
            inspections += 1
    return Course(0, int(life.failure is not None), inspections, end * length / mean_hours)


def judge_costs(
    verdicts: Verdicts, training: Ages, mean_hours: Mapping[str, float], table: CostTable, rule: InTime
) -> Costs:
    """The three policies on the unseen lives. training: the lives by which the fixed interval is chosen.

    mean_hours: by speed, of the training lives.
    """
    seen = [float(verdicts.elapsed_hours[life.stop - 1]) for life in verdicts.lives]
    ages, courses = ages_of(verdicts.lives, seen, mean_hours), courses_of(verdicts, mean_hours, rule)
    by_ratio = [table.at_ratio(times) for times in RATIOS]
    interval = best_interval(training, table)
    return Costs(
        table=table,
        predictive=_predictive(courses, table),
        run_to_failure=run_to_failure(ages, table),
        fixed_interval=fixed_interval(ages, interval, table),
        perfect=_per_year(float(ages.failed.sum()) * table.planned, float(ages.age.sum()), table),
        interval_years=interval * table.field_life_years,
        ratios=RATIOS,
        predictive_by_ratio=tuple(_predictive(courses, each) for each in by_ratio),
        run_to_failure_by_ratio=tuple(run_to_failure(ages, each) for each in by_ratio),
        fixed_interval_by_ratio=tuple(fixed_interval(ages, best_interval(training, each), each) for each in by_ratio),
    )


def best_interval(training: Ages, table: CostTable) -> float:
    """The age, in mean lives, at which replacing costs least on these lives; infinite where waiting does.

    NaN where no life is known. Source: age replacement, Barlow and Hunter (1960), Operations Research 8(1), 90-100.
    """
    if not len(training.age):
        return float("nan")
    costs = _fixed(training, _AGES, table)
    best = int(np.argmin(costs))
    return float(_AGES[best]) if costs[best] < run_to_failure(training, table) else float("inf")


def fixed_interval(ages: Ages, interval: float, table: CostTable) -> float:
    """Repaired at this age unless it failed before. A life that was not seen to fail was repaired once an interval."""
    if np.isnan(interval) or not len(ages.age):
        return float("nan")
    return float(_fixed(ages, np.array([interval]), table)[0])


def _fixed(ages: Ages, intervals: FloatArray, table: CostTable) -> FloatArray:
    """Cost a pump and year at each interval, (k,)."""
    failed, interval = ages.failed > 0.0, intervals[:, None]
    first = failed & (ages.age <= interval)
    planned = np.where(failed, ~first, ages.age / interval).sum(axis=1)
    years = np.where(failed, np.minimum(ages.age, interval), ages.age).sum(axis=1) * table.field_life_years
    return np.asarray((first.sum(axis=1) * table.failure + planned * table.planned) / years, np.float64)


def run_to_failure(ages: Ages, table: CostTable) -> float:
    """Nothing is done before a failure."""
    return _per_year(float(ages.failed.sum()) * table.failure, float(ages.age.sum()), table)


def _predictive(courses: list[Course], table: CostTable) -> float:
    total = sum(
        each.planned * table.planned + each.failures * table.failure + each.inspections * table.inspection
        for each in courses
    )
    return _per_year(total, sum(each.age for each in courses), table)


def _per_year(total: float, age: float, table: CostTable) -> float:
    return ratio(total, age * table.field_life_years)
