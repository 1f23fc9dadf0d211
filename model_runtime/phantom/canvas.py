"""Draws a scene in Hounsfield units on a grid, with the masks of its findings.

Solids are evaluated in their own bounding box and blended by their partial volume, so one
case looks alike on every grid. Axes of arrays are (z, y, x); points are LPS mm (x, y, z).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_runtime.phantom.scene import Part, Point, Scene, Solid, Texture
from model_runtime.phantom.solids import FAR, Field, extent, filled

Box = tuple[slice, slice, slice]
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
        self._painted: set[int] = set()
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
            self._cover(part, box, share)

    def cover(self, scene: Scene) -> None:
        """Keep the findings' coverage of a scene without painting it: several times as fast."""
        for part in scene.parts:
            box = self._box(part)
            if box is not None and (part.finding >= 0 or self._hides(part, box)):
                self._cover(part, box, self._share(part, box))

    def _hides(self, part: Part, box: Box) -> bool:
        return not part.adds and bool(self.coverage[(slice(None), *box)].any())

    def _cover(self, part: Part, box: Box, share: Field) -> None:
        """Take the voxels from the findings painted before, and give them to the part's own."""
        if not part.adds:
            for finding in self._painted:
                self.coverage[(finding, *box)] *= 1 - share
        if part.finding >= 0:
            self._painted.add(part.finding)
            mine = self.coverage[(part.finding, *box)]
            mine += share * (1 - mine) if part.adds else share

    def _box(self, part: Part) -> Box | None:
        """Index ranges (z, y, x) that hold a part with its soft edge; None where it is outside."""
        ranges = []
        ends = reversed(box_of(part, self.spacing))
        for places, (low, high) in zip((self.z, self.y, self.x), ends, strict=True):
            first = int(np.searchsorted(places, low))
            last = int(np.searchsorted(places, high, side="right"))
            if first >= last:
                return None
            ranges.append(slice(first, last))
        return ranges[0], ranges[1], ranges[2]

    def _share(self, part: Part, box: Box) -> Field:
        """Share of each voxel of the box that the part fills."""
        x = self.x[box[2]][None, None, :]
        y = self.y[box[1]][None, :, None]
        z = self.z[box[0]][:, None, None]
        edges = edges_of(part, self.spacing)
        exact = part.edge <= self.edge
        share: Field | None = None
        for solid in part.inside:
            one = filled(solid, (x, y, z), edges, exact)
            share = one if share is None else np.minimum(share, one)
        assert share is not None
        for solid in part.outside:
            share = share * (1 - filled(solid, (x, y, z), edges, exact))
        whole: Field = np.broadcast_to(share, (z.size, y.size, x.size))
        return whole

    def _texture(self, texture: Texture, solid: Solid, box: Box) -> Field:
        """Random values of a lattice over the solid, linear in between."""
        field, starts = lattice(texture, solid, self.edge)
        axes = (self.z[box[0]], self.y[box[1]], self.x[box[2]])
        for number, (axis, start) in enumerate(zip(axes, starts, strict=True)):
            last = field.shape[number] - 1.001
            field = _interpolated(field, np.clip((axis - start) / texture.grain, 0, last), number)
        return field


def box_of(part: Part, spacing: tuple[float, float, float]) -> list[tuple[float, float]]:
    """Lowest and highest x, y, z of a part with its soft edge in mm."""
    low, high = [-FAR] * 3, [FAR] * 3
    for solid in part.inside:
        for axis, (first, last) in enumerate(extent(solid)):
            low[axis], high[axis] = max(low[axis], float(first)), min(high[axis], float(last))
    margin = 0.5 * max(*spacing, part.edge)
    return [(first - margin, last + margin) for first, last in zip(low, high, strict=True)]


def edges_of(part: Part, spacing: tuple[float, float, float]) -> Point:
    """Widths (x, y, z) in mm over which a part's surface fades out."""
    z, y, x = (max(step, part.edge) for step in spacing)
    return x, y, z


def lattice(
    texture: Texture, solid: Solid, edge: float
) -> tuple[Field, tuple[float, float, float]]:
    """Draw a texture's values (z, y, x) every grain, and tell the LPS mm (z, y, x) of the first.

    It is the same for every grid, but where voxels of ``edge`` mm are larger than the grain,
    they average it away.
    """
    counts, starts = [], []
    for ends in reversed(extent(solid)):
        first = max(float(ends[0]), -_BODY)
        counts.append(max(2, int((min(float(ends[1]), _BODY) - first) / texture.grain) + 2))
        starts.append(first)
    spread = texture.spread * min(1.0, (texture.grain / edge) ** 1.5)
    random = np.random.default_rng(texture.seed)
    field = random.standard_normal(counts, dtype=np.float32) * np.float32(spread)
    return field, (starts[0], starts[1], starts[2])


def _interpolated(field: Field, place: Field, axis: int) -> Field:
    low = place.astype(int)
    share = (place - low).astype(np.float32).reshape([-1 if n == axis else 1 for n in range(3)])
    out: Field = field.take(low, axis) * (1 - share) + field.take(low + 1, axis) * share
    return out
