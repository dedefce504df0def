"""Measures every part beside its reference: `python -m benchmarks`, or `make bench`.

Writes var/bench/latest.json after each subject, and a plot at the end; docs/performance.md says how to read it, and
`python -m benchmarks.report` puts it there. Progress goes to stderr, a table to stdout.
"""

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from benchmarks import bridge, demo, flames, growth, inference, machine, plot, simulators, steady, store, swap
from benchmarks.bench import FULL, QUICK, Bench, Measured, say
from benchmarks.figures import Results, UnavailableError, complete, missing, write
from benchmarks.report import LATEST, figures_table, measured_any, steady_table
from pdm_platform.local.processes import interrupt_on_signals

Subject = tuple[tuple[str, ...], Callable[[Bench], Measured]]
SUBJECTS: Final[dict[str, Subject]] = {
    "bridge": (bridge.NAMES, bridge.measure),
    "inference": (inference.NAMES, inference.measure),
    "latency": (inference.LATENCY_NAMES, inference.measure_latency),
    "swap": (swap.NAMES, swap.measure),
    "simulators": (simulators.NAMES, simulators.measure),
    "store": (store.NAMES, store.measure),
    "demo": (demo.NAMES, demo.measure),
}
GROWTH: Final = "growth"
STEADY: Final = "steady"
STEADY_PARTS: Final[dict[str, Subject]] = {name: ((name,), part) for name, part in steady.PARTS.items()}
_ALL: Final = {**SUBJECTS, **STEADY_PARTS}
ON_DEMAND: Final = missing("half an hour: only with --only steady")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    description, _, epilog = (__doc__ or "").partition("\n")
    made = argparse.ArgumentParser("python -m benchmarks", description=description, epilog=epilog)
    only = "this subject; may be repeated. `steady` takes half an hour and is measured with this option only"
    made.add_argument("--only", action="append", choices=[*SUBJECTS, GROWTH, STEADY], help=only)
    made.add_argument("--rounds", type=_count, default=5, help="of each figure and its reference (default %(default)s)")
    made.add_argument("--demo-rounds", type=_count, help="of the demo, minutes each (default: as --rounds)")
    made.add_argument("--profile", action="store_true", help="flame graphs of bridge and inference, nothing else")
    made.add_argument("--quick", action="store_true", help="a small part of the work: its figures mean nothing")
    made.add_argument("--out", type=Path, default=LATEST, help="default var/bench/latest.json")
    return made


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return value


def main() -> int:
    """Measure. Returns 0 where nothing failed; a part that is not on this machine is no failure."""
    given = parser().parse_args()
    interrupt_on_signals()
    for name in [name for name in os.environ if name.startswith("PDM_")]:
        # what is set for a plant must neither bend a figure nor be touched by it
        del os.environ[name]
    bench = Bench(given.out.parent, given.rounds, given.demo_rounds or given.rounds, QUICK if given.quick else FULL)
    if given.profile:
        print("\n".join(str(path) for path in flames.measure(bench)))
        return 0
    wanted = given.only or [*SUBJECTS, GROWTH]
    run = Run(given.out, bench, f"not measured: --only {' '.join(wanted)}" if given.only else "not measured yet")
    for name in wanted:
        for subject in STEADY_PARTS if name == STEADY else [name]:
            run.measure(subject)
    plot.draw(run.latest, given.out.with_suffix(".png"))
    print(figures_table(run.latest))
    if measured_any(run.latest, STEADY_PARTS):
        print(steady_table(run.latest))
    say(f"{given.out}, {given.out.with_suffix('.png')}")
    return 1 if run.failed else 0


class Run:
    """What has been measured so far, on disk after each subject: a later failure costs no earlier figure."""

    def __init__(self, out: Path, bench: Bench, unmeasured: str) -> None:
        self._out, self._bench, self._unmeasured = out, bench, unmeasured
        self._found: Results = dict.fromkeys(STEADY_PARTS, ON_DEMAND)
        self._growth: dict[str, Any] | None = None
        self._facts = {
            "taken_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "rounds": bench.rounds,
            "quick": bench.work == QUICK,
            "machine": machine.facts(),
        }
        self.failed = False

    @property
    def latest(self) -> dict[str, Any]:
        """What latest.json holds."""
        return {**complete(self._found, self._unmeasured), GROWTH: self._growth, **self._facts}

    def measure(self, subject: str) -> None:
        """One subject; where something is missing or fails, its figures say so."""
        names = () if subject == GROWTH else _ALL[subject][0]
        try:
            self._measure(subject)
        except UnavailableError as error:
            say(f"{subject}: {error}")
            self._found.update({name: missing(str(error)) for name in names})
        except Exception as error:  # whatever it was, the other subjects are still worth measuring
            traceback.print_exc()
            self.failed = True
            reason = (str(error) or repr(error)).splitlines()[0]
            self._found.update({name: missing(f"failed: {reason}") for name in names})
        write(self._out, self.latest)

    def _measure(self, subject: str) -> None:
        if subject == GROWTH:
            self._growth = growth.measure(self._bench)
            return
        for name, found in _ALL[subject][1](self._bench).items():
            self._found[name] = missing(found) if isinstance(found, str) else found.to_dict()


if __name__ == "__main__":
    sys.exit(main())
