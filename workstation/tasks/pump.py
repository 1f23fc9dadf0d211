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

from model_runtime import api
from workstation.core.errors import ModelError, TomoscribeError

_LOG = logging.getLogger(__name__)
_TOKEN_SECONDS = 1 / 30
_CLOSE_MILLISECONDS = 3000

EngineFactory = Callable[[], api.Engine]


class _Thread(QThread):
    """Builds the engine and answers requests until told to end."""

    loaded = Signal(object)
    load_failed = Signal(object)
    events = Signal(int, object)

    def __init__(self, factory: EngineFactory) -> None:
        super().__init__()
        self._factory = factory
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
        with self._lock:
            for cancelled in self._cancels.values():
                cancelled.set()
        self._requests.put(None)

    def run(self) -> None:
        try:
            engine = self._factory()
        except TomoscribeError as error:
            self.load_failed.emit(error)
            return
        except Exception as error:  # noqa: BLE001  an engine may fail in any way; the window goes on
            _LOG.error("the model could not be loaded: %s", type(error).__name__)
            self.load_failed.emit(ModelError("The model could not be loaded.", repr(error)))
            return
        self.loaded.emit(engine.info)
        while (job := self._requests.get()) is not None:
            self._answer(engine, *job)
        engine.close()

    def _answer(self, engine: api.Engine, request: api.Request, cancelled: Event) -> None:
        if cancelled.is_set():
            self.events.emit(request.ticket, [api.Stopped()])
        else:
            for batch in _batched(_safely(engine, request, cancelled)):
                self.events.emit(request.ticket, batch)
        with self._lock:
            self._cancels.pop(request.ticket, None)


def _safely(engine: api.Engine, request: api.Request, cancelled: Event) -> Iterator[api.Event]:
    """Stream, with a fault of the engine turned into its last event."""
    try:
        yield from engine.stream(request, cancelled)
    except Exception as error:  # noqa: BLE001  an engine may fail in any way; the window goes on
        _LOG.error("the engine failed: %s", type(error).__name__)
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
        self._thread = self._started(factory)

    def _started(self, factory: EngineFactory) -> _Thread:
        thread = _Thread(factory)
        queued = Qt.ConnectionType.QueuedConnection
        thread.loaded.connect(self.loaded, queued)
        thread.load_failed.connect(self._on_load_failed, queued)
        thread.events.connect(self._on_events, queued)
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
        """Load another model; the requests under way are stopped."""
        self.close()
        self._fault = None
        self._thread = self._started(factory)

    def close(self) -> bool:
        """End the thread; tells whether it ended in time, and never hangs."""
        self.cancel_all()
        self._open.clear()
        self._thread.end()
        ended = self._thread.wait(_CLOSE_MILLISECONDS)
        if not ended:
            # Still computing: it is left to itself, and must outlive this object.
            _ABANDONED.append(self._thread)
        return ended

    @Slot(object)
    def _on_load_failed(self, error: TomoscribeError) -> None:
        self._fault = error
        self.load_failed.emit(error)
        self._refuse_open()

    @Slot()
    def _refuse_open(self) -> None:
        """Answer what is open with the reason why there is no model."""
        refused, self._open = sorted(self._open - self._cancelled), set()
        self._cancelled.clear()
        for ticket in refused:
            if self._fault is not None:
                self.told.emit(ticket, api.Failed(self._fault.message, self._fault.details))

    @Slot(int, object)
    def _on_events(self, ticket: int, events: list[api.Event]) -> None:
        for event in events:
            last = isinstance(event, api.Done | api.Failed | api.Stopped)
            if ticket not in self._open:
                return
            if ticket not in self._cancelled:
                self.told.emit(ticket, event)
            if last:
                self._open.discard(ticket)
                if ticket in self._cancelled:
                    self._cancelled.discard(ticket)
                    self.stopped.emit(ticket)


_ABANDONED: list[_Thread] = []
