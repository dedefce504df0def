"""What a figure is: a value beside a reference, taken in turns, and what it says where something was not there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final, Literal

# what every run tells, in the order in which it is shown, and what it is in a few words
NAMES: Final = {
    "bridge_embedded": "Mosquitto to bridge to SQLite, beside a C receiver that drops everything",
    "bridge_influxdb": "Mosquitto to bridge to InfluxDB, beside the same receiver",
    "inference_simple": "predictions, simple output, beside a C relay without a model",
    "inference_full": "predictions, full output, beside the same relay",
    "latency_simple": "99th percentile at 10,000 readings/s, simple output, beside the relay's",
    "latency_full": "the same, full output",
    "simulate_arrays": "simulated pumps as arrays, two workers, beside numpy drawing noise on one core",
    "simulate_json": "simulated pumps as JSON, two workers, beside msgspec encoding on one core",
    "store_write": "SQLite store, written, beside its bare driver",
    "store_extract": "SQLite store, read into Arrow, beside its bare driver",
    "demo": "`make demo`, beside a fixed scikit-learn training",
}
# what the README does not quote: the same subjects on another server, and what a change of the model costs
FURTHER: Final = {
    "bridge_nats": "embedded broker to bridge to SQLite, beside the receiver there",
    "store_write_influxdb": "InfluxDB store, written, beside curl",
    "store_extract_influxdb": "InfluxDB store, read into Arrow, beside curl",
    "swap_simple": "longest latency while another model is promoted and rolled back, beside the same load without",
    "swap_full": "the same, full output",
}
# what stands alone, and takes so long that it is measured on demand only
STEADY: Final = {
    "steady_bridge_embedded": "growth of the bridge's memory at a steady load, into SQLite",
    "steady_bridge_influxdb": "the same, into InfluxDB",
    "steady_inference": "growth of the inference service's memory at a steady load, full output",
}


class UnavailableError(Exception):
    """Something that a figure needs is not on this machine; the text is the reason."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Values and references of the same rounds, in one unit.

    what, reference_is: what was measured and what it stands beside. better: which direction is. details: further
    values, kept as they are.
    """

    unit: str
    better: Literal["higher", "lower"]
    what: str
    reference_is: str
    values: Sequence[float]
    references: Sequence[float]
    details: Mapping[str, Any] = field(default_factory=dict)

    def ratios(self) -> list[float]:
        """Value by reference, of each round. Raises ValueError where rounds are missing."""
        if not self.values:
            raise ValueError(f"{self.what}: no round was measured")
        return [value / reference for value, reference in zip(self.values, self.references, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """As it stands in latest.json: medians, and the smallest and largest ratio of a round."""
        ratios = self.ratios()
        return {
            "value": _rounded(median(self.values)),
            "unit": self.unit,
            "reference": _rounded(median(self.references)),
            "ratio": _rounded(median(ratios)),
            "spread": [_rounded(min(ratios)), _rounded(max(ratios))],
            "rounds": len(ratios),
            "better": self.better,
            "what": self.what,
            "reference_is": self.reference_is,
            **self.details,
        }


@dataclass(frozen=True, slots=True)
class Alone:
    """One value that nothing stands beside, because it has an aim of its own. why_alone: which one."""

    unit: str
    better: Literal["higher", "lower"]
    what: str
    why_alone: str
    value: float
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in latest.json: no reference, so no ratio either."""
        return {
            **dict.fromkeys(("reference", "ratio", "spread")),
            "value": _rounded(self.value),
            "unit": self.unit,
            "rounds": 1,
            "better": self.better,
            "what": self.what,
            "why_alone": self.why_alone,
            **self.details,
        }


def missing(reason: str) -> dict[str, Any]:
    """A figure that could not be measured."""
    return {**dict.fromkeys(("value", "unit", "reference", "ratio", "spread")), "reason": reason}


Results = dict[str, dict[str, Any]]


def complete(found: Results, reason: str) -> Results:
    """Every figure of a run in the order in which it is shown; what was not measured has this reason."""
    return {name: found.get(name, missing(reason)) for name in (*NAMES, *FURTHER, *STEADY)}


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Write latest.json; the old one stays until the new one is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    temporary.replace(path)


@dataclass(frozen=True, slots=True)
class Batches:
    """What a reading costs by the size of its batch: `each_us`, and `batch_us` shared by all of a batch."""

    each_us: float
    batch_us: float

    @classmethod
    def fitted(cls, us_per_reading: Mapping[int, float]) -> "Batches":
        """The two parts, by least squares of relative errors, none below 0. us_per_reading: by readings a batch."""
        sizes, costs = list(us_per_reading), list(us_per_reading.values())
        weights = [1.0 / cost**2 for cost in costs]
        shares = [1.0 / size for size in sizes]
        total = sum(weights)
        middle = sum(w * x for w, x in zip(weights, shares, strict=True)) / total
        mean = sum(w * y for w, y in zip(weights, costs, strict=True)) / total
        spread = sum(w * (x - middle) ** 2 for w, x in zip(weights, shares, strict=True))
        slope = sum(w * (x - middle) * (y - mean) for w, x, y in zip(weights, shares, costs, strict=True))
        batch_us = max(slope / spread, 0.0)
        return cls(max(mean - batch_us * middle, 0.0), batch_us)

    @property
    def knee(self) -> float | None:
        """Readings a batch from which on the reading itself costs more than its share of the batch."""
        return self.batch_us / self.each_us if self.each_us > 0 else None


def dearer_from(us_per_reading: Mapping[int, float], factor: float = 1.5) -> int | None:
    """The first number of devices at which a reading costs `factor` times the least before it; None: nowhere."""
    least = float("inf")
    for devices in sorted(us_per_reading):
        if us_per_reading[devices] > factor * least:
            return devices
        least = min(least, us_per_reading[devices])
    return None


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
