"""Feeds the rendering process from the event loop: the copy in short steps, one wish at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QObject, QTimer, Signal, Slot

from workstation.core.volume import Volume
from workstation.render.decimate import Decimation
from workstation.render.volume_process import (
    PictureRequest,
    VolumePicture,
    VolumeProcess,
    voxel_budget,
)

_log = logging.getLogger(__name__)
_SETTLED_MS = 600
_POLL_MS = 15
_COPY_SECONDS = 0.004


class VolumeSupply(QObject):
    """Brings a volume to the rendering process, and its pictures back.

    Signals
    -------
    supplied()
        The process has the volume: pictures can be asked for.
    arrived(VolumePicture)
        A picture has come.
    died()
        The process has ended by itself; the next volume starts another.
    """

    supplied = Signal()
    arrived = Signal(object)
    died = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process: VolumeProcess | None = None
        self._volume: Volume | None = None
        self._copy: Decimation | None = None
        self._room: NDArray[np.int16] | None = None
        self._wanted: PictureRequest | None = None
        self.shown = False
        self._settled = self._timer(_SETTLED_MS, self._start_copy)
        self._copying = self._timer(0, self._continue_copy)
        self._polling = self._timer(_POLL_MS, self._poll)

    @property
    def dead(self) -> bool:
        """Tell whether the process has ended by itself."""
        return self._process is not None and not self._process.alive

    @property
    def label(self) -> str:
        """How much was left out of the copy that is shown."""
        return self._copy.label if self._copy is not None and self.shown else ""

    def supply(self, volume: Volume) -> None:
        """Bring a volume once its slices have stopped arriving (called again with each)."""
        self._volume = volume
        self._copying.stop()
        self._settled.start()

    def pause(self) -> None:
        """Stop copying; :meth:`supply` begins again."""
        self._settled.stop()
        self._copying.stop()

    def forget(self) -> None:
        """Drop the volume; pictures of it that still come are not passed on."""
        self.pause()
        self.shown = False
        self._volume = self._copy = self._room = None

    def want(self, request: PictureRequest) -> None:
        """Ask for a picture; one at a time is in the making, the latest wish wins."""
        if not self.shown or self._process is None:
            return
        self._wanted = request
        if not self._process.busy:
            self._send()

    def shut_down(self) -> None:
        """End the process."""
        self._polling.stop()
        self.forget()
        if self._process is not None:
            self._process.close()
            self._process = None

    def _timer(self, milliseconds: int, slot: Callable[[], None]) -> QTimer:
        timer = QTimer(self, singleShot=True, interval=milliseconds)
        timer.timeout.connect(slot)
        return timer

    @Slot()
    def _start_copy(self) -> None:
        if self._volume is None:
            return
        self.shown = False
        if self._process is None or not self._process.alive:
            if self._process is not None:
                self._process.close()
            self._process = VolumeProcess()
            self._polling.start()
        self._copy = Decimation(self._volume, voxel_budget())
        self._room = self._process.make_room(self._copy.shape)
        self._copying.start()

    @Slot()
    def _continue_copy(self) -> None:
        if self._copy is None or self._room is None or self._process is None:
            return
        if not self._copy.copy_into(self._room, _COPY_SECONDS):
            self._copying.start()
            return
        self._room = None
        self._process.show(self._copy.geometry)
        self.shown = True
        self.supplied.emit()

    def _send(self) -> None:
        if self._process is not None and self._wanted is not None:
            self._process.request(self._wanted)
            self._wanted = None
            self._polling.start()

    @Slot()
    def _poll(self) -> None:
        """Look for a picture; keeps looking while one is in the making."""
        process = self._process
        if process is None:
            return
        self._pass_on(process.poll())
        if not process.alive:
            _log.error("The 3D rendering process has ended")
            self.died.emit()
            return
        if not process.busy and self._wanted is not None:
            self._send()
        if process.busy or not process.ready:
            self._polling.start()

    def _pass_on(self, picture: VolumePicture | None) -> None:
        if picture is None or self._process is None:
            return
        self._process.free_older()
        if self.shown:
            self.arrived.emit(picture)
