"""What to simulate: typed, and refused by name where it cannot be done."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from pdm_platform.contract.errors import SettingsError
from simulators.chaos import DISTURBANCES, USUAL
from simulators.episodes import Rule
from simulators.sensors import SENSOR_FAULTS
from simulators.speeds import SPEEDS, Speed

MAX_SEED: Final = 2**64 - 1
MAX_PUMPS: Final = 10_000
MAX_EPISODE_READINGS: Final = 100_000
_HINT: Final = "A plan reads like `stress:60,accelerated:30,nominal:10`."
_RULE_HINT: Final = "It reads like `heatwave:0.002:40`: name, probability at each reading, duration in readings."


def _require(good: bool, what: str, *, hint: str = "") -> None:
    if not good:
        raise SettingsError(what, hint=hint)


def _require_seed(seed: int) -> None:
    _require(0 <= seed <= MAX_SEED, f"seed {seed} is outside 0 to 2**64 - 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class LivesPlan:
    """Whole labelled lives, so many at each speed. Raises SettingsError for counts, shares or a seed out of range.

    sensor_fault_share, disturbance_share: of the lives, those with an episode of a lying sensor, or of a disturbance.
    """

    seed: int = 7
    stress: int = 480
    accelerated: int = 192
    nominal: int = 16
    sensor_fault_share: float = 0.6
    disturbance_share: float = 0.7

    def __post_init__(self) -> None:
        _require_seed(self.seed)
        for speed, count in self.counts.items():
            _require(0 <= count <= MAX_PUMPS, f"{count} {speed} lives: 0 to {MAX_PUMPS} can be simulated", hint=_HINT)
        _require(any(self.counts.values()), "the plan has no lives", hint=_HINT)
        for name, share in (("sensor fault", self.sensor_fault_share), ("disturbance", self.disturbance_share)):
            _require(0 <= share <= 1, f"a {name} share of {share} is outside 0 to 1")

    @classmethod
    def parse(
        cls, text: str, *, seed: int = 7, sensor_fault_share: float = 0.6, disturbance_share: float = 0.7
    ) -> Self:
        """Read `stress:24,nominal:2`; a speed left out has no lives. Raises SettingsError naming the part."""
        counts = dict.fromkeys(Speed, 0)
        for part in text.split(","):
            name, _, count = part.strip().partition(":")
            _require(name in SPEEDS, f"plan {text!r}: {name!r} is not one of {', '.join(Speed)}", hint=_HINT)
            _require(count.isdecimal(), f"plan {text!r}: {count!r} is not a count of {name} lives", hint=_HINT)
            counts[Speed(name)] += int(count)
        return cls(
            seed=seed,
            sensor_fault_share=sensor_fault_share,
            disturbance_share=disturbance_share,
            **{speed.value: count for speed, count in counts.items()},
        )

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
    chaos_pumps: pumps that meet what `chaos` and `sensor_faults` say. heatwave: the whole fleet is warmer, always.
    wearing: False for a fleet that stays as new, to count false alarms on; then none can be `failing`.
    repair_after_s: a failed pump starts again, as new or nearly, after so long; None: it stands still.
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
    chaos: tuple[Rule, ...] = USUAL
    sensor_faults: tuple[Rule, ...] = ()
    wearing: bool = True

    def __post_init__(self) -> None:
        _require_seed(self.seed)
        _require(1 <= self.pumps <= MAX_PUMPS, f"{self.pumps} pumps: 1 to {MAX_PUMPS} can be simulated")
        for name, count in (("failing", self.failing), ("chaos", self.chaos_pumps)):
            _require(0 <= count <= self.pumps, f"{count} {name} pumps, but the fleet has {self.pumps}")
        _require(self.wearing or self.failing == 0, f"{self.failing} pumps cannot fail in a fleet that does not wear")
        _require(0.001 <= self.pace_s <= 3_600, f"an interval of {self.pace_s} s is outside 0.001 to 3600 s")
        _require(0 <= self.stagger_s <= 3_600, f"a stagger of {self.stagger_s} s is outside 0 to 3600 s")
        after_s = self.repair_after_s
        _require(after_s is None or 0 <= after_s <= 1e9, f"a repair after {after_s} s cannot be: 0 to 1e9 s")

    @property
    def pace_s(self) -> float:
        """Seconds between two readings of one pump."""
        return SPEEDS[self.speed].interval_s if self.interval_s is None else self.interval_s


def parse_chaos(texts: Sequence[str]) -> tuple[Rule, ...]:
    """Read `heatwave:0.002:40`, one of Disturbance. Raises SettingsError naming the part that cannot be."""
    return tuple(_rule(text, "disturbance", [kind.value for kind in DISTURBANCES]) for text in texts)


def parse_sensor_faults(texts: Sequence[str]) -> tuple[Rule, ...]:
    """Read `freeze:0.002:40`, one of SensorFault. Raises SettingsError naming the part that cannot be."""
    return tuple(_rule(text, "sensor fault", [kind.value for kind in SENSOR_FAULTS]) for text in texts)


def _rule(text: str, what: str, names: list[str]) -> Rule:
    parts = text.split(":")
    _require(len(parts) == 3, f"{what} {text!r} has {len(parts)} parts instead of 3", hint=_RULE_HINT)
    name, chance, readings = (part.strip() for part in parts)
    _require(name in names, f"{what} {text!r}: {name!r} is not one of {', '.join(names)}", hint=_RULE_HINT)
    probability = _number(chance)
    good = 0.0 < probability <= 1.0
    _require(good, f"{what} {text!r}: {chance!r} is not a probability above 0 and up to 1", hint=_RULE_HINT)
    good = readings.isdecimal() and 1 <= int(readings) <= MAX_EPISODE_READINGS
    _require(good, f"{what} {text!r}: {readings!r} is not 1 to {MAX_EPISODE_READINGS} readings", hint=_RULE_HINT)
    return Rule(names.index(name), probability, int(readings))


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
