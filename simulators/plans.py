"""What to simulate: typed, and refused by name where it cannot be done."""

from dataclasses import dataclass
from typing import Final, Self

from pdm_platform.contract.errors import SettingsError
from simulators.speeds import SPEEDS, Speed

MAX_SEED: Final = 2**64 - 1
MAX_PUMPS: Final = 10_000
_HINT: Final = "A plan reads like `stress:24,accelerated:10,nominal:2`."


def _require(good: bool, what: str, *, hint: str = "") -> None:
    if not good:
        raise SettingsError(what, hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivesPlan:
    """Whole labelled lives, so many at each speed. Raises SettingsError for counts or a seed out of range."""

    seed: int = 7
    stress: int = 24
    accelerated: int = 10
    nominal: int = 2

    def __post_init__(self) -> None:
        _require(0 <= self.seed <= MAX_SEED, f"seed {self.seed} is outside 0 to 2**64 - 1")
        for speed, count in self.counts.items():
            _require(0 <= count <= MAX_PUMPS, f"{count} {speed} lives: 0 to {MAX_PUMPS} can be simulated", hint=_HINT)
        _require(any(self.counts.values()), "the plan has no lives", hint=_HINT)

    @classmethod
    def parse(cls, text: str, *, seed: int = 7) -> Self:
        """Read `stress:24,nominal:2`; a speed left out has no lives. Raises SettingsError naming the part."""
        counts = dict.fromkeys(Speed, 0)
        for part in text.split(","):
            name, _, count = part.strip().partition(":")
            _require(name in SPEEDS, f"plan {text!r}: {name!r} is not one of {', '.join(Speed)}", hint=_HINT)
            _require(count.isdecimal(), f"plan {text!r}: {count!r} is not a count of {name} lives", hint=_HINT)
            counts[Speed(name)] += int(count)
        return cls(seed=seed, **{speed.value: count for speed, count in counts.items()})

    @property
    def counts(self) -> dict[Speed, int]:
        """Lives at each speed."""
        return {Speed.STRESS: self.stress, Speed.ACCELERATED: self.accelerated, Speed.NOMINAL: self.nominal}

    def __str__(self) -> str:
        return ",".join(f"{speed}:{count}" for speed, count in self.counts.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """A live fleet. Raises SettingsError for what cannot be.

    speed: sets the interval, and the life of the pumps that fail; the others live at nominal length.
    interval_s: seconds between readings of one pump, where not the speed's.
    failing: pumps that wear out during the run. They start new, `stagger_s` seconds after each other.
    chaos_pumps: pumps with vibration glitches and spells of heat. heatwave: the whole fleet is warmer, all the time.
    repair_after_s: a failed pump starts again as new after so long; None: it stands still.
    """

    pumps: int = 24
    speed: Speed = Speed.STRESS
    interval_s: float | None = None
    failing: int = 5
    chaos_pumps: int = 1
    seed: int = 7
    stagger_s: float = 1.5
    repair_after_s: float | None = None
    heatwave: bool = False

    def __post_init__(self) -> None:
        _require(0 <= self.seed <= MAX_SEED, f"seed {self.seed} is outside 0 to 2**64 - 1")
        _require(1 <= self.pumps <= MAX_PUMPS, f"{self.pumps} pumps: 1 to {MAX_PUMPS} can be simulated")
        for name, count in (("failing", self.failing), ("chaos", self.chaos_pumps)):
            _require(0 <= count <= self.pumps, f"{count} {name} pumps, but the fleet has {self.pumps}")
        _require(0.001 <= self.pace_s <= 3_600, f"an interval of {self.pace_s} s is outside 0.001 to 3600 s")
        _require(0 <= self.stagger_s <= 3_600, f"a stagger of {self.stagger_s} s is outside 0 to 3600 s")
        after_s = self.repair_after_s
        _require(after_s is None or 0 <= after_s <= 1e9, f"a repair after {after_s} s cannot be: 0 to 1e9 s")

    @property
    def pace_s(self) -> float:
        """Seconds between two readings of one pump."""
        return SPEEDS[self.speed].interval_s if self.interval_s is None else self.interval_s
