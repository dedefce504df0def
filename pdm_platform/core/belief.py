"""What is believed of each pump's state and failure mode: what the models say, averaged over the last readings.

A state lasts for a share of a life, while what a model says of single readings flickers with their noise.
"""

from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np

from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.contract.states import STATES
from pdm_platform.core.states_table import BoolArray, Column, FloatArray, IntArray, StatesTable

# The n-th reading counts 90 / n from the 180th on, half before: an average over about the last hundredth of what was
# seen, so that short lives are told in time and long ones calmly. Measured on 153 unseen lives: the same macro F1
# (.778).
_MEMORY: Final = 90.0
_AT_MOST: Final = 0.5
_SEEN, _SHARES = "seen", "shares"


class BeliefStates(StatesTable):
    """Averaged probabilities of each pump: of the states, then of the failure modes; and readings seen."""

    CONTRACT: ClassVar = f"belief-1-{_MEMORY:g}-{_AT_MOST:g}"
    COLUMNS: ClassVar = {
        _SEEN: Column((), np.int64, 0),
        _SHARES: Column((len(STATES) + len(MODE_CLASSES),), np.float64, 0.0),
    }


def fold(
    states: BeliefStates,
    device_ids: Sequence[str],
    time_ns: IntArray,
    of_states: FloatArray,
    of_modes: FloatArray,
    *,
    anew: BoolArray | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Take in what the models say of n readings, (n, 4) and (n, 9); returns what is believed then, the same shapes.

    anew: (n,) the first reading of a pump's life, as after maintenance: what was believed before is forgotten.
    A reading that is late or delivered again changes nothing and is told what is believed now.
    """
    batch = states.arrange(device_ids, time_ns)
    said = batch.sort(np.concatenate([of_states, of_modes], axis=1))
    born = np.zeros(len(said), np.bool_) if anew is None else batch.sort(anew)
    believed = np.empty_like(said)
    for turn in batch.rounds():
        taken = turn[batch.newer[turn]]
        rows = batch.row[taken]
        seen = np.where(born[taken], 0, states[_SEEN][rows]) + 1
        weight = np.where(seen == 1, 1.0, np.minimum(_AT_MOST, _MEMORY / seen))[:, None]
        before = states[_SHARES][rows]
        states[_SHARES][rows] = before + weight * (said[taken] - before)
        states[_SEEN][rows] = seen
        believed[turn] = states[_SHARES][batch.row[turn]]
    states.advance(batch, time_ns)
    believed = batch.unsort(believed)
    return believed[:, : len(STATES)], believed[:, len(STATES) :]
