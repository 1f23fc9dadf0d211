"""Warm reading processes: what a broken file can hurt is one process, never the window."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import count
from types import TracebackType

from workstation.io.attendant import Attendant, Batch, Outcome, Run, end_batch
from workstation.io.channel import Message

__all__ = ["Outcome", "WorkerPool"]

_ONE_FILE = 1 << 30


class WorkerPool:
    """A few reading processes with memory and time limits.

    Starting returns at once; the processes warm up by themselves. A process that crashes,
    hangs or is killed costs at most the file in hand and is replaced.

    Parameters
    ----------
    size : int
        Number of processes.
    timeout : float
        Seconds that one file may take.
    memory : int
        Bytes that one file may take beyond the idle process.
    """

    def __init__(self, size: int = 2, timeout: float = 10.0, memory: int = _ONE_FILE) -> None:
        self.timeout = timeout
        self.memory = memory
        self._batches: queue.PriorityQueue[Batch] = queue.PriorityQueue()
        self._order = count()
        self._attendants = [Attendant(self._batches, self._order) for _ in range(size)]
        self._closed = threading.Event()
        self._watch = threading.Thread(target=self._kill_late, name="io-watch", daemon=True)
        self._watch.start()

    @property
    def size(self) -> int:
        """Number of processes."""
        return len(self._attendants)

    @property
    def process_ids(self) -> tuple[int, ...]:
        """The processes that run now."""
        return tuple(pid for one in self._attendants if (pid := one.process_id) is not None)

    def run(
        self,
        kind: str,
        items: Sequence[Message],
        cancelled: threading.Event,
        *,
        priority: int = 1,
        batch: int = 1,
        timeout: float | None = None,
        memory: int | None = None,
    ) -> Iterator[Outcome]:
        """Do a job of :mod:`workstation.io.worker` for every item, yielding as they finish.

        A smaller ``priority`` is served first; ``batch`` items go to a process at a time.
        Ends early, without error, once ``cancelled`` is set.
        """
        run = Run(kind, items, timeout or self.timeout, memory or self.memory)
        for start in range(0, len(items), batch):
            indices = tuple(range(start, min(start + batch, len(items))))
            self._batches.put(Batch(priority, next(self._order), run, indices))
        try:
            for _ in items:
                outcome = self._next(run, cancelled)
                if outcome is None:
                    return
                yield outcome
        finally:
            run.dropped = True

    def close(self) -> None:
        """End the processes; pending items are dropped."""
        if self._closed.is_set():
            return
        self._closed.set()
        for attendant in self._attendants:
            attendant.stop()
        for _ in self._attendants:
            self._batches.put(end_batch(next(self._order)))
        for attendant in self._attendants:
            attendant.join(timeout=5.0)
        self._watch.join(timeout=5.0)

    def __enter__(self) -> WorkerPool:
        """Give the pool itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the processes."""
        self.close()

    def _next(self, run: Run, cancelled: threading.Event) -> Outcome | None:
        while not (cancelled.is_set() or self._closed.is_set()):
            try:
                return run.outcomes.get(timeout=0.05)
            except queue.Empty:
                continue
        return None

    def _kill_late(self) -> None:
        while not self._closed.wait(0.1):
            now = time.monotonic()
            for attendant in self._attendants:
                attendant.kill_if_late(now)
