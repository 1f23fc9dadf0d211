"""A grid in the patient on which smooth shapes are painted in Hounsfield units.

Coordinates are LPS mm with the origin in the middle of the body: x to the patient's
left, y to the back, z to the head. Shapes are evaluated in their own bounding box and
blended by their partial volume, so one case looks alike on every grid.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from model_runtime.phantom.case import Random

Field = NDArray[np.float32]
Box = tuple[slice, slice, slice]
Vector = Sequence[float]


class Canvas:
    """Voxels (z, y, x) in HU, float32, starting as air.

    Parameters
    ----------
    shape : tuple of int
        (z, y, x).
    spacing : tuple of float
        mm along (z, y, x).
    centre : tuple of float
        LPS mm (x, y, z) of the grid's middle.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        spacing: tuple[float, float, float],
        centre: tuple[float, float, float] = (0.0, 0.0, 0.0),
    ) -> None:
        self.hu: Field = np.full(shape, -1000, np.float32)
        self.spacing = spacing
        self.edge = float(np.mean(spacing))
        self.z, self.y, self.x = (
            ((np.arange(count) - (count - 1) / 2) * step + middle).astype(np.float32)
            for count, step, middle in zip(shape, spacing, centre[::-1], strict=True)
        )

    @property
    def index_to_lps(self) -> NDArray[np.float64]:
        """Matrix (4, 4) from (x, y, z) indices to LPS mm."""
        matrix = np.diag([self.spacing[2], self.spacing[1], self.spacing[0], 1.0])
        matrix[:3, 3] = self.x[0], self.y[0], self.z[0]
        return matrix

    def box(self, centre: Vector, radii: Vector) -> Box:
        """Index ranges (z, y, x) that hold a shape with its soft edge."""
        margin = self.edge
        ranges = []
        for axis, middle, radius in zip(
            (self.z, self.y, self.x), centre[::-1], radii[::-1], strict=True
        ):
            first = int(np.searchsorted(axis, middle - radius - margin))
            last = int(np.searchsorted(axis, middle + radius + margin, side="right"))
            ranges.append(slice(first, last))
        return ranges[0], ranges[1], ranges[2]

    def radius(self, box: Box, centre: Vector, radii: Vector, power: float = 2.0) -> Field:
        """Distance from the centre in units of the radii: 1 on an ellipsoid's surface."""
        z = np.abs((self.z[box[0]] - centre[2]) / radii[2])[:, None, None]
        y = np.abs((self.y[box[1]] - centre[1]) / radii[1])[None, :, None]
        x = np.abs((self.x[box[2]] - centre[0]) / radii[0])[None, None, :]
        total: Field = (x**power + y**power + z**power) ** (1 / power)
        return total

    def soft(self, radius: Field, size: float) -> Field:
        """Partial volume from a radius field whose unit is ``size`` mm."""
        out: Field = np.clip(0.5 - (radius - 1) * size / self.edge, 0, 1).astype(np.float32)
        return out

    def blend(self, box: Box, share: Field, hu: float | Field) -> None:
        """Mix a shape into the voxels by its share of each."""
        part = self.hu[box]
        part += share * (hu - part)

    def ellipsoid(
        self, centre: Vector, radii: Vector, hu: float | Field, within: Field | None = None
    ) -> None:
        """Paint an ellipsoid; ``within`` (the whole grid's shares) confines it."""
        box = self.box(centre, radii)
        if any(part.start >= part.stop for part in box):
            return
        share = self.soft(self.radius(box, centre, radii), min(radii))
        self.blend(box, share if within is None else share * within[box], hu)

    def share_of(self, centre: Vector, radii: Vector, power: float = 2.0) -> Field:
        """Share of every voxel of the grid that lies in an ellipsoid."""
        out = np.zeros_like(self.hu)
        box = self.box(centre, radii)
        out[box] = self.soft(self.radius(box, centre, radii, power), min(radii))
        return out

    def column(self, centre: Vector, radii: Vector, hu: float, ends: Vector) -> None:
        """Paint an elliptic cylinder along z, between two heights in mm."""
        low, high = min(ends), max(ends)
        box = self.box((*centre, (low + high) / 2), (*radii, (high - low) / 2))
        if any(part.start >= part.stop for part in box):
            return
        y = ((self.y[box[1]] - centre[1]) / radii[1])[:, None]
        x = ((self.x[box[2]] - centre[0]) / radii[0])[None, :]
        share = self.soft(np.sqrt(x * x + y * y), min(radii))
        z = self.z[box[0]]
        along = np.clip(0.5 + np.minimum(z - low, high - z) / self.edge, 0, 1)
        self.blend(box, share[None] * along[:, None, None].astype(np.float32), hu)

    def tube(self, points: Iterable[Vector], radii: Iterable[float], hu: float) -> None:
        """Paint a string of balls, close enough to look like a tube."""
        for point, radius in zip(points, radii, strict=True):
            self.ellipsoid(point, (radius, radius, radius), hu)

    def noise(self, random: Random, cell: float) -> Field:
        """Smooth random field of unit spread; ``cell`` is its grain in mm."""
        shape = [max(2, int(np.ptp(axis) / cell) + 2) for axis in (self.z, self.y, self.x)]
        field = random.standard_normal(shape).astype(np.float32)
        for axis, count in enumerate(self.hu.shape):
            field = _stretch(field, count, axis)
        return field


def _stretch(field: Field, count: int, axis: int) -> Field:
    """Interpolate linearly along one axis to a number of samples."""
    place = np.linspace(0, field.shape[axis] - 1, count)
    low = np.minimum(place.astype(int), field.shape[axis] - 2)
    share = (place - low).astype(np.float32)
    share = share.reshape([-1 if n == axis else 1 for n in range(3)])
    out: Field = field.take(low, axis) * (1 - share) + field.take(low + 1, axis) * share
    return out
