"""What the judgement must know of the training: how long those lives were, which modes they showed, what leaked."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pdm_platform.contract.failure_modes import MODE_CLASSES
from pdm_platform.core.judgement.costs import Ages, ages_of, mean_length_hours
from pdm_platform.core.judgement.leaks import Leak
from pdm_platform.core.judgement.verdicts import IntArray, TextArray, Told, Truth, verdicts_of


@dataclass(frozen=True)
class Training:
    """pumps: trained on. mode_lives: by mode, lives that showed it beyond HEALTHY; modes of none are left out.

    mean_hours: by speed, mean length of the lives that failed. ages: of all of them.
    """

    pumps: int
    mode_lives: dict[str, int]
    mean_hours: dict[str, float]
    ages: Ages
    leak: Leak


def training_facts(
    device_ids: TextArray, time_ns: IntArray, truth: Truth, *, speed: Mapping[str, str], leak: Leak
) -> Training:
    """From the training rows, in any order. leak: of `leaks.leaked`."""
    silent = Told.of_states(np.zeros(len(time_ns), np.int64))
    rows = verdicts_of(device_ids, time_ns, truth, silent, speed=speed, alarms=())
    shown = (rows.truth.state_index > 0) & (rows.truth.mode_index > 0)
    pairs = np.unique(np.stack([rows.owner[shown], rows.truth.mode_index[shown]]), axis=1)
    counts = np.bincount(pairs[1], minlength=len(MODE_CLASSES))
    mean_hours = mean_length_hours(rows.lives)
    seen_hours = [float(rows.elapsed_hours[life.stop - 1]) for life in rows.lives]
    return Training(
        pumps=len(np.unique(device_ids)),
        mode_lives={str(mode): int(count) for mode, count in zip(MODE_CLASSES, counts, strict=True) if count},
        mean_hours=mean_hours,
        ages=ages_of(rows.lives, seen_hours, mean_hours),
        leak=leak,
    )
