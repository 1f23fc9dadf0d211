"""One slice on screen: paints a scene, turns the mouse into changes of the reading."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QEnterEvent,
    QFocusEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from workstation.core.geometry import Plane, Point
from workstation.core.scene import SliceScene
from workstation.core.session import Pane, Reading
from workstation.core.volume import Volume
from workstation.render.evidence_marks import evidence_blocks, evidence_legend
from workstation.render.mapping import SliceMapping
from workstation.render.measurement_marks import measurement_labels, measurement_marks
from workstation.render.overlay import describe_point, slice_marks
from workstation.render.slice_view import GreyPicture, SliceView
from workstation.ui.drawing import Drawing, Spot
from workstation.ui.mouse import Drag, Gesture, Wheel
from workstation.ui.painting import paint_blocks, paint_grey, paint_marks, paint_measurements

ACCENT = QColor("#5aa0e6")
LINE = QColor("#3a3b40")
BLACK = QColor("#000000")
_GESTURES = {
    Qt.MouseButton.LeftButton: Gesture.WINDOW,
    Qt.MouseButton.MiddleButton: Gesture.PAN,
    Qt.MouseButton.RightButton: Gesture.ZOOM,
}
_SLICE_AXIS = 2
_FAST = Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.ControlModifier


class SlicePane(QWidget):
    """Axial, coronal or sagittal view of a reading.

    The pixels are drawn again only if something that shows in them has changed; a moved
    crosshair or a new text costs a copy of the last picture and the text.
    """

    painted = Signal()

    def __init__(self, reading: Reading, plane: Plane, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.pane = Pane(plane)
        self._plane = plane
        self._reading = reading
        self._view = SliceView()
        self._volume: Volume | None = None
        self._loaded = 0
        self._scene: SliceScene | None = None
        self._picture: GreyPicture | None = None
        self._hover: QPointF | None = None
        self._drag: Drag | None = None
        self._before_click: Point | None = None
        self._wheel = Wheel()
        self._drawing = Drawing(reading, plane)
        self.setObjectName(f"{plane.name.lower()}_pane")
        self.setAccessibleName(f"{plane.label} view")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.setMinimumSize(80, 80)

    @property
    def scene(self) -> SliceScene | None:
        """What is drawn."""
        return self._scene

    def show_scene(self, scene: SliceScene | None, volume: Volume | None, loaded: int) -> None:
        """Draw a scene of a volume with so many slices; does nothing if it is on screen already."""
        if volume is not self._volume or loaded != self._loaded:
            self._volume, self._loaded = volume, loaded
            self._view.show(volume)
            if scene is None or scene.axes.through[0] != _SLICE_AXIS:
                self._picture = None
        elif scene == self._scene:
            return
        if scene is None or self._scene is None or _pixels(scene) != _pixels(self._scene):
            self._picture = None
        self._scene = scene
        self.update()

    def mapping(self) -> SliceMapping | None:
        """How the slice lies on the pane, in logical pixels."""
        return SliceMapping.of(self._scene, self.width(), self.height()) if self._scene else None

    def point_at(self, x: float, y: float) -> Point | None:
        """LPS mm under a place of the pane, in logical pixels."""
        mapping = self.mapping()
        if mapping is None or self._scene is None or self._volume is None:
            return None
        return mapping.to_lps(self._scene, self._volume.geometry, x, y)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint pixels, marks and the frame that tells the active pane."""
        painter = QPainter(self)
        painter.fillRect(event.rect(), BLACK)
        mapping = self.mapping()
        if self._scene is not None and mapping is not None:
            ratio = self.devicePixelRatioF()
            paint_grey(painter, self._grey(self._scene, ratio), ratio)
            paint_blocks(painter, evidence_blocks(self._scene, mapping))
            painter.setRenderHint(QPainter.RenderHint.TextAntialiasing)
            paint_marks(painter, slice_marks(self._scene, mapping, self._readout()))
            paint_marks(painter, evidence_legend(self._scene, mapping))
            paint_measurements(painter, measurement_marks(self._scene, mapping))
            paint_marks(painter, measurement_labels(self._scene, mapping))
            paint_frame(painter, self, self._scene.active)
        painter.end()
        self.painted.emit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Draw the pixels again at the new size."""
        self._picture = None
        super().resizeEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Start a drag; the pane becomes the active one."""
        self._reading.active = self.pane
        gesture, mapping = _GESTURES.get(event.button()), self.mapping()
        if gesture is None or mapping is None or self._drag is not None:
            return
        place, scale = event.position(), mapping.mm_per_pixel
        if gesture is Gesture.WINDOW and self._drawing.press(self._spot(place)):
            return
        self._drag = Drag(
            gesture=gesture,
            plane=self._plane,
            x=place.x(),
            y=place.y(),
            grip=(
                (place.x() - mapping.width / 2) * scale,
                (place.y() - mapping.height / 2) * scale,
            ),
            mm_per_pixel=scale,
            window=self._reading.window,
            camera=self._reading.cameras[self._plane],
        )

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Carry on the drag, move the crosshair with Shift, or tell the value under the mouse."""
        place = event.position()
        self._hover = place
        if self._drag is not None:
            self._drag.move(self._reading, place.x(), place.y())
        elif self._drawing.move(self._spot(place)):
            pass
        elif event.modifiers() & Qt.KeyboardModifier.ShiftModifier and not event.buttons():
            self._cross_to(place)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the drag; a left click without one sets the crosshair."""
        left = event.button() is Qt.MouseButton.LeftButton
        if left and self._drawing.release(self._spot(event.position())):
            return
        drag, self._drag = self._drag, None
        if drag is not None and drag.gesture is Gesture.WINDOW and not drag.moved:
            self._before_click = self._reading.cursor
            self._reading.selected = ""
            self._cross_to(event.position())

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Maximise or restore; the crosshair goes back to where it was before the first click."""
        measures = self._reading.tool or self._drawing.hit(self._spot(event.position()))
        if event.button() is not Qt.MouseButton.LeftButton or measures:
            self.mousePressEvent(event)
            return
        if self._before_click is not None:
            self._reading.point_at(self._before_click)
            self._before_click = None
        self._reading.toggle_maximised(self.pane)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll; Shift or Ctrl makes it ten times as far."""
        angle = event.angleDelta()
        turned = angle.y() or angle.x()
        slices = self._wheel.slices(turned, bool(event.modifiers() & _FAST))
        self._reading.active = self.pane
        if slices:
            self._reading.scroll(self._plane, slices)
        event.accept()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Make the pane the one that keys act on."""
        self._reading.active = self.pane
        super().focusInEvent(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        """Show the value under the mouse from now on."""
        self._hover = event.position()
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Show no value under the mouse any more."""
        self._hover = None
        self.update()
        super().leaveEvent(event)

    def _grey(self, scene: SliceScene, ratio: float) -> GreyPicture:
        if self._picture is None:
            width, height = round(self.width() * ratio), round(self.height() * ratio)
            self._picture = self._view.picture(scene, width, height)
        return self._picture

    def _readout(self) -> tuple[str, ...]:
        """Value and place under the mouse, unless overlays are off."""
        if self._hover is None or self._volume is None or not self._scene:
            return ()
        point = self.point_at(self._hover.x(), self._hover.y())
        if point is None or not any(self._scene.corners):
            return ()
        value = self._volume.value_at(point)
        hint = (self._drawing.hint,) if self._drawing.hint else ()
        return (
            *hint,
            *describe_point(point, value, self._volume.value_unit, self._volume.calibrated),
        )

    def _spot(self, place: QPointF) -> Spot | None:
        """Place of the mouse as measurements know it; also shows there what it can do."""
        mapping = self.mapping()
        if mapping is None or self._scene is None or self._volume is None:
            return None
        spot = Spot(place.x(), place.y(), mapping, self._scene, self._volume)
        self.setCursor(self._drawing.cursor(spot))
        return spot

    def _cross_to(self, place: QPointF) -> None:
        point = self.point_at(place.x(), place.y())
        if point is not None:
            self._reading.point_at(point)


def paint_frame(painter: QPainter, widget: QWidget, active: bool) -> None:
    """Outline a pane; the active one in the accent colour."""
    painter.setPen(QPen(ACCENT if active else LINE, 1))
    painter.drawRect(widget.rect().adjusted(0, 0, -1, -1))


def _pixels(scene: SliceScene) -> tuple[object, ...]:
    """Whatever of a scene shows in its pixels."""
    return (
        scene.volume_key,
        scene.grid_index,
        scene.available,
        scene.camera,
        scene.window,
        scene.inverted,
    )
