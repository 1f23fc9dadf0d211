"""Where the model's evidence lies: on a slice, and in the volume.

A heat map is drawn as what it is: blocks of its cells' true extent, never smoothed, and only
the strongest of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import HeatMap
from workstation.core.geometry import Geometry, Point

InPlane = tuple[float, float]
_HalfPlane = tuple[float, float, float]
"""(a, b, c): the points (right, down) in mm with a · right + b · down + c ≥ 0."""

LEAST = 0.5
"""Least value, as a part of the largest, whose cell is drawn."""

_PARALLEL = 1e-9


@dataclass(frozen=True)
class Block:
    """The part of one cell that a slice cuts.

    Attributes
    ----------
    outline : tuple of (float, float)
        Convex polygon, in mm (right, down) from the middle of the slice.
    strength : float
        In [:data:`LEAST`, 1].
    """

    outline: tuple[InPlane, ...]
    strength: float


@dataclass(frozen=True)
class SliceEvidence:
    """A heat map as one slice shows it: its blocks, and the lines that say what they are."""

    blocks: tuple[Block, ...]
    legend: tuple[str, ...]


def evidence_on_slice(
    heat: HeatMap, centre: Point, vectors: NDArray[np.float64], extent: tuple[float, float]
) -> SliceEvidence:
    """Cut a heat map along a slice.

    Parameters
    ----------
    centre : tuple of float
        LPS mm of the slice's middle.
    vectors : ndarray of float64, shape (3, 3)
        LPS unit vectors; the first two rows run right and down in the slice.
    extent : tuple of float
        mm across and down the slice; nothing is drawn outside.
    """
    blocks = tuple(_blocks(heat, centre, vectors, extent))
    depth, height, width = heat.cell_mm
    size = f"cells {width:.0f} × {height:.0f} × {depth:.0f} mm"
    said = ("model evidence", size, "not a segmentation")
    return SliceEvidence(blocks, said if blocks else (*said[:2], "none in this slice"))


def strongest_place(heat: HeatMap, geometry: Geometry) -> Point:
    """LPS mm of the middle of the strongest cell's part that lies in the volume."""
    z, y, x = np.unravel_index(int(heat.values.argmax()), heat.values.shape)
    cell = np.array([x, y, z], dtype=np.float64)
    to_cells = np.linalg.inv(heat.index_to_lps)
    corners = geometry.corners @ to_cells[:3, :3].T + to_cells[:3, 3]
    low = np.clip(cell - 0.5, corners.min(axis=0), corners.max(axis=0))
    high = np.clip(cell + 0.5, corners.min(axis=0), corners.max(axis=0))
    middle = heat.index_to_lps @ np.append((low + high) / 2, 1.0)
    return float(middle[0]), float(middle[1]), float(middle[2])


def _blocks(
    heat: HeatMap, centre: Point, vectors: NDArray[np.float64], extent: tuple[float, float]
) -> Iterator[Block]:
    across, down = extent[0] / 2, extent[1] / 2
    whole = [(-across, -down), (across, -down), (across, down), (-across, down)]
    # Index (x, y, z) under a point of the slice: start + right · steps[:, 0] + down · steps[:, 1].
    to_cells = np.linalg.inv(heat.index_to_lps)
    start = to_cells[:3, :3] @ np.array(centre) + to_cells[:3, 3]
    steps = to_cells[:3, :3] @ vectors[:2].T
    corners = start + np.array(whole) @ steps.T
    highest = float(heat.values.max(initial=0.0))
    low, high = corners.min(axis=0) - 0.5, corners.max(axis=0) + 0.5
    cells = np.argwhere((heat.values >= LEAST * highest) & (heat.values > 0))
    near = ((cells[:, ::-1] >= low) & (cells[:, ::-1] <= high)).all(axis=1)
    for z, y, x in cells[near]:
        outline = whole
        for axis, index in enumerate((x, y, z)):
            right, lower = steps[axis]
            outline = _clipped(outline, (right, lower, start[axis] - index + 0.5))
            outline = _clipped(outline, (-right, -lower, index + 0.5 - start[axis]), open_=True)
        if len(outline) > 2:
            yield Block(tuple(outline), float(heat.values[z, y, x]) / highest)


def _clipped(outline: list[InPlane], half: _HalfPlane, open_: bool = False) -> list[InPlane]:
    """Cut a convex polygon with a half-plane (Sutherland and Hodgman).

    ``open_``: a slice that lies in the face itself is outside, so that of two cells that
    share the face one is drawn.
    """
    a, b, c = half
    if max(abs(a), abs(b)) < _PARALLEL:
        return outline if c > 0 or (c == 0 and not open_) else []
    depths = [a * right + b * down + c for right, down in outline]
    kept: list[InPlane] = []
    for n, (point, depth) in enumerate(zip(outline, depths, strict=True)):
        before, last = outline[n - 1], depths[n - 1]
        if (depth > 0) != (last > 0):
            share = last / (last - depth)
            kept.append(
                (
                    float(before[0] + share * (point[0] - before[0])),
                    float(before[1] + share * (point[1] - before[1])),
                )
            )
        if depth > 0:
            kept.append(point)
    return kept
