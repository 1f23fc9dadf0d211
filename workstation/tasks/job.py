"""Finite work off the GUI thread, as a value with signals.

A job is a function that is given a ``cancelled`` event and yields steps; each step comes
back to the GUI thread. Once a job is cancelled nothing more comes from it but ``ended``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from threading import Event
from typing import Any, TypeAlias

from PySide6.QtCore import QObject, QRunnable, Qt, QThreadPool, QTimer, Signal, Slot

from model_runtime.errors import place_of
from workstation.core.errors import CancelledError, TomoscribeError
from workstation.tasks.leaving import at_leaving

_LOG = logging.getLogger(__name__)
Step: TypeAlias = Any
Work: TypeAlias = Callable[[Event], Iterator[Step]]


class _Wire(QObject):
    """Carries a worker's words across threads; lives in the GUI thread."""

    step = Signal(object)
    failed = Signal(object)
    ended = Signal()


class _Runnable(QRunnable):
    def __init__(self, work: Work, cancelled: Event, wire: _Wire) -> None:
        super().__init__()
        # It is the job's, so that it ends with it: the pool would end it, and what only it holds
        # of Qt's objects, in the worker's thread.
        self.setAutoDelete(False)
        self._work, self._cancelled, self._wire = work, cancelled, wire

    def run(self) -> None:
        """Iterate the work; every fault becomes a signal."""
        try:
            for step in self._work(self._cancelled):
                if self._cancelled.is_set():
                    break
                self._wire.step.emit(step)
        except CancelledError:
            pass
        except TomoscribeError as error:
            self._wire.failed.emit(error)
        # The thread's border: a job may be any work, and what leaves run() would be lost with the
        # thread. The fault becomes a signal, and the log gets its place.
        except Exception as error:  # noqa: BLE001
            _LOG.error("a background job failed: %s at %s", type(error).__name__, place_of(error))
            told = TomoscribeError("Something went wrong in the background.", repr(error))
            self._wire.failed.emit(told)
        finally:
            self._wire.ended.emit()


class Job(QObject):
    """One piece of work.

    Signals
    -------
    step(object)
        What the work yielded, in order.
    failed(TomoscribeError)
        Why it could not go on.
    finished()
        It went through, uncancelled and without a fault.
    ended()
        The last word in any case.
    """

    step = Signal(object)
    failed = Signal(object)
    finished = Signal()
    ended = Signal()

    def __init__(self, work: Work, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._cancelled = Event()
        self._failed = False
        self._wire = _Wire()
        self._runnable = _Runnable(work, self._cancelled, self._wire)
        queued = Qt.ConnectionType.QueuedConnection
        self._wire.step.connect(self._on_step, queued)
        self._wire.failed.connect(self._on_failed, queued)
        self._wire.ended.connect(self._on_ended, queued)

    def start(self) -> Job:
        """Begin in the pool of jobs."""
        _RUNNING.add(self)
        _POOL.start(self._runnable)
        return self

    def cancel(self) -> None:
        """Ask the work to stop; from now on its steps are dropped."""
        self._cancelled.set()

    @property
    def is_cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return self._cancelled.is_set()

    @Slot(object)
    def _on_step(self, step: Step) -> None:
        if not self._cancelled.is_set():
            self.step.emit(step)

    @Slot(object)
    def _on_failed(self, error: TomoscribeError) -> None:
        self._failed = True
        if not self._cancelled.is_set():
            self.failed.emit(error)

    @Slot()
    def _on_ended(self) -> None:
        if not self._failed and not self._cancelled.is_set():
            self.finished.emit()
        self.ended.emit()
        _RUNNING.discard(self)
        _ENDED.add(self)
        QTimer.singleShot(_LINGERING_MILLISECONDS, partial(_ENDED.discard, self))


# A job nobody holds must still live until its worker has said its last word, and some time
# longer: the worker is still on its way out of it then, and so is this thread. Destroyed under
# either, it took the program down once in some ten thousand jobs.
_RUNNING: set[Job] = set()
_ENDED: set[Job] = set()
_LINGERING_MILLISECONDS = 1000
# More threads than cores: jobs mostly wait for disks, and one that is stuck must not block others.
_POOL = QThreadPool()
_POOL.setMaxThreadCount(8)


@at_leaving
def cancel_all(milliseconds: int = 5000) -> bool:
    """Cancel every running job and wait; tells whether all ended in time."""
    for job in list(_RUNNING):
        job.cancel()
    return _POOL.waitForDone(milliseconds)
