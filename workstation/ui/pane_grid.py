"""The panes of one reading: which are shown where, and when each is drawn."""

from __future__ import annotations

from PySide6.QtCore import QTimer, Slot
from PySide6.QtWidgets import QGridLayout, QWidget

from workstation.core.geometry import Plane
from workstation.core.scene import Scene, resolve
from workstation.core.session import Pane, Reading
from workstation.render.scheduler import Scheduler
from workstation.render.viewpoint import VolumePreset
from workstation.tools import measure
from workstation.ui.slice_pane import SlicePane
from workstation.ui.volume_pane import VolumePane

QUAD: tuple[tuple[Pane, ...], ...] = (
    (Pane.AXIAL, Pane.SAGITTAL),
    (Pane.CORONAL, Pane.VOLUME),
)
STACK: tuple[tuple[Pane, ...], ...] = ((Pane.AXIAL,), (Pane.CORONAL,))


class PaneGrid(QWidget):
    """Three planes and the volume rendering of a reading.

    Changes of the reading are gathered until the event loop turns, then the active pane is
    drawn; each further turn draws one of the others.
    """

    def __init__(
        self,
        reading: Reading,
        presets: tuple[VolumePreset, ...],
        order: tuple[tuple[Pane, ...], ...] = QUAD,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.reading = reading
        self._presets = presets
        self._scene = Scene()
        self._order = order
        self._scheduler: Scheduler[Pane] = Scheduler()
        self.panes: dict[Pane, SlicePane | VolumePane] = {
            pane: self._make_pane(pane) for row in QUAD for pane in row
        }
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(2)
        self._turn = QTimer(self, singleShot=True, interval=0)
        self._turn.timeout.connect(self._draw_active)
        self._idle = QTimer(self, singleShot=True, interval=0)
        self._idle.timeout.connect(self._draw_another)
        reading.events.connect(self._on_change)
        self._place()
        self._draw_active()

    def arrange(self, order: tuple[tuple[Pane, ...], ...]) -> None:
        """Show these panes, in rows."""
        self._order = order
        self._place()

    def close_reading(self) -> None:
        """Stop listening to the reading and end the 3D process."""
        self.reading.events.disconnect(self._on_change)
        self._turn.stop()
        self._idle.stop()
        volume_pane = self.panes[Pane.VOLUME]
        if isinstance(volume_pane, VolumePane):
            volume_pane.shut_down()

    def _make_pane(self, pane: Pane) -> SlicePane | VolumePane:
        if isinstance(pane.value, Plane):
            return SlicePane(self.reading, pane.value, self)
        return VolumePane(self.reading, self._presets, self)

    def _on_change(self, *_: object) -> None:
        if not self._turn.isActive():
            self._turn.start()

    @Slot()
    def _draw_active(self) -> None:
        """Resolve the reading, draw the active pane, leave the others for later turns."""
        scene = resolve(self.reading, measure)
        placed = scene.maximised is self._scene.maximised
        self._scene = scene
        if not placed:
            self._place()
        for pane in self.panes:
            self._scheduler.request(pane)
        if self._scheduler.take(self.reading.active):
            self._draw(self.reading.active)
        self._idle.start()

    @Slot()
    def _draw_another(self) -> None:
        pane = self._scheduler.take_next()
        if pane is not None:
            self._draw(pane)
        if self._scheduler:
            self._idle.start()

    def _draw(self, pane: Pane) -> None:
        view, reading = self.panes[pane], self.reading
        if isinstance(view, SlicePane) and isinstance(pane.value, Plane):
            view.show_scene(self._scene.slice(pane.value), reading.volume, reading.loaded)
        elif isinstance(view, VolumePane):
            view.show_scene(self._scene.volume, reading.volume)

    def _place(self) -> None:
        """Lay the panes out: the maximised one alone, else in the order asked for."""
        maximised = self._scene.maximised
        order = ((maximised,),) if maximised is not None else self._order
        for view in self.panes.values():
            self._grid.removeWidget(view)
        shown = {pane for row in order for pane in row}
        for row, panes in enumerate(order):
            for column, pane in enumerate(panes):
                self._grid.addWidget(self.panes[pane], row, column)
        for index in range(2):
            self._grid.setRowStretch(index, int(index < len(order)))
            self._grid.setColumnStretch(index, int(index < max(map(len, order))))
        for pane, view in self.panes.items():
            view.setVisible(pane in shown)
