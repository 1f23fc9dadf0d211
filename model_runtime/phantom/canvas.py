"""Draws a scene in Hounsfield units on a grid, with the masks of its findings.

Solids are evaluated in their own bounding box and blended by their partial volume, so one
case looks alike on every grid. Axes of arrays are (z, y, x); points are LPS mm (x, y, z).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_runtime.phantom.scene import Ball, Column, Part, Point, Rod, Scene, Solid, Texture

Field = NDArray[np.float32]
Box = tuple[slice, slice, slice]
_FAR = 1e6
_BODY = 400.0
"""Beyond this many mm from the middle there is nothing to draw."""


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
    findings : int
        How many findings' coverage is kept; 0 spares the time.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        spacing: tuple[float, float, float],
        centre: Point = (0.0, 0.0, 0.0),
        findings: int = 0,
    ) -> None:
        self.hu: Field = np.full(shape, -1000, np.float32)
        self.coverage: Field = np.zeros((findings, *shape), np.float32)
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

    def draw(self, scene: Scene) -> None:
        """Paint every part of a scene in its order."""
        for part in scene.parts:
            self.paint(part)

    def paint(self, part: Part) -> None:
        """Paint one part; what it covers of earlier findings is theirs no more."""
        box = self._box(part)
        if box is None:
            return
        share = self._share(part, box)
        hu: float | Field = part.hu
        if part.texture is not None:
            hu = part.hu + self._texture(part.texture, part.inside[0], box)
        voxels = self.hu[box]
        if part.adds:
            voxels += share * hu
        else:
            voxels += share * (hu - voxels)
        if len(self.coverage):
            covered = self.coverage[(slice(None), *box)]
            if not part.adds:
                covered *= 1 - share
            if part.finding >= 0:
                mine = covered[part.finding]
                mine += share * (1 - mine) if part.adds else share

    def _box(self, part: Part) -> Box | None:
        """Index ranges (z, y, x) that hold a part with its soft edge; None where it is outside."""
        margin = max(self.edge, part.edge)
        low, high = [-_FAR] * 3, [_FAR] * 3
        for solid in part.inside:
            for axis, (first, last) in enumerate(_extent(solid)):
                low[axis], high[axis] = max(low[axis], first), min(high[axis], last)
        ranges = []
        for axis, places in ((2, self.z), (1, self.y), (0, self.x)):
            first = int(np.searchsorted(places, low[axis] - margin))
            last = int(np.searchsorted(places, high[axis] + margin, side="right"))
            if first >= last:
                return None
            ranges.append(slice(first, last))
        return ranges[0], ranges[1], ranges[2]

    def _share(self, part: Part, box: Box) -> Field:
        """Share of each voxel of the box that the part fills."""
        z = self.z[box[0]][:, None, None]
        y = self.y[box[1]][None, :, None]
        x = self.x[box[2]][None, None, :]
        edge = max(self.edge, part.edge)
        share: Field | None = None
        for solid in part.inside:
            filled = self._filled(solid, z, y, x, edge)
            share = filled if share is None else np.minimum(share, filled)
        assert share is not None
        for solid in part.outside:
            share = share * (1 - self._filled(solid, z, y, x, edge))
        whole: Field = np.broadcast_to(share, (z.size, y.size, x.size))
        return whole

    def _filled(self, solid: Solid, z: Field, y: Field, x: Field, edge: float) -> Field:
        share = np.clip(0.5 - _distance(solid, z, y, x) / edge, 0, 1).astype(np.float32)
        thin = _thickness(solid) / edge
        # A solid thinner than a voxel fills no more of it than its own volume.
        filled: Field = share if thin >= 1 else share * np.float32(thin)
        return filled

    def _texture(self, texture: Texture, solid: Solid, box: Box) -> Field:
        """Random values at the points of a lattice over the solid, linear in between."""
        random = np.random.default_rng(texture.seed)
        counts, places = [], []
        axes = (self.z[box[0]], self.y[box[1]], self.x[box[2]])
        for axis, ends in zip(axes, reversed(_extent(solid)), strict=True):
            first = max(ends[0], -_BODY)
            count = max(2, int((min(ends[1], _BODY) - first) / texture.grain) + 2)
            counts.append(count)
            places.append(np.clip((axis - first) / texture.grain, 0, count - 1.001))
        field = random.standard_normal(counts).astype(np.float32) * texture.spread
        for number, place in enumerate(places):
            field = _interpolated(field, place, number)
        return field


def _interpolated(field: Field, place: Field, axis: int) -> Field:
    low = place.astype(int)
    share = (place - low).astype(np.float32).reshape([-1 if n == axis else 1 for n in range(3)])
    out: Field = field.take(low, axis) * (1 - share) + field.take(low + 1, axis) * share
    return out


def _extent(solid: Solid) -> Sequence[tuple[float, float]]:
    """Lowest and highest x, y, z of a solid."""
    if isinstance(solid, Ball):
        return [(c - r, c + r) for c, r in zip(solid.centre, solid.radii, strict=True)]
    if isinstance(solid, Column):
        (x, y), (a, b) = solid.centre, solid.radii
        return [(x - a, x + a), (y - b, y + b), (min(solid.ends), max(solid.ends))]
    if isinstance(solid, Rod):
        ends = zip(solid.start, solid.end, strict=True)
        thick = max(solid.radii)
        return [(min(a, b) - thick, max(a, b) + thick) for a, b in ends]
    return [(-_FAR, _FAR)] * 3


def _thickness(solid: Solid) -> float:
    """Smallest diameter in mm."""
    if isinstance(solid, Ball):
        return 2 * min(solid.radii)
    if isinstance(solid, Column):
        return min(2 * min(solid.radii), abs(solid.ends[1] - solid.ends[0]))
    if isinstance(solid, Rod):
        return solid.radii[0] + solid.radii[1]
    return _FAR


def _distance(solid: Solid, z: Field, y: Field, x: Field) -> Field:
    """Signed distance in mm to the surface, negative inside; to first order for ellipsoids."""
    if isinstance(solid, Ball):
        return _ball_distance(solid, z, y, x)
    if isinstance(solid, Column):
        (a, b), (cx, cy) = solid.radii, solid.centre
        u, v = (x - cx) / a, (y - cy) / b
        across = _first_order(u * u + v * v, (u / a) ** 2 + (v / b) ** 2, min(a, b))
        along = np.maximum(min(solid.ends) - z, z - max(solid.ends))
        capped: Field = np.maximum(across, along)
        return capped
    if isinstance(solid, Rod):
        return _rod_distance(solid, z, y, x)
    nx, ny, nz = solid.normal
    beyond: Field = np.float32(solid.offset) - (nx * x + ny * y + nz * z)
    return beyond


def _first_order(squared: Field, slope: Field, narrowest: float) -> Field:
    """Scaled radius times its excess over 1, divided by the norm of its gradient."""
    # Both vanish in the centre; there the surface is the narrowest radius away.
    radius = np.sqrt(squared + np.float32(1e-6))
    out: Field = radius * (radius - 1) / np.sqrt(slope + np.float32(1e-6 / narrowest**2))
    return out


def _ball_distance(solid: Ball, z: Field, y: Field, x: Field) -> Field:
    (cx, cy, cz), (a, b, c) = solid.centre, solid.radii
    u, v, w = (x - cx) / a, (y - cy) / b, (z - cz) / c
    if solid.power == 2.0:
        slope = (u / a) ** 2 + (v / b) ** 2 + (w / c) ** 2
        return _first_order(u * u + v * v + w * w, slope, min(a, b, c))
    p = solid.power
    radius = (np.abs(u) ** p + np.abs(v) ** p + np.abs(w) ** p) ** (1 / p)
    out: Field = (radius - 1) * np.float32(min(solid.radii))
    return out


def _rod_distance(solid: Rod, z: Field, y: Field, x: Field) -> Field:
    (ax, ay, az), (bx, by, bz) = solid.start, solid.end
    dx, dy, dz = bx - ax, by - ay, bz - az
    length = max(dx * dx + dy * dy + dz * dz, 1e-9)
    along = np.clip(((x - ax) * dx + (y - ay) * dy + (z - az) * dz) / length, 0, 1)
    away = (x - ax - along * dx) ** 2 + (y - ay - along * dy) ** 2 + (z - az - along * dz) ** 2
    first, last = solid.radii
    out: Field = np.sqrt(away) - (first + (last - first) * along)
    return out
