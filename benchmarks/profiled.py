"""Runs a command of pdmctl and samples where its threads spend processor time.

    python -m benchmarks.profiled var/bench/flame-bridge.svg bridge

A thread of its own looks at all stacks and weighs each by the processor time that its thread used since the last look,
so that waiting costs nothing and work in C counts for the function that called it. The service itself knows of none of
this.
"""

import re
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from benchmarks import flame
from pdm_platform.cli import main as pdmctl

_EVERY_S: Final = 0.004
# threads that come and go are one
_NUMBERED: Final = re.compile(r"^Thread-\d+")


class Sampler:
    """Collects stacks until stopped. stacks: microseconds of processor time, by stack."""

    def __init__(self) -> None:
        self.stacks: Counter[str] = Counter()
        self._stop = threading.Event()
        self._used_ns: dict[int, int] = {}
        self._thread = threading.Thread(target=self._run, name="sampler", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; from then on nothing changes."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        own = threading.get_ident()
        while not self._stop.wait(_EVERY_S):
            frames = sys._current_frames()
            names = {thread.ident: thread.name for thread in threading.enumerate()}
            for ident, frame in frames.items():
                # a thread that is not among them may have ended, and its clock with it
                if ident != own and ident in names:
                    self._count(ident, names[ident], frame)

    def _count(self, ident: int, name: str, frame: FrameType) -> None:
        used_ns = time.clock_gettime_ns(time.pthread_getcpuclockid(ident))
        since_us = (used_ns - self._used_ns.get(ident, used_ns)) // 1_000
        self._used_ns[ident] = used_ns
        stack = stack_of(frame)
        # what is imported at the start is paid once, and no reading's cost
        if since_us > 0 and not any(function.startswith("importlib.") for function in stack):
            self.stacks[";".join([_NUMBERED.sub("Thread", name), *stack])] += since_us


def stack_of(frame: FrameType | None) -> list[str]:
    """Functions from the outermost to this one, each with its module."""
    names = []
    while frame is not None:
        module = frame.f_globals.get("__name__", "?")
        names.append(f"{module}.{frame.f_code.co_qualname}")
        frame = frame.f_back
    return names[::-1]


def main() -> None:
    """Run the command; leave the picture when it ends, however it ends."""
    if len(sys.argv) < 3:
        sys.exit("python -m benchmarks.profiled FLAME.svg COMMAND ...")
    path, arguments = Path(sys.argv[1]), sys.argv[2:]
    sys.argv = ["pdmctl", *arguments]
    sampler = Sampler()
    sampler.start()
    try:
        pdmctl()
    finally:
        sampler.stop()
        flame.write(sampler.stacks, path, f"pdmctl {' '.join(arguments)}: processor time")


if __name__ == "__main__":
    main()
