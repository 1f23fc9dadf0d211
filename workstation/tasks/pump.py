"""The model's thread: it builds the engine, takes requests and streams their events.

Events reach the GUI thread with their ticket, tokens at most thirty times a second. What
belongs to a cancelled ticket is dropped on both sides, so a late word never lands on
another study.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Iterator
from threading import Event, Lock

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot
from shiboken6 import Shiboken

from model_runtime import api
from model_runtime.errors import place_of
from workstation.core.errors import ModelError, TomoscribeError
from workstation.tasks.leaving import at_leaving

_LOG = logging.getLogger(__name__)
_TOKEN_SECONDS = 1 / 30
_CLOSE_MILLISECONDS = 3000
# Two models may not fit into memory together; one that hangs must not keep another from loading.
_PREVIOUS_MILLISECONDS = 20_000
_LAST = api.Done | api.Failed | api.Stopped

EngineFactory = Callable[[], api.Engine]


class _Thread(QThread):
    """Builds the engine and answers requests until told to end."""

    loaded = Signal(int, object)
    load_failed = Signal(int, object)
    events = Signal(int, int, object)

    def __init__(
        self, factory: EngineFactory, generation: int, previous: QThread | None = None
    ) -> None:
        super().__init__()
        self._previous = previous
        self._ended = Event()
        self.setObjectName(f"model {generation}")
        self._factory = factory
        self._generation = generation
        self._requests: queue.SimpleQueue[tuple[api.Request, Event] | None] = queue.SimpleQueue()
        self._cancels: dict[int, Event] = {}
        self._lock = Lock()

    def submit(self, request: api.Request) -> None:
        cancelled = Event()
        with self._lock:
            self._cancels[request.ticket] = cancelled
        self._requests.put((request, cancelled))

    def cancel(self, ticket: int) -> None:
        with self._lock:
            cancelled = self._cancels.get(ticket)
        if cancelled is not None:
            cancelled.set()

    def end(self) -> None:
        self._ended.set()
        with self._lock:
            for cancelled in self._cancels.values():
                cancelled.set()
        self._requests.put(None)

    def run(self) -> None:
        """Load, then answer until told to end; whatever fails becomes a signal."""
        previous, self._previous = self._previous, None
        if previous is not None and not previous.wait(_PREVIOUS_MILLISECONDS):
            _LOG.warning("the model before still runs while another is loaded")
        if self._ended.is_set():
            return
        try:
            engine = self._factory()
            info = engine.info
        except TomoscribeError as error:
            self.load_failed.emit(self._generation, error)
            return
        # The thread's border: an engine's maker may fail in any way, and what leaves run() would be
        # lost with the thread. The fault becomes a signal, and the log gets its place.
        except Exception as error:  # noqa: BLE001
            _LOG.error(
                "the model could not be loaded: %s at %s", type(error).__name__, place_of(error)
            )
            told = ModelError("The model could not be loaded.", repr(error))
            self.load_failed.emit(self._generation, told)
            return
        self.loaded.emit(self._generation, info)
        while (job := self._requests.get()) is not None:
            self._answer(engine, *job)
        try:
            engine.close()
        # The thread's border again; nobody is left to tell, so the log alone hears of it.
        except Exception as error:  # noqa: BLE001
            _LOG.warning(
                "the model did not close cleanly: %s at %s", type(error).__name__, place_of(error)
            )

    def _answer(self, engine: api.Engine, request: api.Request, cancelled: Event) -> None:
        if cancelled.is_set():
            self.events.emit(self._generation, request.ticket, [api.Stopped()])
        else:
            for batch in _batched(_safely(engine, request, cancelled)):
                self.events.emit(self._generation, request.ticket, batch)
        with self._lock:
            self._cancels.pop(request.ticket, None)


def _safely(engine: api.Engine, request: api.Request, cancelled: Event) -> Iterator[api.Event]:
    """Stream up to the last event; a fault of the engine becomes that last event."""
    try:
        for event in engine.stream(request, cancelled):
            yield event
            if isinstance(event, _LAST):
                return
        yield api.Failed("The model ended without an answer; try again.")
    # The thread's border: an engine may fail in any way, and the thread lives on for the next
    # request. The fault becomes the last event, and the log gets its place.
    except Exception as error:  # noqa: BLE001
        _LOG.error("the engine failed: %s at %s", type(error).__name__, place_of(error))
        yield api.Failed("The model stopped unexpectedly; try again.", repr(error))


def _batched(events: Iterator[api.Event]) -> Iterator[list[api.Event]]:
    """Gather tokens of a thirtieth of a second; anything else goes out at once, in order."""
    held: list[api.Event] = []
    sent = time.monotonic()
    for event in events:
        held.append(event)
        now = time.monotonic()
        if not isinstance(event, api.Token) or now - sent >= _TOKEN_SECONDS:
            yield held
            held, sent = [], now
    if held:
        yield held


class Pump(QObject):
    """The window's end of the model's thread.

    Signals
    -------
    loaded(ModelInfo), load_failed(TomoscribeError)
        What became of the engine.
    told(int, Event)
        An event of a request that has not been cancelled, with its ticket.
    stopped(int)
        A cancelled request has come to its end.
    """

    loaded = Signal(object)
    load_failed = Signal(object)
    told = Signal(int, object)
    stopped = Signal(int)

    def __init__(self, factory: EngineFactory, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._ticket = 0
        self._open: set[int] = set()
        self._cancelled: set[int] = set()
        self._fault: TomoscribeError | None = None
        self._generation = 0
        self._thread = self._started(factory)

    def _started(self, factory: EngineFactory, previous: _Thread | None = None) -> _Thread:
        self._generation += 1
        thread = _Thread(factory, self._generation, previous)
        queued = Qt.ConnectionType.QueuedConnection
        thread.loaded.connect(self._on_loaded, queued)
        thread.load_failed.connect(self._on_load_failed, queued)
        thread.events.connect(self._on_events, queued)
        _LIVE[:] = [each for each in _LIVE if not each.isFinished()] + [thread]
        thread.start(QThread.Priority.LowPriority)
        return thread

    def next_ticket(self) -> int:
        """Give a number to a new request."""
        self._ticket += 1
        return self._ticket

    @property
    def is_busy(self) -> bool:
        """Whether a request is on its way or waiting."""
        return bool(self._open)

    def submit(self, request: api.Request) -> int:
        """Queue a request; returns its ticket."""
        self._open.add(request.ticket)
        if self._fault is not None:
            QTimer.singleShot(0, self._refuse_open)
        else:
            self._thread.submit(request)
        return request.ticket

    def cancel(self, ticket: int) -> None:
        """Stop a request; nothing more comes from it but ``stopped``."""
        if ticket in self._open:
            self._cancelled.add(ticket)
            self._thread.cancel(ticket)

    def cancel_all(self) -> None:
        """Stop every request, as when another study is opened."""
        for ticket in tuple(self._open):
            self.cancel(ticket)

    def restart(self, factory: EngineFactory) -> None:
        """Load another model; the requests under way are stopped.

        The old engine ends at its next token, and its memory is free before the new one loads;
        what it still says is dropped.
        """
        self._thread.end()
        dropped, self._open = sorted(self._open), set()
        self._cancelled.clear()
        self._fault = None
        self._thread = self._started(factory, self._thread)
        for ticket in dropped:
            self.stopped.emit(ticket)

    def close(self, milliseconds: int = _CLOSE_MILLISECONDS) -> bool:
        """End the thread; tells whether it ended in time, and never hangs."""
        self._open.clear()
        self._fault = ModelError("The model has been closed.")
        self._generation += 1  # whatever still comes is from the past
        self._thread.end()
        return bool(self._thread.wait(milliseconds))

    @Slot(int, object)
    def _on_loaded(self, generation: int, info: api.ModelInfo) -> None:
        if generation == self._generation:
            self.loaded.emit(info)

    @Slot(int, object)
    def _on_load_failed(self, generation: int, error: TomoscribeError) -> None:
        if generation == self._generation:
            self._fault = error
            self.load_failed.emit(error)
            self._refuse_open()

    @Slot()
    def _refuse_open(self) -> None:
        """Answer what is open with the reason why there is no model."""
        fault = self._fault
        waiting, self._open = sorted(self._open), set()
        cancelled, self._cancelled = self._cancelled, set()
        for ticket in waiting:
            if ticket in cancelled:
                self.stopped.emit(ticket)
            elif fault is not None:
                self.told.emit(ticket, api.Failed(fault.message, fault.details))

    @Slot(int, int, object)
    def _on_events(self, generation: int, ticket: int, events: list[api.Event]) -> None:
        for event in events:
            # Looked at for each event: what hears one may cancel or restart.
            if generation != self._generation or ticket not in self._open:
                return
            if isinstance(event, _LAST):
                self._open.discard(ticket)
            if ticket not in self._cancelled:
                self.told.emit(ticket, event)
            elif isinstance(event, _LAST):
                self._cancelled.discard(ticket)
                self.stopped.emit(ticket)


# A thread must outlive the objects that used it: Qt aborts the program over a running one.
_LIVE: list[_Thread] = []


@at_leaving
def end_all(milliseconds: int) -> bool:
    """End every engine's thread; tells whether all ended in time."""
    running = [thread for thread in _LIVE if Shiboken.isValid(thread) and thread.isRunning()]
    for thread in running:
        thread.end()
    return all([thread.wait(milliseconds) for thread in running])  # noqa: C419  each is waited for
