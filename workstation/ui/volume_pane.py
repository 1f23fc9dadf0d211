"""The 3D view on screen: asks the rendering process for pictures, never waits for one."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, QTimer, Signal, Slot
from PySide6.QtGui import (
    QFocusEvent,
    QHideEvent,
    QImage,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
    QShowEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from workstation.core.scene import VolumeScene
from workstation.core.session import Pane, Reading
from workstation.core.volume import Volume
from workstation.render.overlay import MARGIN, Mark, TextMark, Tone, corner_marks
from workstation.render.viewpoint import Viewpoint, VolumePreset
from workstation.render.volume_process import PictureRequest, VolumePicture
from workstation.ui.painting import paint_marks
from workstation.ui.slice_pane import BLACK, paint_frame
from workstation.ui.volume_supply import VolumeSupply

_DEGREES_PER_PIXEL = 0.5
_ZOOM_PER_PIXEL = 1.008
_REFINE_MS = 250


class VolumePane(QWidget):
    """Volume rendering of a reading: left drag turns, right drag and wheel zoom.

    The copy that is rendered is made when slices have stopped arriving, a few milliseconds
    per turn of the event loop.
    """

    painted = Signal()

    def __init__(
        self, reading: Reading, presets: tuple[VolumePreset, ...], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.pane = Pane.VOLUME
        self._reading = reading
        self._presets = presets
        self._preset = presets[0]
        self._viewpoint = Viewpoint()
        self._volume: Volume | None = None
        self._scene: VolumeScene | None = None
        self._stale = False
        self._ticket = 0
        self._picture: VolumePicture | None = None
        self._press: tuple[Qt.MouseButton, QPointF] | None = None
        self._supply = VolumeSupply(self)
        self._supply.supplied.connect(self._refine)
        self._supply.arrived.connect(self._on_picture)
        self._supply.died.connect(self.update)
        self._refining = QTimer(self, singleShot=True, interval=_REFINE_MS)
        self._refining.timeout.connect(self._refine)
        self.setObjectName("volume_pane")
        self.setAccessibleName("3D view")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.setMinimumSize(80, 80)

    @property
    def picture(self) -> VolumePicture | None:
        """Last picture that came."""
        return self._picture

    @property
    def preset(self) -> VolumePreset:
        """How the volume looks."""
        return self._preset

    def set_preset(self, preset: VolumePreset) -> None:
        """Change how the volume looks."""
        self._preset = preset
        self._ask(coarse=False)
        self.update()

    def next_preset(self) -> None:
        """Change to the next look, round and round."""
        index = self._presets.index(self._preset)
        self.set_preset(self._presets[(index + 1) % len(self._presets)])

    def show_scene(self, scene: VolumeScene | None, volume: Volume | None) -> None:
        """Draw a scene; a new or fuller volume is rendered when it has stopped growing."""
        before, self._scene = self._scene, scene
        if volume is self._volume and _visible(scene) == _visible(before):
            return
        if volume is None or self._volume is None or volume.key != self._volume.key:
            self._forget_picture()
        fuller = _slices(scene) != _slices(before)
        self._volume = volume
        self._stale = self._stale or fuller
        if volume is not None and self._stale and self.isVisible():
            self._bring(volume)
        self.update()

    def shut_down(self) -> None:
        """End the rendering process."""
        self._refining.stop()
        self._supply.shut_down()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the last picture, scaled where a finer one has not come yet."""
        painter = QPainter(self)
        painter.fillRect(event.rect(), BLACK)
        if self._picture is not None and self._scene is not None:
            pixels = self._picture.pixels
            height, width, _ = pixels.shape
            image = QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawImage(QRectF(self.rect()), image)
        if self._scene is not None:
            paint_marks(painter, self._marks(self._scene))
            paint_frame(painter, self, self._scene.active)
        painter.end()
        self.painted.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Start turning or zooming; after a crash, try again."""
        self._reading.active = self.pane
        if self._supply.dead:
            self.restart()
            return
        if self._press is None:
            self._press = event.button(), event.position()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Turn with the left button, zoom with the right, coarsely while it moves."""
        if self._press is None:
            return
        button, before = self._press
        moved = event.position() - before
        self._press = button, event.position()
        if button is Qt.MouseButton.LeftButton:
            turn = _DEGREES_PER_PIXEL
            self._viewpoint = self._viewpoint.turned(moved.x() * turn, moved.y() * turn)
        elif button is Qt.MouseButton.RightButton:
            self._viewpoint = self._viewpoint.zoomed(_ZOOM_PER_PIXEL ** -moved.y())
        self._ask(coarse=True)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the drag."""
        if self._press is not None and self._press[0] is event.button():
            self._press = None

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Maximise or restore."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._reading.toggle_maximised(self.pane)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom."""
        self._reading.active = self.pane
        self._viewpoint = self._viewpoint.zoomed(1.001 ** event.angleDelta().y())
        self._ask(coarse=True)
        event.accept()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Make the pane the one that keys act on."""
        self._reading.active = self.pane
        super().focusInEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Render at the new size."""
        super().resizeEvent(event)
        self._ask(coarse=False)

    def showEvent(self, event: QShowEvent) -> None:
        """Render what was left while hidden."""
        super().showEvent(event)
        if self._volume is not None and (self._stale or not self._supply.shown):
            self._bring(self._volume)

    def hideEvent(self, event: QHideEvent) -> None:
        """Leave the processor to others while nobody looks."""
        self._supply.pause()
        super().hideEvent(event)

    def _marks(self, scene: VolumeScene) -> tuple[Mark, ...]:
        width, height = float(self.width()), float(self.height())
        corners = scene.corners
        if any(corners):
            label = self._supply.label
            corners = (*corners[:2], (self._preset.name, *filter(None, (label,))), corners[3])
        marks: tuple[Mark, ...] = corner_marks(corners, width, height)
        if self._volume is not None and self._volume.series.synthetic:
            place = width / 2, float(MARGIN)
            marks = (*marks, TextMark("SYNTHETIC", *place, (0, -1), Tone.AMBER))
        state = self.state()
        if state:
            marks = (*marks, TextMark(state, width / 2, height / 2, (0, 0), Tone.DIM))
        return marks

    def state(self) -> str:
        """Why there is no picture, or nothing."""
        if self._supply.dead:
            return "3D stopped: the graphics driver failed. Click to try again."
        return "" if self._picture is not None else "3D is being prepared"

    def restart(self) -> None:
        """Begin again with a new process."""
        self._forget_picture()
        if self._volume is not None:
            self._supply.supply(self._volume)
        self.update()

    def _bring(self, volume: Volume) -> None:
        self._stale = False
        self._supply.supply(volume)

    def _forget_picture(self) -> None:
        self._picture = None
        self._supply.forget()

    def _ask(self, coarse: bool) -> None:
        size = self._pixel_size()
        self._ticket += 1
        self._supply.want(
            PictureRequest(
                self._ticket, self._viewpoint, self._preset, size.width(), size.height(), coarse
            )
        )
        if coarse:
            self._refining.start()

    @Slot()
    def _refine(self) -> None:
        self._ask(coarse=False)

    @Slot(object)
    def _on_picture(self, picture: VolumePicture) -> None:
        self._picture = picture
        self.update()

    def _pixel_size(self) -> QSize:
        ratio = self.devicePixelRatioF()
        return QSize(max(round(self.width() * ratio), 1), max(round(self.height() * ratio), 1))


def _visible(scene: VolumeScene | None) -> tuple[object, ...]:
    """Whatever of a scene shows; the cursor and the grey window do not."""
    if scene is None:
        return ()
    return scene.volume_key, scene.loaded, scene.active, scene.corners


def _slices(scene: VolumeScene | None) -> tuple[object, ...]:
    """Tell how much of which volume there is."""
    return () if scene is None else (scene.volume_key, scene.loaded)
