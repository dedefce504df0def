"""What every measurement gets: how often and how much, where to put files, the built load generator."""

import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

from benchmarks.figures import Alone, Figure
from benchmarks.load import Load, build


@dataclass(frozen=True, slots=True)
class Work:
    """How much of each is done in a round."""

    readings: int = 50_000
    latency_s: float = 3.0
    growth_readings: int = 20_000
    growth_rounds: int = 3
    array_lives: int = 2_000
    json_lives: int = 300
    rows: int = 250_000
    demo: bool = True
    swap_s: float = 8.0
    swap_rounds: int = 3
    steady_s: float = 600.0


FULL: Final = Work()
# to see that everything runs: its figures mean nothing
QUICK: Final = Work(2_000, 0.2, 2_000, 1, 20, 4, 5_000, demo=False, swap_s=3.0, swap_rounds=1, steady_s=2.0)

Measured = Mapping[str, Figure | Alone | str]
Turn = Callable[[], float]


@dataclass
class Bench:
    """One run. folder: var/bench, which stays. rounds: of each figure; demo_rounds: of the demo."""

    folder: Path
    rounds: int
    demo_rounds: int
    work: Work

    @cached_property
    def load(self) -> Load:
        """The load generator, built when first asked for. Raises UnavailableError."""
        return build(self.folder)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder that goes afterwards, on the disk of `folder`: stores sync, and memory would not."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="run-", dir=self.folder) as folder:
            yield Path(folder)

    def in_turns(self, turns: Mapping[str, Turn], rounds: int | None = None) -> dict[str, list[float]]:
        """What each gives, round by round: one after the other, so that all meet the same machine."""
        found: dict[str, list[float]] = {name: [] for name in turns}
        wanted = rounds or self.rounds
        for number in range(1, wanted + 1):
            for name, turn in turns.items():
                found[name].append(turn())
            said = ", ".join(f"{name} {values[-1]:,.4g}" for name, values in found.items())
            say(f"  round {number} of {wanted}: {said}")
        return found


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)
