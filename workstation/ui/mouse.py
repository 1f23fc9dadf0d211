"""Mouse gestures on a slice, turned into changes of the reading."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from workstation.core.display import Window
from workstation.core.geometry import Plane
from workstation.core.session import Camera, Reading

_ZOOM_PER_PIXEL = 1.008
_CLICK_SLACK = 3
NOTCH = 120
FAST = 10


class Gesture(Enum):
    """What a drag does."""

    WINDOW = "window"
    PAN = "pan"
    ZOOM = "zoom"


@dataclass
class Drag:
    """A drag since its press; everything is computed from there, so nothing drifts.

    Attributes
    ----------
    x, y : float
        Where it was pressed, logical pixels.
    grip : tuple of float
        mm (right, down) from the pane's middle to the press point.
    mm_per_pixel : float
        At the press.
    moved : bool
        False while it may still become a click.
    """

    gesture: Gesture
    plane: Plane
    x: float
    y: float
    grip: tuple[float, float]
    mm_per_pixel: float
    window: Window
    camera: Camera
    moved: bool = False

    def move(self, reading: Reading, x: float, y: float) -> None:
        """Apply the drag up to (x, y); a tremble of the hand is not a drag."""
        right, down = x - self.x, y - self.y
        self.moved = self.moved or max(abs(right), abs(down)) > _CLICK_SLACK
        if not self.moved:
            return
        match self.gesture:
            case Gesture.WINDOW:
                reading.window = self.window.dragged(right, -down)
            case Gesture.PAN:
                pan = self.camera.pan
                shifted = (pan[0] + right * self.mm_per_pixel, pan[1] + down * self.mm_per_pixel)
                reading.move_camera(self.plane, Camera(self.camera.zoom, shifted))
            case Gesture.ZOOM:
                reading.move_camera(self.plane, self._zoomed(_ZOOM_PER_PIXEL**-down))

    def _zoomed(self, factor: float) -> Camera:
        """Zoom about the press point: what lay under it stays under it.

        A point at p mm lies at (p + pan) / s pixels from the middle, so with s → s / f the
        pan must become (p + pan) / f − p, and p + pan is ``grip``.
        """
        zoom = min(max(self.camera.zoom * factor, 0.2), 40.0)
        kept = zoom / self.camera.zoom
        pan = self.camera.pan
        return Camera(
            zoom,
            (
                pan[0] + self.grip[0] * (1 / kept - 1),
                pan[1] + self.grip[1] * (1 / kept - 1),
            ),
        )


class Wheel:
    """Adds up wheel movements, so that fine-grained wheels and pads scroll whole slices."""

    def __init__(self) -> None:
        self._rest = 0.0

    def slices(self, angle: int, fast: bool) -> int:
        """Slices to move for an angle in eighths of a degree; towards the user is onwards."""
        if angle * self._rest < 0:
            self._rest = 0.0
        self._rest += angle
        notches = int(self._rest / NOTCH)
        self._rest -= notches * NOTCH
        return -notches * (FAST if fast else 1)
