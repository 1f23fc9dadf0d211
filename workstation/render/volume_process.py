"""The 3D view in a process of its own.

Ray casting takes a tenth of a second and its first frame far longer; a driver may even crash.
Neither may reach the reading window, so a spawned child renders, at low priority, and the
window only asks and looks whether a picture has come.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import shutil
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workstation.core.geometry import Geometry
from workstation.render.viewpoint import Viewpoint, VolumePreset

if TYPE_CHECKING:
    from workstation.render.volume_view import VolumeView

_log = logging.getLogger(__name__)
_VOXEL_BUDGET = 8_000_000
_LARGEST_SIDE = 1280
_FRAME_BYTES = _LARGEST_SIDE * _LARGEST_SIDE * 3
_COARSE = 2


@dataclass(frozen=True)
class PictureRequest:
    """A picture to make; ``ticket`` comes back with it."""

    ticket: int
    viewpoint: Viewpoint
    preset: VolumePreset
    width: int
    height: int
    coarse: bool = False


@dataclass(frozen=True)
class _Show:
    memory: str
    geometry: Geometry


@dataclass(frozen=True)
class _Ready:
    renderer: str


@dataclass(frozen=True)
class _Made:
    request: PictureRequest
    width: int
    height: int


@dataclass(frozen=True, eq=False)
class VolumePicture:
    """What came: RGB (height, width, 3), and what for."""

    request: PictureRequest
    pixels: NDArray[np.uint8]


class VolumeProcess:
    """The window's end. One picture is in the making at a time; nothing here waits for it."""

    def __init__(self) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._connection, theirs = spawn.Pipe()
        self._frame = SharedMemory(create=True, size=_FRAME_BYTES)
        self._copies: list[SharedMemory] = []
        self._process = spawn.Process(
            target=_serve, args=(theirs, self._frame.name), daemon=True, name="3D view"
        )
        self._process.start()
        theirs.close()
        self._renderer: str | None = None
        self._busy = False
        self._last: PictureRequest | None = None

    @property
    def alive(self) -> bool:
        """False after the child has crashed or was closed."""
        return self._process.is_alive()

    @property
    def busy(self) -> bool:
        """Tell whether a picture is in the making."""
        return self._busy

    @property
    def ready(self) -> bool:
        """Tell whether the child has opened OpenGL."""
        return self._renderer is not None

    def make_room(self, shape: tuple[int, int, int]) -> NDArray[np.int16]:
        """Shared voxels (z, y, x) to be filled, then shown by :meth:`show`."""
        memory = SharedMemory(create=True, size=2 * int(np.prod(shape)))
        self._copies.append(memory)
        return np.ndarray(shape, dtype=np.int16, buffer=memory.buf)

    def show(self, geometry: Geometry) -> None:
        """Let the child take the voxels of the last :meth:`make_room`; older ones are freed."""
        self._send(_Show(self._copies[-1].name, geometry))

    def request(self, request: PictureRequest) -> None:
        """Ask for a picture; the caller waits until not :attr:`busy` before the next."""
        self._busy = True
        self._send(request)

    def poll(self) -> VolumePicture | None:
        """Look whether a picture has come; None while it has not."""
        picture = None
        with contextlib.suppress(EOFError, OSError):
            while self._connection.poll():
                picture = self._take(self._connection.recv()) or picture
        return picture

    def free_older(self) -> None:
        """Give back all voxels but the last."""
        for memory in self._copies[:-1]:
            _release(memory)
        del self._copies[:-1]

    def close(self) -> None:
        """End the child and give all memory back."""
        self._connection.close()
        if self._process.is_alive():
            self._process.terminate()
        self._process.join(2)
        if self._process.is_alive():
            # On a busy machine it may take longer to hear the request; it holds nothing to save.
            self._process.kill()
            self._process.join()
        self._process.close()
        for memory in (*self._copies, self._frame):
            _release(memory)
        self._copies.clear()

    def _take(self, message: object) -> VolumePicture | None:
        if isinstance(message, _Ready):
            self._renderer = message.renderer
            _log.info("3D renderer: %s", message.renderer)
        if not isinstance(message, _Made):
            return None
        self._busy = False
        shape = (message.height, message.width, 3)
        pixels: NDArray[np.uint8] = np.ndarray(shape, dtype=np.uint8, buffer=self._frame.buf)
        return VolumePicture(message.request, pixels.copy())

    def _send(self, message: object) -> None:
        with contextlib.suppress(BrokenPipeError, OSError):
            self._connection.send(message)


def voxel_budget() -> int:
    """Voxels of the decimated copy: enough for a clear picture, and within shared memory."""
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return _VOXEL_BUDGET
    return max(100_000, min(_VOXEL_BUDGET, shutil.disk_usage(folder).free // 8))


def _release(memory: SharedMemory) -> None:
    with contextlib.suppress(BufferError):
        memory.close()
    with contextlib.suppress(FileNotFoundError):
        memory.unlink()


def _serve(connection: Connection, frame_name: str) -> None:
    """Child's main loop: ends when the window's end of the pipe closes."""
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        if hasattr(os, "nice"):
            os.nice(10)
        from workstation.render.volume_view import VolumeView

        view = VolumeView()
        frame = SharedMemory(name=frame_name)
        connection.send(_Ready(view.renderer_name))
        waiting: _Show | None = None
        while True:
            message = connection.recv()
            if isinstance(message, _Show):
                waiting = message
                continue
            if waiting is not None:
                _show(view, waiting, message.preset)
                waiting = None
            connection.send(_make(view, frame, message))


def _show(view: VolumeView, wanted: _Show, preset: VolumePreset) -> None:
    memory = SharedMemory(name=wanted.memory)
    voxels: NDArray[np.int16] = np.ndarray(wanted.geometry.shape, np.int16, memory.buf).copy()
    memory.close()
    view.show(voxels, wanted.geometry, preset)


def _make(view: VolumeView, frame: SharedMemory, request: PictureRequest) -> _Made:
    """Render into the shared frame, at a lower resolution for a coarse picture."""
    scale = min(1.0, _LARGEST_SIDE / max(request.width, request.height))
    scale /= _COARSE if request.coarse else 1
    width, height = max(int(request.width * scale), 1), max(int(request.height * scale), 1)
    view.set_preset(request.preset)
    picture = view.picture(request.viewpoint, width, height, request.coarse)
    target: NDArray[np.uint8] = np.ndarray(picture.shape, np.uint8, frame.buf)
    target[:] = picture
    del target
    return _Made(request, width, height)
