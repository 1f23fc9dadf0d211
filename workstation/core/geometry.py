"""Where voxels lie in the patient: DICOM LPS coordinates in mm.

Indices are written ``(i, j, k)`` = (column, row, slice); arrays are indexed the other
way round, ``voxels[k, j, i]``. LPS: x grows to the patient's left, y to the back
(posterior), z to the head (superior).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Point = tuple[float, float, float]
Vector = NDArray[np.float64]

_LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))


class Plane(Enum):
    """A viewing plane of the patient.

    The value is (right, down, through): the LPS directions in which the screen's
    columns, rows and the slices run, in radiological convention (patient's right on
    the left of the screen; anterior or superior at the top).
    """

    AXIAL = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    CORONAL = ((1, 0, 0), (0, 0, -1), (0, 1, 0))
    SAGITTAL = ((0, 1, 0), (0, 0, -1), (1, 0, 0))

    @property
    def right(self) -> Vector:
        """LPS direction of the screen's columns."""
        return np.array(self.value[0], dtype=np.float64)

    @property
    def down(self) -> Vector:
        """LPS direction of the screen's rows."""
        return np.array(self.value[1], dtype=np.float64)

    @property
    def through(self) -> Vector:
        """LPS direction in which slice positions grow."""
        return np.array(self.value[2], dtype=np.float64)

    @property
    def label(self) -> str:
        """The plane's name as shown."""
        return self.name.capitalize()


@dataclass(frozen=True)
class Geometry:
    """An oriented regular grid.

    Attributes
    ----------
    shape : tuple of int
        (slices, rows, columns), the shape of the voxel array.
    origin : tuple of float
        LPS mm of the centre of voxel (0, 0, 0).
    spacing : tuple of float
        mm between voxel centres along (i, j, k).
    direction : tuple of tuple of float
        Three unit vectors: the LPS directions in which i, j and k grow.
    """

    shape: tuple[int, int, int]
    origin: Point = (0.0, 0.0, 0.0)
    spacing: Point = (1.0, 1.0, 1.0)
    direction: tuple[Point, Point, Point] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

    @cached_property
    def index_to_lps(self) -> NDArray[np.float64]:
        """Matrix (4, 4) that maps ``(i, j, k, 1)`` to LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = np.array(self.direction).T * np.array(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    @cached_property
    def lps_to_index(self) -> NDArray[np.float64]:
        """Inverse of :attr:`index_to_lps`."""
        return np.asarray(np.linalg.inv(self.index_to_lps), dtype=np.float64)

    @classmethod
    def from_matrix(cls, shape: tuple[int, int, int], index_to_lps: ArrayLike) -> Geometry:
        """Build from a (4, 4) matrix without shear."""
        matrix = np.asarray(index_to_lps, dtype=np.float64)
        spacing = np.asarray(np.linalg.norm(matrix[:3, :3], axis=0), dtype=np.float64)
        axes = (matrix[:3, :3] / spacing).T
        return cls(
            shape=shape,
            origin=_point(matrix[:3, 3]),
            spacing=_point(spacing),
            direction=(_point(axes[0]), _point(axes[1]), _point(axes[2])),
        )

    def to_lps(self, index: ArrayLike) -> Vector:
        """Map indices (..., 3) as (i, j, k) to LPS mm (..., 3)."""
        ijk = np.asarray(index, dtype=np.float64)
        return np.asarray(ijk @ self.index_to_lps[:3, :3].T + self.index_to_lps[:3, 3])

    def to_index(self, lps: ArrayLike) -> Vector:
        """Map LPS mm (..., 3) to fractional indices (..., 3) as (i, j, k)."""
        points = np.asarray(lps, dtype=np.float64)
        return np.asarray(points @ self.lps_to_index[:3, :3].T + self.lps_to_index[:3, 3])

    @cached_property
    def centre(self) -> Point:
        """LPS mm of the grid's centre."""
        nz, ny, nx = self.shape
        return _point(self.to_lps(((nx - 1) / 2, (ny - 1) / 2, (nz - 1) / 2)))

    @cached_property
    def corners(self) -> NDArray[np.float64]:
        """LPS mm (8, 3) of the outermost voxel centres."""
        nz, ny, nx = self.shape
        return self.to_lps(
            [(i, j, k) for i in (0, nx - 1) for j in (0, ny - 1) for k in (0, nz - 1)]
        )

    def extent(self, axis: ArrayLike) -> tuple[float, float]:
        """Smallest and largest coordinate of the voxel centres along an LPS unit vector."""
        along = self.corners @ np.asarray(axis, dtype=np.float64)
        return float(along.min()), float(along.max())

    def step(self, axis: ArrayLike) -> float:
        """Millimetres of one slice step along an LPS unit vector: that of the nearest grid axis."""
        cosines = np.abs(np.array(self.direction) @ np.asarray(axis, dtype=np.float64))
        return self.spacing[int(np.argmax(cosines))]

    def contains(self, index: ArrayLike) -> bool:
        """Tell whether rounded (i, j, k) lies in the grid."""
        i, j, k = np.rint(np.asarray(index, dtype=np.float64)).astype(int)
        nz, ny, nx = self.shape
        return bool(0 <= i < nx and 0 <= j < ny and 0 <= k < nz)

    @property
    def nearest_plane(self) -> Plane:
        """The patient plane closest to the acquired slices."""
        normal = np.abs(np.array(self.direction[2]))
        return (Plane.SAGITTAL, Plane.CORONAL, Plane.AXIAL)[int(np.argmax(normal))]

    @property
    def is_orthonormal(self) -> bool:
        """Tell whether the axes are unit length and at right angles (to 1e-4)."""
        axes = np.array(self.direction)
        return bool(np.allclose(axes @ axes.T, np.eye(3), atol=1e-4))


@dataclass(frozen=True)
class PlaneAxes:
    """The grid axes that a plane shows: acquired voxels, never a tilt of our own.

    Each of ``right``, ``down``, ``through`` is (grid axis 0 = i, 1 = j, 2 = k; sign), the
    axis nearest to the plane's own direction, so the letters at the edges stay true for
    oblique acquisitions too.
    """

    right: tuple[int, int]
    down: tuple[int, int]
    through: tuple[int, int]

    @classmethod
    def of(cls, geometry: Geometry, plane: Plane) -> PlaneAxes:
        """Assign to every direction of the plane its own nearest grid axis."""
        cosines = np.array(geometry.direction) @ np.array(plane.value, dtype=np.float64).T
        best = max(
            permutations(range(3)),
            key=lambda axes: sum(abs(cosines[axis, n]) for n, axis in enumerate(axes)),
        )
        right, down, through = (
            (axis, 1 if cosines[axis, n] >= 0 else -1) for n, axis in enumerate(best)
        )
        return cls(right, down, through)

    def count(self, geometry: Geometry) -> int:
        """Count the slices of the plane."""
        return geometry.shape[2 - self.through[0]]

    def slice_index(self, geometry: Geometry, lps: ArrayLike) -> int:
        """Find the slice nearest to an LPS point in mm, clamped, counted in the plane's sense."""
        axis, sign = self.through
        last = self.count(geometry) - 1
        index = int(np.clip(np.rint(geometry.to_index(lps)[axis]), 0, last))
        return index if sign > 0 else last - index

    def grid_index(self, geometry: Geometry, slice_index: int) -> int:
        """Grid index along the through axis of a slice counted in the plane's sense."""
        axis_sign = self.through[1]
        return slice_index if axis_sign > 0 else self.count(geometry) - 1 - slice_index

    def vectors(self, geometry: Geometry) -> NDArray[np.float64]:
        """LPS unit vectors (3, 3): rows are the screen's right, down and through."""
        axes = (self.right, self.down, self.through)
        return np.array([np.array(geometry.direction[axis]) * sign for axis, sign in axes])


def orientation_letters(direction: ArrayLike) -> str:
    """Name an LPS direction by the patient's sides it points to, main side first.

    ``(1, 0, 0)`` is ``"L"``; a tilted axis gives two or three letters, such as ``"PS"``.
    """
    vector = np.asarray(direction, dtype=np.float64)
    parts = sorted(range(3), key=lambda axis: -abs(vector[axis]))
    parts = [axis for axis in parts if abs(vector[axis]) > 0.1]
    return "".join(_LETTERS[axis][int(vector[axis] > 0)] for axis in parts)


def _point(values: ArrayLike) -> Point:
    x, y, z = (float(value) for value in np.asarray(values))
    return x, y, z
