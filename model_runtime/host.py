"""A host that runs the model in a process of its own, behind the same port as the engine.

What happens to that process never reaches the program: it is started again and the request
under way is answered from its beginning. Neither torch nor the weights are ever loaded here.
"""

from __future__ import annotations

import logging
import multiprocessing
import signal
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from threading import Event as Cancelled
from typing import Any

from model_runtime import api, host_child
from model_runtime.errors import NotEnoughMemoryError, WeightsError
from model_runtime.host_messages import (
    Ask,
    Cancel,
    Forget,
    Held,
    Hold,
    Loaded,
    Told,
    Unusable,
    shared,
    without_voxels,
)
from model_runtime.placement import Placement

_LOG = logging.getLogger(__name__)
_KEPT_VOLUMES = 3
_LOOK_SECONDS = 0.02
_END_SECONDS = 2.0
_DEATHS = 2
_LAST = api.Done | api.Failed | api.Stopped
_ANEW = "The model's process ended unexpectedly and was started again; "


class _ChildEndedError(Exception):
    """The process is gone; ``code`` is its exit status, negative for a signal."""

    def __init__(self, code: int | None) -> None:
        super().__init__(code)
        self.code = code
        # What the system does to the largest process when memory runs out.
        self.killed = sys.platform != "win32" and code == -signal.SIGKILL


class _StoppedError(Exception):
    """The request was cancelled before the model heard of it."""


class _Child:
    """One process with a model, as :class:`LocalEngine` is given it, and what it holds."""

    def __init__(self, *model: Path | Placement | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=host_child.serve, args=(theirs, *model), name="model", daemon=True
        )
        self.process.start()
        theirs.close()  # the pipe must end with the process
        self.info: api.ModelInfo | None = None
        self._held: OrderedDict[str, None] = OrderedDict()

    @property
    def is_alive(self) -> bool:
        return self.process.is_alive()

    def send(self, message: object) -> None:
        """Send; raises where nobody is there to hear it."""
        try:
            self._pipe.send(message)
        except OSError as error:
            raise self._ended() from error

    def heard(self) -> Any:  # noqa: ANN401  whatever message comes
        """Give the next message, or None where none came for a moment."""
        try:
            return self._pipe.recv() if self._pipe.poll(_LOOK_SECONDS) else None
        except (EOFError, OSError) as error:
            raise self._ended() from error

    def wait_loaded(self, cancelled: Cancelled) -> api.ModelInfo:
        """Wait until the model is ready; cancelling leaves it to load."""
        while self.info is None:
            if cancelled.is_set():
                raise _StoppedError
            match self.heard():
                case Loaded(info=info):
                    self.info = info
                case Unusable(message=message, out_of_memory=out_of_memory):
                    raise (NotEnoughMemoryError if out_of_memory else WeightsError)(message)
        return self.info

    def hold(self, volume: api.VolumeInput) -> None:
        """See to it that the voxels are there."""
        if volume.key in self._held:
            self._held.move_to_end(volume.key)
            return
        voxels = volume.voxels
        with shared(voxels) as address:
            self.send(Hold(volume.key, voxels.shape, voxels.dtype.str, address))
            if not address:
                self._send_bytes(voxels.tobytes())
            while self.heard() != Held(volume.key):
                pass
        self._held[volume.key] = None
        while len(self._held) > _KEPT_VOLUMES:
            self.send(Forget(self._held.popitem(last=False)[0]))

    def end(self) -> None:
        """End the process: it goes when the pipe does."""
        self._pipe.close()
        self.process.join(_END_SECONDS)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()

    def _send_bytes(self, content: bytes) -> None:
        try:
            self._pipe.send_bytes(content)
        except OSError as error:
            raise self._ended() from error

    def _ended(self) -> _ChildEndedError:
        self.process.join(_END_SECONDS)
        return _ChildEndedError(self.process.exitcode)


class ProcessHost:
    """A model folder, loaded in a process of its own.

    Raises
    ------
    WeightsError
        Where the folder cannot be used; NotEnoughMemoryError where a smaller placement may do.
    """

    def __init__(
        self, folder: Path, placement: Placement | None = None, contrastive: Path | None = None
    ) -> None:
        self._model = (folder, placement, contrastive)
        self._closed = self._heard = False
        self._number = 0
        self._child: _Child | None = _Child(*self._model)
        try:
            self.info = self._child.wait_loaded(Cancelled())
        except _ChildEndedError as ended:
            self.close()
            raise _not_loaded(ended) from ended
        except WeightsError:
            self.close()
            raise

    @property
    def process_id(self) -> int | None:
        """The process that runs now."""
        return self._child.process.pid if self._child is not None else None

    def close(self) -> None:
        """End the process, which frees its memory; later requests fail with a sentence."""
        self._closed = True
        self._let_go()

    def stream(self, request: api.Request, cancelled: Cancelled) -> Iterator[api.Event]:
        """Answer a request; see :class:`model_runtime.api.Engine`."""
        deaths: list[bool] = []
        forgiven = False
        while len(deaths) < _DEATHS:
            if deaths:
                yield _anew(request)
            self._heard = False
            try:
                yield from self._told(request, cancelled)
            except _ChildEndedError as ended:
                _LOG.warning("the model's process ended with status %s", ended.code)
                # One that was dead before it was asked did not die of this request.
                if self._heard or forgiven:
                    deaths.append(ended.killed)
                forgiven = True
            else:
                return
        yield _gave_up(all(deaths))

    def _told(self, request: api.Request, cancelled: Cancelled) -> Iterator[api.Event]:
        try:
            yield from self._answer(request, cancelled)
        except _StoppedError:
            yield api.Stopped()
        except WeightsError as error:
            self._let_go()
            yield api.Failed(str(error), out_of_memory=isinstance(error, NotEnoughMemoryError))

    def _answer(self, request: api.Request, cancelled: Cancelled) -> Iterator[api.Event]:
        if self._closed:
            yield api.Failed("The model has been unloaded.")
            return
        if cancelled.is_set():
            raise _StoppedError
        if self._child is None or not self._child.is_alive:
            self._let_go()
            self._child = _Child(*self._model)
        child = self._child
        if child.info is None:
            yield api.Progress(api.Stage.LOAD)
            self.info = child.wait_loaded(cancelled)
        if request.volume is not None:
            child.hold(request.volume)
        self._number += 1
        child.send(Ask(self._number, without_voxels(request)))
        for event in _events(child, self._number, cancelled):
            self._heard = True
            yield event

    def _let_go(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()


def _events(child: _Child, number: int, cancelled: Cancelled) -> Iterator[api.Event]:
    """Yield the answer as it comes; once cancelled, only its last word."""
    told = ended = False
    try:
        while not ended:
            if cancelled.is_set() and not told:
                child.send(Cancel(number))
                told = True
            message = child.heard()
            # What an abandoned request still says is passed over.
            if not isinstance(message, Told) or message.number != number:
                continue
            ended = isinstance(message.event, _LAST)
            if ended or not told:
                yield message.event
    except GeneratorExit:
        if not told and not ended and child.is_alive:
            child.send(Cancel(number))
        raise


def _anew(request: api.Request) -> api.Notice:
    draft = request.task is api.Task.REPORT
    rest = "the draft is written anew." if draft else "the request is answered anew."
    return api.Notice(_ANEW + rest, restarts=True)


def _not_loaded(ended: _ChildEndedError) -> WeightsError:
    if ended.killed:
        return NotEnoughMemoryError(
            "The system ended the model's process while it loaded, as it does when memory runs "
            "out. Close other programs or choose a smaller model."
        )
    return WeightsError(
        f"The model's process ended while it loaded (status {ended.code}). Reinstall the program "
        "or choose another model."
    )


def _gave_up(killed: bool) -> api.Failed:
    cause = "as the system does when memory runs out" if killed else "which is a fault of its own"
    return api.Failed(
        f"The model's process ended twice over this request, {cause}. What is written so far is "
        "not whole. Try again, or close other programs first.",
        out_of_memory=killed,
    )
