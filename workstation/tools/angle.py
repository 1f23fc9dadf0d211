"""The angle at the second of three points."""

from __future__ import annotations

import numpy as np

from workstation.core.geometry import Point
from workstation.core.measurement import Result, Shape, SlicePlane, Value

LABEL = "Angle"
SHORTCUTS = ("A",)
ORDER = 2
ICON = '<path d="M19 4 5 19h16M12.500 19a8 8 0 0 0-2.500-5.400"/>'
HINTS = ("the end of one arm", "the vertex", "the end of the other arm")


def measure(points: tuple[Point, ...], where: SlicePlane) -> Result:
    """Angle between the arms, 0 to 180°; computed in mm, not in pixels."""
    first, vertex, last = where.flat(points)
    one, other = first - vertex, last - vertex
    shapes = (Shape(points),)
    if not (one.any() and other.any()):
        return Result((), shapes)
    # By both sine and cosine: the arc cosine alone loses digits near 0° and 180°.
    sine = abs(float(one[0] * other[1] - one[1] * other[0]))
    angle = np.degrees(np.arctan2(sine, float(one @ other)))
    return Result(((Value(float(angle), "°"),),), shapes)
