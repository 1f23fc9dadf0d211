"""Mean, deviation, least and greatest value in an ellipse, and its area."""

from __future__ import annotations

import math

import numpy as np

from workstation.core.geometry import Point, Vector
from workstation.core.measurement import Result, Shape, SlicePlane, Value

LABEL = "Ellipse"
SHORTCUTS = ("E",)
ORDER = 4
ICON = '<ellipse cx="12" cy="12" rx="9" ry="6.500"/>'
HINTS = ("one corner of the box around it", "the opposite corner")
_SIDES = 72
_NOTHING = 1e-6  # mm: a corner that came back by rounding


def measure(points: tuple[Point, ...], where: SlicePlane) -> Result:
    """Statistics of the stored voxels of this slice whose centres lie in the ellipse.

    The points are opposite corners of its upright box. The deviation is that of these voxels
    themselves (divided by n). Where any of them is not loaded, no value is given.
    """
    corners = where.flat(points)
    centre, half = corners.mean(axis=0), np.abs(corners[1] - corners[0]) / 2
    area = Value(math.pi * float(half[0] * half[1]), f"{where.length_unit}²", "area")
    shapes = (_outline(where, centre, half),)
    voxels = where.voxels_between(points)
    if half.min() < _NOTHING or not len(voxels.values):
        return Result(((area,),), shapes, "no voxel inside")
    inside = (((voxels.places - centre) / half) ** 2).sum(axis=1) <= 1 + 1e-9
    values, loaded = voxels.values[inside].astype(np.float64), voxels.loaded[inside]
    if not len(values):
        return Result(((area,),), shapes, "no voxel inside")
    if not loaded.all():
        return Result(((area,),), shapes, "voxels are missing inside")
    unit = where.volume.value_unit
    rows = (
        (Value(float(values.mean()), unit, "mean"), Value(float(values.std()), unit, "SD")),
        (Value(float(values.min()), unit, "min", 0), Value(float(values.max()), unit, "max", 0)),
        (area, Value(len(values), "", "voxels", 0)),
    )
    return Result(rows, shapes, "" if unit else "values are not Hounsfield units")


def _outline(where: SlicePlane, centre: Vector, half: Vector) -> Shape:
    turn = np.linspace(0, 2 * np.pi, _SIDES, endpoint=False)
    places = centre + half * np.stack((np.cos(turn), np.sin(turn)), axis=1)
    return Shape(where.lifted(places), closed=True)
