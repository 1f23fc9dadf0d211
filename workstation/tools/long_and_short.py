"""The longest diameter of a lesion and the one across it."""

from __future__ import annotations

import math

import numpy as np

from workstation.core.geometry import Point
from workstation.core.measurement import Result, Shape, SlicePlane, Value

LABEL = "Long and short axis"
SHORTCUTS = ("B",)
ORDER = 3
ICON = '<path d="M4 20 20 4M8.500 8.500l7 7"/>'
HINTS = (
    "one end of the long axis",
    "its other end",
    "one end of the short axis",
    "its other end",
)
_SQUARE = 5.0


def measure(points: tuple[Point, ...], where: SlicePlane) -> Result:
    """Both lengths in mm, as they were drawn; it is said where they are not at right angles."""
    axes = np.diff(where.flat(points).reshape(2, 2, 2), axis=1)[:, 0]
    lengths = math.dist(points[0], points[1]), math.dist(points[2], points[3])
    unit = where.length_unit
    rows = ((Value(lengths[0], unit, "long"), Value(lengths[1], unit, "short")),)
    shapes = (Shape(points[:2]), Shape(points[2:]))
    if not all(lengths):
        return Result(rows[:1], shapes)
    cosine = abs(float(axes[0] @ axes[1])) / (lengths[0] * lengths[1])
    angle = math.degrees(math.acos(min(cosine, 1.0)))
    remark = "" if angle >= 90 - _SQUARE else f"axes at {angle:.0f}°, not 90°"
    if lengths[1] > lengths[0]:
        remark = "the short axis is the longer one"
    return Result(rows, shapes, remark)
