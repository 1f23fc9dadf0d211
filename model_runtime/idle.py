"""Letting go of a model that nobody asks, and loading it again for the next request."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator

from model_runtime import api
from model_runtime.errors import WeightsError, is_out_of_memory


class IdleUnload:
    """An engine that is unloaded after some time without requests.

    Parameters
    ----------
    load : callable
        Loads the engine; called at once, and again for the first request after a rest.
    seconds : float
        How long it stays loaded after its last request.
    """

    def __init__(self, load: Callable[[], api.Engine], seconds: float) -> None:
        self._load = load
        self._seconds = seconds
        self._lock = threading.Lock()
        self._busy = False
        self._closed = False
        self._timer: threading.Timer | None = None
        self._engine: api.Engine | None = load()
        self.info = self._engine.info
        self._rest()

    @property
    def is_loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._engine is not None

    def stream(
        self, request: api.Request, cancelled: threading.Event
    ) -> Iterator[api.Event]:
        """Answer a request; see :class:`model_runtime.api.Engine`."""
        self._wake()
        try:
            if self._closed:
                yield api.Failed("The model has been unloaded.")
                return
            if self._engine is None:
                yield api.Progress(api.Stage.LOAD)
                self._engine = self._load()
            yield from self._engine.stream(request, cancelled)
        except (WeightsError, RuntimeError, OSError, MemoryError) as error:
            message = str(error) if isinstance(error, WeightsError) else "The model did not load."
            yield api.Failed(message, repr(error), out_of_memory=is_out_of_memory(error))
        finally:
            self._rest()

    def close(self) -> None:
        """Unload for good."""
        self._closed = True
        self._wake()
        self._let_go()

    def _wake(self) -> None:
        # Waits here while the model is being unloaded.
        with self._lock:
            self._busy = True
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _rest(self) -> None:
        if sys.is_finalizing():
            return  # a thread that is started now would be waited for in vain
        with self._lock:
            self._busy = False
            if self._closed or self._engine is None:
                return
            timer = threading.Timer(self._seconds, self._on_rested)
            timer.name, timer.daemon = "model's rest", True
            self._timer = timer
            timer.start()

    def _on_rested(self) -> None:
        with self._lock:
            if not self._busy and self._timer is threading.current_thread():
                self._let_go()

    def _let_go(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()
