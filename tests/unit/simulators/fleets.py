"""Builders of fleets for the tests of their physics."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulators.pump import FAILURE_MODES, IN_TURN, Fleet, Readings
from simulators.speeds import SPEEDS, Speed


def fleet_of(count: int, *, seed: int = 7, speed: Speed = Speed.STRESS, **facts: Any) -> Fleet:
    """So many pumps at one speed, whose failure modes come in turn."""
    given = {"mode": np.full(count, IN_TURN)} | facts
    return Fleet.build(
        seed,
        number=np.arange(count),
        speed=np.full(count, list(Speed).index(speed)),
        interval_s=np.full(count, SPEEDS[speed].interval_s),
        **given,
    )


def unworn(fleet: Fleet) -> Fleet:
    """The healthy twin: the same pumps under the same duty, with the same noise, that do not wear."""
    life = replace(fleet.life, last_step=np.full_like(fleet.life.last_step, np.inf))
    return replace(fleet, life=life)


def steady(fleet: Fleet) -> Fleet:
    """The same pumps at the duty of their first readings, all the time."""
    table = np.repeat(fleet.life.duty.table[:, :, :1], fleet.life.duty.table.shape[2], axis=2)
    day = np.zeros_like(fleet.life.duty.day)
    return replace(fleet, life=replace(fleet.life, duty=replace(fleet.life.duty, table=table, day=day)))


def whole_life(fleet: Fleet, pump: int) -> Readings:
    """All readings of one pump's life."""
    steps = np.arange(fleet.life.readings[pump])
    return fleet.readings(np.full(len(steps), pump), steps)


def pumps_failing_of(fleet: Fleet, mode: str) -> NDArray[np.int64]:
    """Indices of the pumps that one failure mode ends."""
    return np.flatnonzero(fleet.life.pattern == FAILURE_MODES.index(mode))
