"""Stepping down to a smaller placement when memory runs out, and saying so."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from threading import Event as Cancelled

from model_runtime import api
from model_runtime.errors import NotEnoughMemoryError, WeightsError, is_out_of_memory
from model_runtime.placement import Placement, Precision

_BITS = {
    Precision.FLOAT32: 32,
    Precision.BFLOAT16: 16,
    Precision.INT8: 8,
    Precision.INT4: 4,
}
_DOWN = tuple(_BITS)
_NOT_LOADED = "The model could not be loaded."
_FAULTS = (WeightsError, RuntimeError, OSError, MemoryError)


def ladder(device: str, precision: Precision) -> tuple[Placement, ...]:
    """Placements from a wished one down: smaller on that device, then on the processor."""
    rungs = [Placement(device, each) for each in _DOWN[_DOWN.index(precision) :]]
    if device != "cpu":
        # A processor has more memory than a GPU, so precision is won back there.
        rungs += [Placement("cpu", each) for each in _DOWN[1:]]
    return tuple(rungs)


def described(placement: Placement) -> str:
    """Name a placement in a sentence: ``on the GPU with 8 bits``."""
    where = "on the processor" if placement.device == "cpu" else "on the GPU"
    return f"{where} with {_BITS[placement.precision]} bits"


class FallbackEngine:
    """An engine that is loaded again, smaller, when memory runs out.

    Parameters
    ----------
    load : callable
        Loads the engine in a placement.
    rungs : sequence of Placement
        What to try, in this order; it is never stepped up again.
    notices : sequence of str
        What the reader should know beforehand; told with the first request.

    Raises
    ------
    WeightsError
        Where the model cannot be loaded in any placement.
    """

    def __init__(
        self,
        load: Callable[[Placement], api.Engine],
        rungs: Sequence[Placement],
        notices: Sequence[str] = (),
    ) -> None:
        self._load = load
        self._rungs = tuple(rungs)
        self._rung = 0
        self._pending = [api.Notice(text) for text in notices]
        self._closed = False
        self._engine: api.Engine | None = self._loaded()
        self.info = self._engine.info

    @property
    def placement(self) -> Placement:
        """Where the model runs, and how its numbers are stored."""
        return self._rungs[self._rung]

    def close(self) -> None:
        """Free the weights and the caches."""
        self._closed = True
        self._let_go()

    def stream(self, request: api.Request, cancelled: Cancelled) -> Iterator[api.Event]:
        """Answer a request; see :class:`model_runtime.api.Engine`."""
        if self._closed:
            yield api.Failed("The model has been unloaded.")
            return
        while True:
            if self._engine is None:
                yield api.Progress(api.Stage.LOAD)
                try:
                    self._engine = self._loaded()
                except _FAULTS as error:
                    known = isinstance(error, WeightsError)
                    yield api.Failed(str(error) if known else _NOT_LOADED, repr(error))
                    return
            pending, self._pending = self._pending, []
            yield from pending
            short = yield from self._tried(self._engine, request, cancelled)
            if not short:
                return
            self._let_go()
            yield self._stepped_down(restarts=True)

    def _tried(
        self, engine: api.Engine, request: api.Request, cancelled: Cancelled
    ) -> Generator[api.Event, None, bool]:
        """Stream an answer; returns whether memory ran out and there is a smaller placement."""
        for event in engine.stream(request, cancelled):
            if isinstance(event, api.Failed) and event.out_of_memory and not self._is_lowest:
                return True
            yield self._noted(event) if isinstance(event, api.Done) else event
        return False

    def _loaded(self) -> api.Engine:
        while True:
            try:
                return self._load(self.placement)
            except _FAULTS as error:
                if not is_out_of_memory(error):
                    raise
                if self._is_lowest:
                    raise _too_large(error) from error
                # The frames of the fault hold what was loaded; it must go before the next is.
                traceback.clear_frames(error.__traceback__)
            self._pending.append(self._stepped_down(restarts=False))

    @property
    def _is_lowest(self) -> bool:
        return self._rung + 1 >= len(self._rungs)

    def _stepped_down(self, *, restarts: bool) -> api.Notice:
        before = described(self.placement)
        self._rung += 1
        anew = " What was asked is answered anew." if restarts else ""
        return api.Notice(
            f"There is not enough memory for the model {before}; it now runs "
            f"{described(self.placement)}.{anew}",
            restarts,
        )

    def _noted(self, done: api.Done) -> api.Done:
        """Write into the receipt that the model did not run as wished."""
        if self._rung == 0:
            return done
        note = f"for want of memory the model ran {described(self.placement)}"
        receipt = replace(done.provenance, notes=(*done.provenance.notes, note))
        return replace(done, provenance=receipt)

    def _let_go(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()


def _too_large(error: BaseException) -> WeightsError:
    if isinstance(error, NotEnoughMemoryError):
        return error
    return NotEnoughMemoryError(
        "There is not enough memory for this model, however small. Close other programs or "
        f"choose a smaller model. ({error})"
    )
