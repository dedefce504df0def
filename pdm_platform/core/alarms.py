"""When what the models say becomes an alarm, and when the alarm returns to normal: delays in both directions."""

from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple

import numpy as np

from pdm_platform.contract.states import STATES, State
from pdm_platform.core.states_table import BoolArray, Column, IntArray, StatesTable

CONDITION: Final = "pump_state"
SENSOR_FAULT: Final = "sensor_fault"
NOVELTY: Final = "novelty"
CONDITIONS: Final = (CONDITION, SENSOR_FAULT, NOVELTY)
# Within the ranges of OPC UA Part 9, 5.5.2: low 1-333, medium 334-666, high 667-1000.
SEVERITIES: Final = {State.WARNING: 300, State.FAULTY: 700, State.BROKEN: 900}
FLAG_SEVERITIES: Final = {SENSOR_FAULT: 200, NOVELTY: 250}
RAISE_AFTER_READINGS: Final = 3
CLEAR_AFTER_READINGS: Final = 10
# Wear takes a share of a life, a passing disturbance takes minutes: the longer a pump has been watched, the longer a
# worse state must last before it is an alarm, by level, up to so many readings. A failure that is near leaves less time
# than a first sign: with 1/50 for it, too, 1 % fewer failures are warned of with 5 % of the life left.
_LASTING_SHARES: Final = np.array([1 / 50, 1 / 200, 1 / 200, 1 / 50])  # the last one for the return to normal
_LASTING_READINGS: Final = np.array([*[RAISE_AFTER_READINGS] * 3, CLEAR_AFTER_READINGS])
_LAST_AT_MOST: Final = 60
# severity of each condition at each level; a flag has one level, and the others are never reached
_LEVELS: Final = np.array([STATES.index(state) for state in SEVERITIES])
_SEVERITY_OF: Final = np.array([[*SEVERITIES.values()], *([severity] * 3 for severity in FLAG_SEVERITIES.values())])
_IS_STATE: Final = np.array([condition == CONDITION for condition in CONDITIONS], np.int64)
_AT_OR_ABOVE, _HEALTHY_RUN, _SEVERITY, _SEEN = "at_or_above", "healthy_run", "severity", "seen"


class AlarmStates(StatesTable):
    """Of each condition: readings in a row at or above each level, normal ones, and the active severity (0: none)."""

    CONTRACT: ClassVar = f"alarms-4-{RAISE_AFTER_READINGS}-{CLEAR_AFTER_READINGS}-{','.join(CONDITIONS)}"
    COLUMNS: ClassVar = {
        _AT_OR_ABOVE: Column((len(CONDITIONS), len(_LEVELS)), np.int64, 0),
        _HEALTHY_RUN: Column((len(CONDITIONS),), np.int64, 0),
        _SEVERITY: Column((len(CONDITIONS),), np.int64, 0),
        _SEEN: Column((), np.int64, 0),
    }


class AlarmChange(NamedTuple):
    """An alarm of a pump was raised, became more severe (active), or returned to normal (not active).

    row: position in the batch of the reading that decided it. severity: OPC UA, 1 to 1000; on the return to normal the
    one it had. condition: of CONDITIONS.
    """

    row: int
    active: bool
    severity: int
    condition: str = CONDITION


def fold(
    states: AlarmStates,
    device_ids: Sequence[str],
    time_ns: IntArray,
    state_index: IntArray,
    *,
    sensor_fault: BoolArray | None = None,
    novel: BoolArray | None = None,
    anew: BoolArray | None = None,
) -> list[AlarmChange]:
    """Take in what was said of n readings and tell what changed, in the order of the batch.

    state_index: (n,) into STATES; sensor_fault, novel: (n,), the two flags; anew: (n,) the first reading of a pump's
    life, as after maintenance, from which on readings are counted. An alarm is raised, or raised further, by 3
    consecutive readings at or above a level (of the pump's state: or by a fiftieth of those seen, for what is severe by
    a two-hundredth, up to 60), and cleared by 10 consecutive normal ones, or a fiftieth; in between it stays as it is.
    A reading that is late or delivered again changes nothing. Raises ValueError where the lengths differ.
    """
    if len(state_index) != len(time_ns):
        raise ValueError(f"{len(state_index)} states, but {len(time_ns)} times")
    batch = states.arrange(device_ids, time_ns)
    flags = [np.zeros(len(time_ns), np.bool_) if flag is None else flag for flag in (sensor_fault, novel)]
    # the level of a flag is that of the mildest state
    levels = batch.sort(np.stack([np.asarray(state_index, np.int64), *(flag * _LEVELS[0] for flag in flags)], axis=1))
    born = np.zeros(len(time_ns), np.bool_) if anew is None else batch.sort(anew)
    changes: list[AlarmChange] = []
    for turn in batch.rounds():
        taken = turn[batch.newer[turn]]
        states[_SEEN][batch.row[taken[born[taken]]]] = 0
        was, now = _step(states, batch.row[taken], levels[taken])
        differs = was != now
        for index, condition in np.argwhere(differs).tolist() if differs.any() else ():
            severity = int(now[index, condition])
            row = int(batch.order[taken[index]])
            change = AlarmChange(row, severity > 0, severity or int(was[index, condition]), CONDITIONS[condition])
            changes.append(change)
    states.advance(batch, time_ns)
    return sorted(changes)


def _step(states: AlarmStates, rows: IntArray, levels: IntArray) -> tuple[IntArray, IntArray]:
    """Severity of each row and condition before and after one more reading, shapes (rows, conditions)."""
    was: IntArray = states[_SEVERITY][rows]
    seen = states[_SEEN][rows] + 1
    states[_SEEN][rows] = seen
    count = np.where(levels[:, :, None] >= _LEVELS, states[_AT_OR_ABOVE][rows] + 1, 0)
    states[_AT_OR_ABOVE][rows] = count
    lasting = _lasting(seen)
    lasts = count >= lasting[:, :, :-1]
    raised = np.maximum(was, np.where(lasts, _SEVERITY_OF, 0).max(axis=2))
    healthy_run = np.where(levels == 0, states[_HEALTHY_RUN][rows] + 1, 0)
    states[_HEALTHY_RUN][rows] = healthy_run
    now = np.where(healthy_run >= lasting[:, :, -1], 0, raised)
    states[_SEVERITY][rows] = now
    return was, now


def _lasting(seen: IntArray) -> IntArray:
    """Readings in a row that a condition must last, (rows, conditions, levels and the return to normal).

    seen: (rows,) readings of each pump.
    """
    of_state = np.minimum((seen[:, None] * _LASTING_SHARES).astype(np.int64), _LAST_AT_MOST)
    return np.asarray(np.maximum(of_state[:, None, :] * _IS_STATE[:, None], _LASTING_READINGS))
