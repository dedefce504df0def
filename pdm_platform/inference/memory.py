"""What the service remembers of the fleet, and keeps on disk: a snapshot now and then, and a journal in between."""

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from pdm_platform.inference import snapshot
from pdm_platform.inference.journal import Entry, Journal
from pdm_platform.runtime.mqtt import Message

log = logging.getLogger(__name__)


class FleetMemory:
    """The state of all pumps as of the acknowledged readings, restored exactly after a kill.

    keeps: whether anything is written; where no output depends on the state, nothing need be.
    """

    def __init__(self, folder: Path, *, keeps: bool = True) -> None:
        self._keeps = keeps
        self._path = folder / "state.npz"
        self._journal = Journal(folder)
        self.state, self._number = snapshot.restore(self._path)
        self._writer = ThreadPoolExecutor(1, "snapshot")
        self._writing: Future[None] | None = None
        self.fault: str | None = None

    def since_snapshot(self) -> Iterator[Entry]:
        """What was answered after the snapshot was taken: to be answered again in silence, before anything else."""
        return self._journal.read(self._number) if self._keeps else iter(())

    def before_snapshot(self) -> Iterator[Entry]:
        """What was answered shortly before: part of the state, though its acknowledgements may have got lost."""
        return self._journal.read(0, before=self._number) if self._keeps else iter(())

    def note(self, model_version: str, batch: Sequence[Message], stale_before_ns: int = 0) -> None:
        """A batch is answered and about to be acknowledged. stale_before_ns: as in `journal.Entry`."""
        if not self._keeps:
            return
        self._guarded(lambda: self._journal.append(model_version, batch, stale_before_ns))

    def save(self, *, wait: bool = False) -> None:
        """Take a snapshot of what was acknowledged; it is written meanwhile, unless `wait`."""
        if not self._keeps:
            return
        if self._writing is not None and not self._writing.done() and not wait:
            return  # a slow disk: the journal goes on
        # a kill may have left a journal whose snapshot was never whole: its number must not come again
        before, number = self._number, max(self._number, self._journal.last()) + 1
        self._number = number
        self._guarded(lambda: self._journal.begin(number))
        arrays = snapshot.to_arrays(self.state, number)
        self._writing = self._writer.submit(self._guarded, lambda: self._write(arrays, before))
        if wait:
            self._writing.result()

    def close(self, *, save: bool) -> None:
        """End, with a last snapshot or with what is on the disk."""
        if save:
            self.save(wait=True)
        self._writer.shutdown()
        self._journal.close()

    def _write(self, arrays: snapshot.Arrays, before: int) -> None:
        snapshot.save(arrays, self._path)
        self._journal.forget_before(before)
        self.fault = None

    def _guarded(self, action: Callable[[], None]) -> None:
        try:
            action()
        except OSError as error:
            # predictions matter more than baselines after a restart: a full disk must not end the service
            if self.fault is None:
                log.error("snapshot: cannot write below %r: %s", str(self._path.parent), error.strerror)
            self.fault = f"cannot write below {str(self._path.parent)!r}: {error.strerror}"
