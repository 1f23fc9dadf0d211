"""Everything between the docks: the open scan, and beside it a prior or similar one."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QRect, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedLayout, QWidget

from workstation.core.geometry import Plane, PlaneAxes
from workstation.core.session import Pane, Reading
from workstation.render.viewpoint import read_volume_presets
from workstation.ui.pane_grid import QUAD, STACK, PaneGrid
from workstation.ui.slice_pane import BLACK, LINE, SlicePane
from workstation.ui.volume_pane import VolumePane

EMPTY_HINT = "Open a CT: drop a folder, ZIP, NIfTI, NRRD or MHA here, or press Ctrl+O."
_DIM = QColor("#8b8d93")


class EmptyHint(QWidget):
    """Black, with one sentence that says what to do."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the sentence in the middle, wrapped to the width."""
        painter = QPainter(self)
        painter.fillRect(event.rect(), BLACK)
        painter.setPen(_DIM)
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(self._text_box(), flags, EMPTY_HINT)
        painter.end()

    def _text_box(self) -> QRect:
        return self.rect().adjusted(24, 24, -24, -24)


class ImageArea(QWidget):
    """The reading's panes; a second reading may stand beside them, scrolled along.

    Parameters
    ----------
    reading : Reading
        What is shown; the area redraws as it changes.
    volume_presets : Path
        resources/volume_presets.toml.
    """

    beside_closed = Signal()

    def __init__(
        self, reading: Reading, volume_presets: Path, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.reading = reading
        self.synchronised = True
        palette = self.palette()
        palette.setColor(self.backgroundRole(), LINE)
        self.setPalette(palette)
        self.setAutoFillBackground(True)
        self._presets = read_volume_presets(volume_presets)
        self.grid = PaneGrid(reading, self._presets, QUAD)
        self.beside: PaneGrid | None = None
        self._following = False
        self._hint = EmptyHint()
        self._hint.setAccessibleName(EMPTY_HINT)
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.setChildrenCollapsible(False)
        self._splitter.addWidget(self.grid)
        self._stack = QStackedLayout()
        self._stack.addWidget(self._hint)
        self._stack.addWidget(self._splitter)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addLayout(self._stack)
        reading.events.volume.connect(self._on_volume)
        reading.events.cursor.connect(self._on_cursor)
        self._on_volume()

    def pane(self, pane: Pane) -> SlicePane | VolumePane:
        """One of the main reading's panes."""
        return self.grid.panes[pane]

    def next_volume_preset(self) -> None:
        """Change the look of the 3D view."""
        view = self.pane(Pane.VOLUME)
        if isinstance(view, VolumePane):
            view.next_preset()

    def show_beside(self, reading: Reading) -> None:
        """Show another reading at the right, axial over coronal, as the main one then is too."""
        self.close_beside()
        self.reading.maximised = None
        self.grid.arrange(STACK)
        self.beside = PaneGrid(reading, self._presets, STACK)
        self._splitter.addWidget(self.beside)
        self._splitter.setSizes([1000, 1000])
        reading.events.cursor.connect(self._on_cursor_beside)
        self._on_cursor()

    def close_beside(self) -> None:
        """Take the other reading away."""
        if self.beside is None:
            return
        beside, self.beside = self.beside, None
        beside.reading.events.cursor.disconnect(self._on_cursor_beside)
        beside.close_reading()
        beside.setParent(None)
        beside.deleteLater()
        self.grid.arrange(QUAD)
        self.beside_closed.emit()

    def set_synchronised(self, on: bool) -> None:
        """Scroll both readings together, by relative position, or each for itself."""
        self.synchronised = on
        self._on_cursor()

    def shut_down(self) -> None:
        """Stop listening and end the rendering processes; before the window goes."""
        self.close_beside()
        self.reading.events.volume.disconnect(self._on_volume)
        self.reading.events.cursor.disconnect(self._on_cursor)
        self.grid.close_reading()

    def _on_volume(self, *_: object) -> None:
        self._stack.setCurrentIndex(int(self.reading.volume is not None))

    def _on_cursor(self, *_: object) -> None:
        if self.beside is not None:
            self._follow(self.reading, self.beside.reading)

    def _on_cursor_beside(self, *_: object) -> None:
        if self.beside is not None:
            self._follow(self.beside.reading, self.reading)

    def _follow(self, leader: Reading, follower: Reading) -> None:
        """Bring the follower to the leader's relative place along the scrolled plane."""
        if not self.synchronised or self._following:
            return
        plane = leader.active.value
        if not isinstance(plane, Plane) or leader.volume is None or follower.volume is None:
            return
        self._following = True
        try:
            follower.go_to_slice(plane, matching_slice(leader, follower, plane))
        finally:
            self._following = False


def matching_slice(leader: Reading, follower: Reading, plane: Plane) -> int:
    """Slice of the follower at the same fraction of the way through as the leader's."""
    assert leader.volume is not None
    assert follower.volume is not None
    mine, theirs = leader.volume.geometry, follower.volume.geometry
    axes = PlaneAxes.of(mine, plane)
    last = max(axes.count(mine) - 1, 1)
    fraction = axes.slice_index(mine, leader.cursor) / last
    return round(fraction * (PlaneAxes.of(theirs, plane).count(theirs) - 1))
