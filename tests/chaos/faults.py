"""What goes wrong in a run, and when: a schedule that follows from its seed alone."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

# Longer than the embedded broker waits for an acknowledgement, so that it delivers again what is still being written.
_LENGTHS_S: Final = (0.3, 1.0, 3.0, 7.0)


class What(StrEnum):
    """One kind of fault. Killed is SIGKILL, frozen is SIGSTOP and then SIGCONT, restarted is SIGTERM and a start."""

    KILL_BROKER = "broker killed"
    KILL_BROKER_ALONE = "broker killed while the bridge was away"
    FREEZE_BROKER = "broker frozen"
    RESTART_BROKER = "broker restarted"
    KILL_BRIDGE = "bridge killed"
    KILL_BRIDGE_UNSEEN = "bridge killed while the publishers were cut off"
    FREEZE_BRIDGE = "bridge frozen"
    RESTART_BRIDGE = "bridge restarted"
    CUT_PUBLISHERS = "publishers cut off"
    CUT_BRIDGE = "bridge cut off from the broker"
    CUT_STORE = "bridge cut off from the store"
    KILL_STORE = "store killed"
    FREEZE_STORE = "store frozen"
    LOCK_STORE = "store locked"
    FILL_DISK = "store's disk full"


EVERYWHERE: Final = (
    What.KILL_BROKER,
    What.KILL_BROKER_ALONE,
    What.FREEZE_BROKER,
    What.RESTART_BROKER,
    What.KILL_BRIDGE,
    What.KILL_BRIDGE_UNSEEN,
    What.FREEZE_BRIDGE,
    What.RESTART_BRIDGE,
    What.CUT_PUBLISHERS,
    What.CUT_BRIDGE,
)
BROKER_KILLS: Final = (What.KILL_BROKER, What.KILL_BROKER_ALONE)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: the `place`th of its run, begun once `after` readings are acknowledged, over after `for_s`."""

    place: int
    what: What
    after: int
    for_s: float

    def __str__(self) -> str:
        return f"{self.place}. {self.what} for {self.for_s:.1f} s after {self.after:,}"


def schedule(
    seed: int, *, readings: int, faults: int, kinds: Sequence[What], longest_s: float = 10.0
) -> tuple[Fault, ...]:
    """Faults in the order of their moments. The same arguments give the same faults.

    Each equal part of the run has one at a random moment. No kind comes a second time before all came once.
    """
    draw = random.Random(seed)
    dealt: list[What] = []
    while len(dealt) < faults:
        dealt += draw.sample(kinds, len(kinds))
    part = readings / max(faults, 1)
    lengths_s = [length_s for length_s in _LENGTHS_S if length_s <= longest_s]
    return tuple(
        Fault(
            place=place + 1,
            what=what,
            after=int((place + draw.uniform(0.1, 0.9)) * part),
            for_s=round(draw.choice(lengths_s) * draw.uniform(0.8, 1.2), 2),
        )
        for place, what in enumerate(dealt[:faults])
    )
