"""What a reader measures on a slice: points in LPS mm, and what they come to.

A measurement is only its points; values are computed from them and from the stored voxels
each time, so they are never out of date and never taken from the picture on screen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workstation.core.geometry import Geometry, Plane, PlaneAxes, Point, Vector
from workstation.core.volume import Volume

ALMOST = "≈"
_EPSILON = 1e-6


@dataclass(frozen=True)
class Measurement:
    """Points that a reader put on a slice of a series.

    Attributes
    ----------
    id : str
        Its own for ever; empty while it is being drawn for the first time.
    tool : str
        Name of the module of :mod:`workstation.tools` that measures it.
    series_key : str
        The series it was drawn on.
    plane : Plane
        The view it was drawn in; it is shown in no other.
    points : tuple of tuple of float
        LPS mm.
    """

    id: str
    tool: str
    series_key: str
    plane: Plane
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Value:
    """One number with its name (may be empty), unit and digits after the point."""

    number: float
    unit: str = ""
    name: str = ""
    digits: int = 1

    def text(self, almost: bool = False) -> str:
        """Value as it is read; ``almost`` says that it is approximate."""
        number = f"{self.number:.{self.digits}f}".replace("-", "\u2212")
        joint = "" if self.unit in ("", "°") else "\u00a0"
        about = ALMOST if almost else ""
        return " ".join(part for part in (self.name, about, f"{number}{joint}{self.unit}") if part)


@dataclass(frozen=True)
class Shape:
    """A line through LPS points in mm; closed: back to the first. One point alone is a mark."""

    points: tuple[Point, ...]
    closed: bool = False


@dataclass(frozen=True)
class Result:
    """What a measurement comes to.

    Attributes
    ----------
    rows : tuple of tuple of Value
        As they are shown, line by line.
    shapes : tuple of Shape
        What is drawn.
    remark : str
        Why something could not be measured, in a few words.
    label : str
        What the tool is called.
    """

    rows: tuple[tuple[Value, ...], ...] = ()
    shapes: tuple[Shape, ...] = ()
    remark: str = ""
    label: str = ""

    @property
    def values(self) -> tuple[Value, ...]:
        """All values, in order."""
        return tuple(value for row in self.rows for value in row)


@dataclass(frozen=True, eq=False)
class Voxels:
    """Voxels of a slice.

    Attributes
    ----------
    places : ndarray of float, shape (n, 2)
        Their centres, mm (right, down) from the slice's own zero.
    values : ndarray of int16, shape (n,)
        As stored; meaningless where not ``loaded``.
    loaded : ndarray of bool, shape (n,)
    """

    places: NDArray[np.float64]
    values: NDArray[np.int16]
    loaded: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class SlicePlane:
    """A slice of the grid as a plane shows it: acquired voxels, nothing interpolated.

    Distances on it are taken in LPS mm, so they are right on oblique and anisotropic grids.
    """

    volume: Volume
    plane: Plane
    grid_index: int

    @classmethod
    def of(cls, volume: Volume, plane: Plane, points: Sequence[Point]) -> SlicePlane | None:
        """Find the slice on which points lie within half a step; None if there is no such."""
        axis = PlaneAxes.of(volume.geometry, plane).through[0]
        depths = volume.geometry.to_index(points)[:, axis]
        index = round(float(depths.mean()))
        if not 0 <= index < volume.geometry.shape[2 - axis]:
            return None
        return cls(volume, plane, index) if np.abs(depths - index).max() <= 0.5 else None

    @property
    def geometry(self) -> Geometry:
        """The volume's grid."""
        return self.volume.geometry

    @cached_property
    def axes(self) -> PlaneAxes:
        """Grid axes of the plane."""
        return PlaneAxes.of(self.geometry, self.plane)

    @cached_property
    def _basis(self) -> tuple[Vector, Vector]:
        """LPS mm of the slice's zero, and unit vectors (2, 3) to the right and down."""
        index = np.zeros(3)
        index[self.axes.through[0]] = self.grid_index
        return self.geometry.to_lps(index), self.axes.vectors(self.geometry)[:2]

    @property
    def length_unit(self) -> str:
        """Millimetres, or pixels where their spacing is unknown."""
        return "mm" if self.volume.calibrated else "px"

    def flat(self, points: ArrayLike) -> Vector:
        """Map LPS mm (n, 3) to mm (n, 2) to the right and down on the slice."""
        zero, vectors = self._basis
        return np.asarray((np.asarray(points, dtype=np.float64) - zero) @ vectors.T)

    def lifted(self, places: ArrayLike) -> tuple[Point, ...]:
        """Map mm (n, 2) to the right and down on the slice to LPS mm."""
        zero, vectors = self._basis
        found = zero + np.asarray(places, dtype=np.float64) @ vectors
        return tuple((float(x), float(y), float(z)) for x, y, z in found)

    def voxels_between(self, points: Sequence[Point]) -> Voxels:
        """Voxels of this slice whose centres lie in the upright box around LPS points."""
        index = self.geometry.to_index(points)
        ranges = [np.array([self.grid_index])] * 3
        for axis in (self.axes.right[0], self.axes.down[0]):
            first = max(int(np.ceil(index[:, axis].min() - _EPSILON)), 0)
            last = int(np.floor(index[:, axis].max() + _EPSILON))
            ranges[axis] = np.arange(first, min(last + 1, self.geometry.shape[2 - axis]))
        i, j, k = (grid.reshape(-1) for grid in np.meshgrid(*ranges, indexing="ij"))
        places = self.flat(self.geometry.to_lps(np.stack((i, j, k), axis=1)))
        return Voxels(places, self.volume.voxels[k, j, i], self.volume.available[k])


def doubts(volume: Volume) -> str:
    """Say why measurements on a volume are approximate; empty where they are exact."""
    reasons = [] if volume.calibrated else ["no pixel spacing"]
    if volume.approximate:
        badges = [notice.badge for notice in volume.notices if notice.badge]
        reasons += [badge for badge in badges if badge not in reasons]
        reasons = reasons or ["approximate geometry"]
    return " · ".join(reasons)


def result_lines(result: Result, volume: Volume) -> tuple[str, ...]:
    """Lines that stand beside a measurement on the image."""
    almost = bool(doubts(volume))
    rows = ("  ".join(value.text(almost) for value in row) for row in result.rows)
    return (*rows, *((result.remark,) if result.remark else ()))


def summary(measurement: Measurement, result: Result, volume: Volume) -> str:
    """Tell a measurement in one line of a list or a report, without its full stop."""
    doubt = doubts(volume)
    told = [value.text(bool(doubt)) for value in result.values]
    where = place(measurement, volume)
    text = ", ".join((*told, *((result.remark,) if result.remark else ())))
    because = f"; {ALMOST} because {doubt}" if doubt else ""
    named = bool(result.values and result.values[0].name) or not told
    return f"{result.label}{':' * named} {text} ({where}{because})"


def place(measurement: Measurement, volume: Volume) -> str:
    """Plane and slice, counted as the view's corner counts it."""
    slice_plane = SlicePlane.of(volume, measurement.plane, measurement.points)
    name = measurement.plane.name.lower()
    if slice_plane is None:
        return f"{name}, not on a slice of this series"
    axes = slice_plane.axes
    centre = np.asarray(measurement.points).mean(axis=0)
    number = axes.slice_index(volume.geometry, centre) + 1
    return f"{name} {number}/{axes.count(volume.geometry)}"
