"""The four states of a pump and how they follow from its health."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray


class State(StrEnum):
    """From new to failed. The order is the order of wear."""

    HEALTHY = "HEALTHY"
    WARNING = "WARNING"
    FAULTY = "FAULTY"
    BROKEN = "BROKEN"


STATES = tuple(State)
HEALTHY_ABOVE_PERCENT = 75.0
WARNING_ABOVE_PERCENT = 35.0
FAULTY_ABOVE_PERCENT = 10.0
_BOUNDS = (FAULTY_ABOVE_PERCENT, WARNING_ABOVE_PERCENT, HEALTHY_ABOVE_PERCENT)


def state_index(health_percent: NDArray[np.float64]) -> NDArray[np.int64]:
    """Index into STATES for each health value, shape as given. NaN has no state and raises ValueError."""
    if np.isnan(health_percent).any():
        raise ValueError("health_percent holds NaN, which has no state")
    # right=True: a bound itself still belongs to the worse state, 'above 75' is healthy
    return np.asarray(3 - np.digitize(health_percent, _BOUNDS, right=True), dtype=np.int64)


def state_of(health_percent: float) -> State:
    """State of one health value, in percent."""
    return STATES[int(state_index(np.array([health_percent]))[0])]
