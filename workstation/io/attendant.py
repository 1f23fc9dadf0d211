"""One reading process and the thread that feeds it, replaces it and tells what went wrong."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import IO, BinaryIO, cast

import workstation
from workstation.io.channel import Message, receive, send

_START_SECONDS = 60.0
_CRASHED = "the reading process stopped while it read the file; the file is probably damaged"
_TIMED_OUT = "reading it took longer than {seconds:g} s"


@dataclass(frozen=True)
class Outcome:
    """What became of one item: ``value``, or the ``reason`` why there is none.

    ``index`` counts the items as they were given; ``details`` is for the fold.
    """

    index: int
    value: Message | None
    reason: str = ""
    details: str = ""


@dataclass
class Run:
    """One call of :meth:`workstation.io.pool.WorkerPool.run`."""

    kind: str
    items: Sequence[Message]
    timeout: float
    memory: int
    outcomes: queue.SimpleQueue[Outcome] = field(default_factory=queue.SimpleQueue)
    dropped: bool = False


@dataclass(order=True)
class Batch:
    """A few items of a run, for one process at a time; sorted by priority, then age."""

    priority: int
    order: int
    run: Run = field(compare=False)
    indices: tuple[int, ...] = field(compare=False)
    retried: bool = field(compare=False, default=False)


class Attendant(threading.Thread):
    """Feeds one process, and replaces it when it breaks."""

    def __init__(self, batches: queue.PriorityQueue[Batch], order: count[int]) -> None:
        super().__init__(name="io-attendant", daemon=True)
        self._batches = batches
        self._order = order
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline: float | None = None
        self._late = False
        self._stopped = False
        self._lock = threading.Lock()
        self.start()

    @property
    def process_id(self) -> int | None:
        """The process that runs now."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def run(self) -> None:
        """Serve batches until told to stop."""
        self._start_process()
        while not self._stopped:
            batch = self._batches.get()
            if batch.indices and not batch.run.dropped:
                self._serve(batch)
        self._end_process()

    def stop(self) -> None:
        """End the process in hand; :meth:`run` then ends by itself."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.kill()

    def kill_if_late(self, now: float) -> None:
        """End a process whose item is past its time."""
        with self._lock:
            if self._deadline is None or now < self._deadline or self._process is None:
                return
            self._late = True
            self._deadline = None
            self._process.kill()

    def _serve(self, batch: Batch) -> None:
        run = batch.run
        self._late = False
        if self._process is None and not self._start_process():
            self._give_up(batch, 0)
            return
        request = {
            "kind": run.kind,
            "memory": run.memory,
            "timeout": run.timeout,
            "items": [run.items[index] for index in batch.indices],
        }
        if not self._send(request):
            self._give_up(batch, 0)
            return
        done = 0
        while done < len(batch.indices):
            message = self._receive(run.timeout)
            if message is None:
                self._give_up(batch, done)
                return
            for answer in message["answers"]:
                run.outcomes.put(_outcome(batch.indices[done], answer))
                done += 1

    def _give_up(self, batch: Batch, done: int) -> None:
        """Replace a process that broke at item ``done`` of the batch or soon after.

        Answers that were to travel with the broken item's are lost, so each item is tried again
        by itself; one that was by itself is tried again once, unless it took too long.
        """
        self._end_process()
        run, broken = batch.run, batch.indices[done]
        if self._stopped:
            return
        if len(batch.indices) > 1:
            for index in batch.indices[done:]:
                self._put(batch, (index,), retried=False)
        elif self._late:
            reason = _TIMED_OUT.format(seconds=run.timeout)
            run.outcomes.put(Outcome(broken, None, reason))
        elif batch.retried:
            run.outcomes.put(Outcome(broken, None, _CRASHED))
        else:
            self._put(batch, (broken,), retried=True)

    def _put(self, batch: Batch, indices: tuple[int, ...], *, retried: bool) -> None:
        order = next(self._order)
        self._batches.put(Batch(batch.priority, order, batch.run, indices, retried))

    def _start_process(self) -> bool:
        with self._lock:
            if self._stopped:
                return False
            self._process = subprocess.Popen(
                _command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=child_environment(),
            )
        if self._receive(_START_SECONDS) is not None:
            return True
        self._end_process()
        return False

    def _send(self, request: Message) -> bool:
        process = self._process
        if process is None or process.stdin is None:
            return False
        try:
            send(_binary(process.stdin), request)
        except (BrokenPipeError, OSError):
            return False
        return True

    def _receive(self, timeout: float) -> Message | None:
        process = self._process
        if process is None or process.stdout is None:
            return None
        self._deadline = time.monotonic() + timeout
        try:
            return receive(_binary(process.stdout))
        except (OSError, ValueError):
            return None
        finally:
            self._deadline = None

    def _end_process(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue
        process.wait()


def end_batch(order: int) -> Batch:
    """Make the batch that wakes an attendant so that it ends."""
    return Batch(0, order, Run("", (), 0.0, 0), ())


def _outcome(index: int, answer: Message) -> Outcome:
    if "value" in answer:
        return Outcome(index, answer["value"])
    return Outcome(index, None, str(answer["refused"]), str(answer.get("details", "")))


def _binary(stream: IO[bytes]) -> BinaryIO:
    return cast("BinaryIO", stream)


def _command() -> list[str]:
    return [sys.executable, "-m", "workstation.io.worker"]


def child_environment() -> dict[str, str]:
    """Let the process find this very package, keep it to one thread, and reuse its memory."""
    folder = str(Path(workstation.__path__[0]).parent)
    paths = [folder, *filter(None, [os.environ.get("PYTHONPATH", "")])]
    return {**os.environ, **_SETTINGS, "PYTHONPATH": os.pathsep.join(paths)}


_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
    # A slice is freed and allocated again for every file: from the heap, not from the kernel.
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(128 << 20),
}
