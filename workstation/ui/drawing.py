"""The mouse as a measuring tool: put points, move them, choose what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt

from workstation.core.geometry import Plane, Point
from workstation.core.measurement import Measurement
from workstation.core.scene import SliceScene
from workstation.core.session import Reading
from workstation.core.volume import Volume
from workstation.render.mapping import Pixel, SliceMapping
from workstation.tools import tools

_NEAR_HANDLE = 9.0
_NEAR_LINE = 5.0
_SLACK = 3.0


@dataclass(frozen=True, eq=False)
class Spot:
    """Where the mouse is on a slice, in logical pixels of the pane."""

    x: float
    y: float
    mapping: SliceMapping
    scene: SliceScene
    volume: Volume

    @property
    def point(self) -> Point:
        """LPS mm, kept on the slice's pixels."""
        half = self.scene.extent[0] / 2, self.scene.extent[1] / 2
        right, down = self.mapping.to_mm(self.x, self.y)
        right, down = np.clip((right, down), (-half[0], -half[1]), half)
        x, y = self.mapping.to_pixel(float(right), float(down))
        return self.mapping.to_lps(self.scene, self.volume.geometry, x, y)

    def is_far_from(self, other: Spot) -> bool:
        """Whether the hand moved, rather than trembled."""
        return math.hypot(self.x - other.x, self.y - other.y) > _SLACK


@dataclass(frozen=True)
class Hit:
    """What lies under the mouse; ``handle`` None: its line, which moves the whole."""

    id: str
    handle: int | None


@dataclass(eq=False)
class _Grip:
    """A measurement held by the mouse."""

    measurement: Measurement
    handle: int | None
    start: Spot
    moved: bool = False


class Drawing:
    """What the left button does on one pane while a tool is in hand or a measurement under it.

    Two ways of drawing are one: press, drag and release puts two points, a click puts one and the
    next follows the mouse. Scrolling away or another tool gives up what is not finished.
    """

    def __init__(self, reading: Reading, plane: Plane) -> None:
        self._reading, self._plane = reading, plane
        self._placed: list[Point] = []
        self._slice = -1
        self._pressed: Spot | None = None
        self._grip: _Grip | None = None

    def press(self, spot: Spot | None) -> bool:
        """Take a press of the left button; False leaves it to the window's drag."""
        if spot is None or not spot.scene.available:
            return False
        if self._is_drawing(spot):
            self._put(spot)
            return True
        hit = self.hit(spot)
        found = self._reading.measurement(hit.id) if hit is not None else None
        if hit is not None and found is not None:
            self._reading.selected = hit.id
            self._grip = _Grip(found, hit.handle, spot)
            return True
        if not self._reading.tool:
            return False
        self._begin(spot)
        return True

    def move(self, spot: Spot | None) -> bool:
        """Follow the mouse; tells whether something is in hand."""
        if spot is None:
            return False
        if self._grip is not None:
            self._drag(self._grip, spot)
            return True
        if not self._is_drawing(spot):
            return False
        self._preview(spot)
        return True

    def _drag(self, grip: _Grip, spot: Spot) -> None:
        if grip.moved and self._reading.drawing is None:
            return  # given up by a key
        grip.moved = grip.moved or spot.is_far_from(grip.start)
        if grip.moved:
            self._reading.drawing = _moved(grip, spot)

    def release(self, spot: Spot | None) -> bool:
        """End a drag; tells whether it was one of a measurement."""
        pressed, self._pressed = self._pressed, None
        if self._grip is not None:
            self._grip = None
            if self._reading.drawing is not None:
                self._reading.keep(self._reading.drawing)
            return True
        if pressed is None or spot is None:
            return pressed is not None
        if self._is_drawing(spot) and spot.is_far_from(pressed):
            self._put(spot)
            self._pressed = None
        return True

    def hit(self, spot: Spot | None) -> Hit | None:
        """Find the handle or line under the mouse; what is chosen before what is not."""
        if spot is None:
            return None
        found = [(*near, each.id) for each in spot.scene.measurements
                 if each.id and (near := _nearest(spot, each.handles, each.shapes))]  # fmt: skip
        if not found:
            return None
        chosen = self._reading.selected
        _, handle, key = min(found, key=lambda near: (near[2] != chosen, near[0]))
        return Hit(key, handle)

    def cursor(self, spot: Spot) -> Qt.CursorShape:
        """Cursor that tells what a press would do."""
        if self._grip is not None or self.hit(spot) is not None:
            return Qt.CursorShape.SizeAllCursor
        return Qt.CursorShape.CrossCursor if self._reading.tool else Qt.CursorShape.ArrowCursor

    @property
    def hint(self) -> str:
        """What the next click puts; empty without a tool in hand."""
        tool = tools().get(self._reading.tool)
        if tool is None:
            return ""
        done = len(self._placed) if self._reading.drawing is not None else 0
        return f"{tool.label}: {tool.hints[min(done, tool.points - 1)]}"

    def _is_drawing(self, spot: Spot) -> bool:
        """Whether points are put already, and nothing has given them up since."""
        drawing = self._reading.drawing
        own = drawing is not None and not drawing.id and drawing.plane is self._plane
        if not own or self._slice != spot.scene.grid_index:
            if own:
                self._reading.drawing = None
            self._placed = []
        return bool(self._placed)

    def _begin(self, spot: Spot) -> None:
        self._reading.selected = ""
        self._placed, self._slice = [], spot.scene.grid_index
        self._put(spot)

    def _put(self, spot: Spot) -> None:
        self._pressed = spot
        self._placed.append(spot.point)
        tool = tools()[self._reading.tool]
        if len(self._placed) < tool.points:
            self._preview(spot)
            return
        placed, self._placed = tuple(self._placed), []
        self._reading.drawing = None
        if len(set(placed)) == len(placed):
            self._reading.keep(self._made(placed, uuid4().hex))

    def _preview(self, spot: Spot) -> None:
        rest = tools()[self._reading.tool].points - len(self._placed)
        self._reading.drawing = self._made((*self._placed, *[spot.point] * rest))

    def _made(self, points: tuple[Point, ...], key: str = "") -> Measurement:
        volume = self._reading.volume
        series = volume.key if volume is not None else ""
        return Measurement(key, self._reading.tool, series, self._plane, points)


def _moved(grip: _Grip, spot: Spot) -> Measurement:
    points = list(grip.measurement.points)
    if grip.handle is not None:
        points[grip.handle] = spot.point
    else:
        shift = np.subtract(spot.point, grip.start.point)
        points = [(float(x), float(y), float(z)) for x, y, z in np.add(points, shift)]
    return replace(grip.measurement, points=tuple(points))


def _nearest(
    spot: Spot,
    handles: Sequence[Pixel],
    shapes: Sequence[tuple[tuple[Pixel, ...], bool]],
) -> tuple[float, int | None] | None:
    """Distance in pixels, and the handle if it is one; None where nothing is near."""
    place = (spot.x, spot.y)
    near = [(math.dist(spot.mapping.to_pixel(*handle), place), index)
            for index, handle in enumerate(handles)]  # fmt: skip
    if near and min(near)[0] <= _NEAR_HANDLE:
        return min(near)
    lines = [np.array([spot.mapping.to_pixel(*point) for point in (*shape, *shape[:1] * closed)])
             for shape, closed in shapes if len(shape) > 1]  # fmt: skip
    least = min((_from_line(np.array(place), line) for line in lines), default=math.inf)
    return (least, None) if least <= _NEAR_LINE else None


def _from_line(place: NDArray[np.float64], line: NDArray[np.float64]) -> float:
    """Distance of a pixel (2,) from a line through pixels (n, 2)."""
    starts, along = line[:-1], np.diff(line, axis=0)
    lengths = np.maximum((along**2).sum(axis=1), 1e-12)
    parts = np.clip(((place - starts) * along).sum(axis=1) / lengths, 0.0, 1.0)
    gaps = starts + along * parts[:, None] - place
    return float(np.sqrt((gaps**2).sum(axis=1).min()))
