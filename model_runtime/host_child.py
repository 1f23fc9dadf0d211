"""The process of a model: what its host starts, and what ends with the host."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import queue
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_runtime import api
from model_runtime.errors import WeightsError, is_out_of_memory, place_of
from model_runtime.host_messages import (
    Ask,
    Cancel,
    Forget,
    Held,
    Hold,
    Loaded,
    Told,
    Unusable,
    received,
    with_voxels,
)
from model_runtime.placement import Placement

_LOG = logging.getLogger(__name__)
_NICER = 5
_BELOW_NORMAL_PRIORITY_CLASS = 0x4000
_Order = Ask | Hold | Forget


class _Orders(threading.Thread):
    """Hears the host while the model computes; without a host the process ends at once.

    The end of the pipe is the one sign of the host's end that comes however it ended.
    """

    def __init__(self, pipe: Connection) -> None:
        super().__init__(name="host's orders", daemon=True)
        self.due: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        self.held: dict[str, NDArray[np.generic]] = {}
        self._pipe = pipe
        self._lock = threading.Lock()
        self._cancels: dict[int, threading.Event] = {}

    def cancelled(self, number: int) -> threading.Event:
        """Give the event that tells whether a request was cancelled."""
        with self._lock:
            return self._cancels.setdefault(number, threading.Event())

    def done(self, number: int) -> None:
        """Forget about a request and those before it."""
        with self._lock:
            self._cancels = {n: event for n, event in self._cancels.items() if n > number}

    def run(self) -> None:
        """Take orders until there is nobody to give any."""
        try:
            while True:
                self._take(self._pipe.recv())
        except (EOFError, OSError, MemoryError):
            os._exit(0)

    def _take(self, order: _Order | Cancel) -> None:
        match order:
            case Cancel(number=number):
                self.cancelled(number).set()
            case Hold():
                # Taken from the pipe here: bytes may follow the message.
                self.held[order.key] = received(order, self._pipe)
                self.due.put(order)
            case _:
                self.due.put(order)


def serve(
    pipe: Connection, folder: Path, placement: Placement | None, contrastive: Path | None
) -> None:
    """Load a model and answer until the host is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl+C is the host's to hear
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s %(message)s")
    _step_back()
    orders = _Orders(pipe)
    orders.start()
    try:
        engine = _loaded(pipe, folder, placement, contrastive)
        if engine is not None:
            pipe.send(Loaded(engine.info))
            while True:
                _follow(orders.due.get(), orders, engine, pipe)
    except BrokenPipeError:
        return


def _loaded(
    pipe: Connection, folder: Path, placement: Placement | None, contrastive: Path | None
) -> api.Engine | None:
    try:
        from model_runtime.engine import LocalEngine

        return LocalEngine(folder, placement, contrastive)
    except WeightsError as error:
        pipe.send(Unusable(str(error), is_out_of_memory(error)))
    except ImportError as error:
        pipe.send(Unusable(f"The model's libraries are not sound: {error}. Reinstall the program."))
    # The process's border: networks' libraries raise anything on foreign weights, and a host that
    # hears nothing would wait. The fault is sent, and the log gets its place.
    except Exception as error:  # noqa: BLE001
        _LOG.error("the model could not be loaded: %s at %s", type(error).__name__, place_of(error))
        pipe.send(Unusable(f"The model could not be loaded: {error!r}.", is_out_of_memory(error)))
    return None


def _follow(order: _Order, orders: _Orders, engine: api.Engine, pipe: Connection) -> None:
    match order:
        case Ask(number=number, request=request):
            cancelled = orders.cancelled(number)
            for event in engine.stream(with_voxels(request, orders.held), cancelled):
                pipe.send(Told(number, event))
            orders.done(number)
        case Hold(key=key):
            pipe.send(Held(key))
        case Forget(key=key):
            del orders.held[key]


def _step_back() -> None:
    """Let the window go first."""
    if sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), _BELOW_NORMAL_PRIORITY_CLASS)
        return
    with contextlib.suppress(OSError):
        os.nice(_NICER)
