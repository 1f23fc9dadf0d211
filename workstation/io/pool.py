"""Warm reading processes: what a broken file can hurt is one process, never the window."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

import workstation
from workstation.io.channel import Message, receive, send

_ONE_FILE = 1 << 30
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
class _Run:
    """One call of :meth:`WorkerPool.run`."""

    kind: str
    items: Sequence[Message]
    timeout: float
    memory: int
    outcomes: queue.SimpleQueue[Outcome] = field(default_factory=queue.SimpleQueue)
    dropped: bool = False


@dataclass(order=True)
class _Batch:
    priority: int
    order: int
    run: _Run = field(compare=False)
    indices: tuple[int, ...] = field(compare=False)
    retried: bool = field(compare=False, default=False)


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
        self._batches: queue.PriorityQueue[_Batch] = queue.PriorityQueue()
        self._order = count()
        self._attendants = [_Attendant(self._batches, self._order) for _ in range(size)]
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
        run = _Run(kind, items, timeout or self.timeout, memory or self.memory)
        for start in range(0, len(items), batch):
            indices = tuple(range(start, min(start + batch, len(items))))
            self._batches.put(_Batch(priority, next(self._order), run, indices))
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
        for attendant in self._attendants:
            self._batches.put(_end(next(self._order)))
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

    def _next(self, run: _Run, cancelled: threading.Event) -> Outcome | None:
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


class _Attendant(threading.Thread):
    """Feeds one process, and replaces it when it breaks."""

    def __init__(self, batches: queue.PriorityQueue[_Batch], order: count[int]) -> None:
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

    def _serve(self, batch: _Batch) -> None:
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
        for done, index in enumerate(batch.indices):
            answer = self._receive(run.timeout)
            if answer is None:
                self._give_up(batch, done)
                return
            run.outcomes.put(_outcome(index, answer))

    def _give_up(self, batch: _Batch, done: int) -> None:
        """The process broke at item ``done`` of the batch: try that one again alone, once."""
        self._end_process()
        run, broken = batch.run, batch.indices[done]
        if self._stopped:
            return
        if self._late:
            reason = _TIMED_OUT.format(seconds=run.timeout)
            run.outcomes.put(Outcome(broken, None, reason))
        elif batch.retried:
            run.outcomes.put(Outcome(broken, None, _CRASHED))
        else:
            self._put(batch, (broken,), retried=True)
        if rest := batch.indices[done + 1 :]:
            self._put(batch, rest, retried=False)

    def _put(self, batch: _Batch, indices: tuple[int, ...], *, retried: bool) -> None:
        order = next(self._order)
        self._batches.put(_Batch(batch.priority, order, batch.run, indices, retried))

    def _start_process(self) -> bool:
        with self._lock:
            if self._stopped:
                return False
            self._process = subprocess.Popen(
                _command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(),
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


def _end(order: int) -> _Batch:
    """Make the batch that wakes an attendant so that it ends."""
    return _Batch(0, order, _Run("", (), 0.0, 0), ())


def _outcome(index: int, answer: Message) -> Outcome:
    if "value" in answer:
        return Outcome(index, answer["value"])
    return Outcome(index, None, str(answer["refused"]), str(answer.get("details", "")))


def _binary(stream: Any) -> BinaryIO:
    binary: BinaryIO = stream
    return binary


def _command() -> list[str]:
    return [sys.executable, "-m", "workstation.io.worker"]


def _environment() -> dict[str, str]:
    """Let the process find this very package, and keep it to one thread."""
    folder = str(Path(workstation.__path__[0]).parent)
    paths = [folder, *filter(None, [os.environ.get("PYTHONPATH", "")])]
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    return {**os.environ, **threads, "PYTHONPATH": os.pathsep.join(paths), "MALLOC_ARENA_MAX": "2"}
