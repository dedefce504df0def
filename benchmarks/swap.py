"""What a change of the model costs: the longest latency while another version is promoted and taken back."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Final

from benchmarks.bench import Bench, Measured, Turn, say
from benchmarks.figures import Figure
from benchmarks.inference import DEVICES, OUTPUTS, Output, Predictor, predictor
from benchmarks.load import LoadError, Received
from benchmarks.model import another_version, registry_below

NAMES: Final = ("swap_simple", "swap_full")
RATE_HZ: Final = 5_000
# that a promotion is seen in the third of the load that it has
_RELOAD_S: Final = "0.5"
_ACTOR: Final = "benchmarks"
_REASON: Final = "what a change of the model costs"


@dataclass
class Swapped:
    """A service under load. other: the version that is promoted meanwhile. came: of the rounds in which it was."""

    service: Predictor
    other: str
    lasts_s: float
    came: list[Received] = field(default_factory=list)

    def undisturbed_ms(self) -> float:
        """The longest latency of a load through which one model serves."""
        return _told_by(1, self._answer()).max_us / 1e3

    def swapped_ms(self) -> float:
        """The longest latency of the same load through two changes. Raises LoadError where they fell beside it."""
        with ThreadPoolExecutor(1, "swap") as pool:
            swapping = pool.submit(self._swap)
            came = self._answer()
            swapping.result()
        self.came.append(_told_by(2, came))
        return came.max_us / 1e3

    def _answer(self) -> Received:
        return self.service.answer(int(RATE_HZ * self.lasts_s), DEVICES, RATE_HZ)[0]

    def _swap(self) -> None:
        """Promote at a third of the load, roll back at two thirds."""
        began_s = time.monotonic()
        time.sleep(self.lasts_s / 3)
        self.service.registry.promote(self.other, actor=_ACTOR, reason=_REASON)
        time.sleep(max(began_s + self.lasts_s * 2 / 3 - time.monotonic(), 0.0))
        self.service.registry.rollback(actor=_ACTOR, reason=_REASON)

    def details(self) -> dict[str, object]:
        """What came in all rounds with changes: predictions, and how many each version told."""
        versions: dict[str, int] = {}
        for came in self.came:
            for version, told in came.versions.items():
                versions[version] = versions.get(version, 0) + told
        return {"answered": sum(came.received for came in self.came), "versions": versions}


def _told_by(wanted: int, came: Received) -> Received:
    if len(came.versions) != wanted:
        raise LoadError(f"{wanted} model versions were to answer, but it was {came.versions}")
    return came


def measure(bench: Bench) -> Measured:
    """The longest latency with and without changes of the model, in turns at one service for each output."""
    rounds = min(bench.rounds, bench.work.swap_rounds)
    say(f"swap: {RATE_HZ:,} readings/s for {bench.work.swap_s:g} s, without and with two changes of the model")
    registry, load = registry_below(bench), bench.load
    with ExitStack() as stack:
        folder = stack.enter_context(bench.scratch())
        sides: dict[Output, Swapped] = {}
        turns: dict[str, Turn] = {}
        for output in OUTPUTS:
            own = predictor(load, folder / output, registry, output, PDM_INFERENCE_RELOAD_S=_RELOAD_S)
            service = stack.enter_context(own)
            other = another_version(service.registry, folder / output / "staged")
            service.answer(2 * DEVICES, DEVICES)  # once, uncounted: all pumps are known then
            side = sides[output] = Swapped(service, other, bench.work.swap_s)
            turns |= {f"{output} undisturbed": side.undisturbed_ms, f"{output} swapped": side.swapped_ms}
        found = bench.in_turns(turns, rounds)
    return {f"swap_{output}": _figure(output, side, found) for output, side in sides.items()}


def _figure(output: Output, side: Swapped, found: dict[str, list[float]]) -> Figure:
    what = (
        f"longest latency from reading to prediction ({output}) at {RATE_HZ:,} readings a second for"
        f" {side.lasts_s:g} s, while another model is promoted and rolled back"
    )
    values, references = found[f"{output} swapped"], found[f"{output} undisturbed"]
    return Figure("ms", "lower", what, "the same load on the same service without", values, references, side.details())
