"""When a predicted state becomes an alarm, and when the alarm returns to normal: delays in both directions."""

from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple

import numpy as np

from pdm_platform.contract.states import STATES, State
from pdm_platform.core.states_table import Column, IntArray, StatesTable

CONDITION: Final = "pump_state"
# Within the ranges of OPC UA Part 9, 5.5.2: low 1-333, medium 334-666, high 667-1000.
SEVERITIES: Final = {State.WARNING: 300, State.FAULTY: 700, State.BROKEN: 900}
RAISE_AFTER_READINGS: Final = 3
CLEAR_AFTER_READINGS: Final = 10
_LEVELS: Final = tuple((STATES.index(state), severity) for state, severity in SEVERITIES.items())
_AT_OR_ABOVE, _HEALTHY_RUN, _SEVERITY = "at_or_above", "healthy_run", "severity"


class AlarmStates(StatesTable):
    """Consecutive readings at or above each level, consecutive healthy ones, and the active severity (0: none)."""

    CONTRACT: ClassVar = f"alarms-1-{RAISE_AFTER_READINGS}-{CLEAR_AFTER_READINGS}"
    COLUMNS: ClassVar = {
        _AT_OR_ABOVE: Column((len(_LEVELS),), np.int64, 0),
        _HEALTHY_RUN: Column((), np.int64, 0),
        _SEVERITY: Column((), np.int64, 0),
    }


class AlarmChange(NamedTuple):
    """The alarm of a pump was raised, became more severe (active), or returned to normal (not active).

    row: position in the batch of the reading that decided it. severity: OPC UA, 1 to 1000; on the return to normal the
    one it had.
    """

    row: int
    active: bool
    severity: int


def fold(states: AlarmStates, device_ids: Sequence[str], time_ns: IntArray, state_index: IntArray) -> list[AlarmChange]:
    """Take in predicted states (index into STATES, shape (n,)) and tell what changed, in the order of the batch.

    An alarm is raised, or raised further, by 3 consecutive readings at or above a level, and cleared by 10 consecutive
    HEALTHY ones; in between it stays as it is. A reading that is late or delivered again changes nothing. Raises
    ValueError where the lengths differ.
    """
    if len(state_index) != len(time_ns):
        raise ValueError(f"{len(state_index)} states, but {len(time_ns)} times")
    batch = states.arrange(device_ids, time_ns)
    levels = np.asarray(state_index, np.int64)[batch.order]
    changes: list[AlarmChange] = []
    for turn in batch.rounds():
        taken = turn[batch.newer[turn]]
        was, now = _step(states, batch.row[taken], levels[taken])
        for index in np.flatnonzero(was != now).tolist():
            severity = int(now[index])
            changes.append(AlarmChange(int(batch.order[taken[index]]), severity > 0, severity or int(was[index])))
    states.advance(batch, time_ns)
    return sorted(changes)


def _step(states: AlarmStates, rows: IntArray, level: IntArray) -> tuple[IntArray, IntArray]:
    """Severity of each row before and after one more reading of it."""
    was: IntArray = states[_SEVERITY][rows]
    now = was.copy()
    for column, (state, severity) in enumerate(_LEVELS):
        count = np.where(level >= state, states[_AT_OR_ABOVE][rows, column] + 1, 0)
        states[_AT_OR_ABOVE][rows, column] = count
        now[(count >= RAISE_AFTER_READINGS) & (now < severity)] = severity
    healthy_run = np.where(level == 0, states[_HEALTHY_RUN][rows] + 1, 0)
    states[_HEALTHY_RUN][rows] = healthy_run
    now[healthy_run >= CLEAR_AFTER_READINGS] = 0
    states[_SEVERITY][rows] = now
    return was, now
