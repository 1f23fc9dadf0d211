"""The value of one voxel."""

from __future__ import annotations

from workstation.core.geometry import Point
from workstation.core.measurement import Result, Shape, SlicePlane, Value

LABEL = "Probe"
SHORTCUTS = ("P",)
ORDER = 5
ICON = '<circle cx="12" cy="12" r="2.500"/><path d="M12 3v4M12 17v4M3 12h4M17 12h4"/>'
HINTS = ("the voxel",)


def measure(points: tuple[Point, ...], where: SlicePlane) -> Result:
    """Read the stored value of the voxel under the point."""
    shapes = (Shape(points),)
    value = where.volume.value_at(points[0])
    if value is None:
        return Result((), shapes, "no voxel here")
    unit = where.volume.value_unit
    return Result(
        ((Value(value, unit, digits=0),),), shapes, "" if unit else "not Hounsfield units"
    )
