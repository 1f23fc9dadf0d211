"""The distance of two points."""

from __future__ import annotations

import math

from workstation.core.geometry import Point
from workstation.core.measurement import Result, Shape, SlicePlane, Value

LABEL = "Length"
SHORTCUTS = ("L", "D")
ORDER = 1
ICON = '<path d="M4 20 20 4M2.500 16.500l5 5M16.500 2.500l5 5"/>'
HINTS = ("one end", "the other end")


def measure(points: tuple[Point, ...], where: SlicePlane) -> Result:
    """Straight distance in mm."""
    distance = math.dist(*points)
    return Result(((Value(distance, where.length_unit),),), (Shape(points),))
