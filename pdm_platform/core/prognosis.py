"""Remaining life of a pump: the line through its latest predicted health, followed to the end of its useful life."""

from collections.abc import Sequence
from typing import ClassVar, Final

import numpy as np

from pdm_platform.contract.states import FAULTY_ABOVE_PERCENT
from pdm_platform.contract.times import NS_PER_HOUR
from pdm_platform.core.states_table import LAST_TIME, Column, FloatArray, IntArray, StatesTable

# A life of 150 readings falls visibly within 25, one of 10,000 only within many hundred.
MEMORIES_READINGS: Final = (25.0, 200.0, 1600.0)
MIN_READINGS: Final = 10
# Predicted health is smooth, since its features look back over the same readings: its scatter about the line
# understates how unsure the slope is. Two standard errors would promise an end to pumps that do not wear.
MIN_SLOPE_ERRORS: Final = 8.0
# Predicted health of a new pump wanders between about 92 and 100 %: a slope up there is no wear yet.
VISIBLE_BELOW_PERCENT: Final = 90.0
# So far above the line of a longer memory, health was restored: what that memory holds is the life before the repair.
# Wear bends the other way, down from the longer line; what the models' scatter makes of a level is a few percent.
RESTORED_PERCENT: Final = 20.0
# A slope that leads further ahead than this cannot be told from no slope at all.
MAX_RUL_HOURS: Final = 8_760.0
_DECAY: Final = 1.0 - 1.0 / np.array(MEMORIES_READINGS)[:, None]
_LINES = "lines"


class PrognosisStates(StatesTable):
    """Running regressions of health (percent) on time (hours) of each pump, one a memory.

    `lines` holds seven numbers each: readings seen; their weight; weighted mean time, in hours relative to the newest
    reading (so never above 0); weighted mean health; and the weighted sums of squares and products of the deviations
    from the means: time-time, time-health, health-health.
    """

    CONTRACT: ClassVar = f"prognosis-1-{MEMORIES_READINGS}"
    COLUMNS: ClassVar = {_LINES: Column((len(MEMORIES_READINGS), 7), np.float64, 0.0)}


def fold(
    states: PrognosisStates, device_ids: Sequence[str], time_ns: IntArray, health_percent: FloatArray
) -> FloatArray:
    """Take in predicted health and tell the remaining hours until it falls to 10 %, the end of useful life.

    device_ids, time_ns, health_percent: n readings. Returns shape (n,), hours: 0 for a pump whose line is at or below
    10 %, NaN while fewer than 10 readings are known or the line does not clearly fall, at most a year. A reading that
    is late or delivered again is answered from the current state and does not change it. Raises ValueError for a
    health of NaN and for lengths that differ.
    Formula: exponentially weighted least squares in its centred, updating form (West 1979, CACM 22(9), 532-535), with a
    memory of 25, 200 and 1,600 readings; the shortest memory whose line clearly falls is followed. 'Clearly' is eight
    standard errors of the slope, with the line below 90 %. Where the shortest line runs 20 % above a longer one, the
    pump was repaired, and the longer one starts again from the shortest.
    """
    health = np.asarray(health_percent, np.float64)
    if np.isnan(health).any() or len(health) != len(time_ns):
        raise ValueError("every reading needs a predicted health")
    batch = states.arrange(device_ids, time_ns)
    health, times = health[batch.order], np.asarray(time_ns, np.int64)[batch.order]
    lines, last_ns = states[_LINES], states[LAST_TIME]
    rul_hours = np.empty(len(health))
    for turn in batch.rounds():
        rows, taken = batch.row[turn], turn[batch.newer[turn]]
        new = batch.row[taken]
        lines[new] = _restarted(_updated(lines[new].T, times[taken], last_ns[new], health[taken])).T
        last_ns[new] = times[taken]
        rul_hours[turn] = _remaining(lines[rows].T)
    return batch.unsort(rul_hours)


def _updated(lines: FloatArray, time_ns: IntArray, last_ns: IntArray, health: FloatArray) -> FloatArray:
    seen, weight, mean_h, mean_health, time_time, time_health, health_health = lines
    since_h = np.where(seen > 0, time_ns - last_ns, 0) / NS_PER_HOUR
    kept = _DECAY * weight
    total = kept + 1.0
    off_h = since_h - mean_h  # the new reading is at hour 0, the old mean at mean_h - since_h
    off_health = health - mean_health
    share = kept / total
    return np.stack(
        [
            seen + 1.0,
            total,
            off_h / total - off_h,
            mean_health + off_health / total,
            _DECAY * time_time + share * (off_h * off_h),
            _DECAY * time_health + share * (off_h * off_health),
            _DECAY * health_health + share * (off_health * off_health),
        ]
    )


def _restarted(lines: FloatArray) -> FloatArray:
    level = _level(lines)
    restored = level[0] - level > RESTORED_PERCENT
    return np.where(restored, lines[:, :1], lines)


def _level(lines: FloatArray) -> FloatArray:
    """Each line's health at the newest reading; NaN before the second."""
    _, _, mean_h, mean_health, time_time, time_health, _ = lines
    with np.errstate(divide="ignore", invalid="ignore"):
        level: FloatArray = mean_health - time_health / time_time * mean_h
    return level


def _remaining(lines: FloatArray) -> FloatArray:
    seen, weight, _, _, time_time, time_health, health_health = lines
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = time_health / time_time
        scatter = np.maximum(health_health - slope * time_health, 0.0)
        slope_error = np.sqrt(scatter / (weight - 2.0) / time_time)
        level = _level(lines)
        above_end = np.maximum(level - FAULTY_ABOVE_PERCENT, 0.0)
        hours = above_end / -slope
    falls = (slope + MIN_SLOPE_ERRORS * slope_error < 0.0) & (level < VISIBLE_BELOW_PERCENT)
    falls &= (seen >= MIN_READINGS) & (hours <= MAX_RUL_HOURS)
    shortest = np.argmax(falls, axis=0)
    nearest = np.take_along_axis(np.where(falls, hours, np.nan), shortest[None], axis=0)[0]
    ended = (seen[0] >= MIN_READINGS) & (above_end[0] == 0.0)
    return np.where(ended, 0.0, nearest)
