"""Shares of voxels that many solids of a type fill, in torch; see ``solids`` for the formulas.

Each row of a table has the solid's own numbers, then the widths (x, y, z) in mm over which its
surface fades out, then 1 where its volume is to be kept. Results are (solids, z, y, x).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model_runtime.phantom.scene import Ball, Column, Rod, Solid
from model_runtime.phantom.solids import OFFSETS, TINY


@dataclass(frozen=True)
class Grid:
    """LPS mm of a slab of voxels, of shapes (1, 1, 1, x), (1, 1, y, 1) and (1, z, 1, 1)."""

    x: Tensor
    y: Tensor
    z: Tensor


def _columns(rows: Tensor) -> list[Tensor]:
    return [column.view(-1, 1, 1, 1) for column in rows.T]


def _fitted(radii: Sequence[Tensor], exact: Tensor) -> tuple[list[Tensor], Tensor]:
    """Radii in voxels and factor with which solids keep their volume, as ``solids.fit``."""
    counted = torch.stack(list(radii))
    wide = counted.clamp(min=0.5)
    inverse = 1 / wide
    total = inverse.sum(0)
    pairs = (total**2 - (inverse**2).sum(0)) / 2
    shrink = torch.minimum(pairs / total / 12, wide.amin(0) - 0.5)
    fitted = wide - shrink
    whole = torch.stack([(fitted + offset).prod(0) for offset in OFFSETS]).mean(0)
    factor = (counted.prod(0) / whole).clamp(max=1)
    keep = exact > 0
    return list(torch.where(keep, fitted, counted)), torch.where(keep, factor, 1.0)


def _round(powers: Tensor, slopes: Tensor, power: Tensor, thin: Tensor) -> Tensor:
    if bool((power == 2).all()):
        radius = lift = powers.sqrt()
    else:
        radius = powers ** (1 / power)
        lift = powers / radius
    share = (1 - radius) * lift / slopes.sqrt() + 0.5
    return torch.minimum(share.clamp(min=0), (thin + 0.5).clamp(max=1))


def _terms(place: Tensor, radius: Tensor, edge: Tensor, power: Tensor) -> tuple[Tensor, Tensor]:
    unit = place.abs() / (radius * edge)
    lower = torch.where(power == 2, unit, unit ** (power - 1))
    return unit * lower, (lower / radius) ** 2


def _balls(rows: Tensor, grid: Grid) -> Tensor:
    cx, cy, cz, a, b, c, power, ex, ey, ez, exact = _columns(rows)
    (a, b, c), factor = _fitted([a / ex, b / ey, c / ez], exact)
    px, sx = _terms(grid.x - cx, a, ex, power)
    py, sy = _terms(grid.y - cy, b, ey, power)
    pz, sz = _terms(grid.z - cz, c, ez, power)
    thin = torch.minimum(torch.minimum(a, b), c)
    floor = (TINY ** ((power - 1) / power) / thin) ** 2
    return _round(py + TINY + pz + px, sy + floor + sz + sx, power, thin) * factor


def _columns_filled(rows: Tensor, grid: Grid) -> Tensor:
    cx, cy, a, b, low, high, ex, ey, ez, exact = _columns(rows)
    (a, b), factor = _fitted([a / ex, b / ey], exact)
    two = torch.full_like(a, 2.0)
    px, sx = _terms(grid.x - cx, a, ex, two)
    py, sy = _terms(grid.y - cy, b, ey, two)
    thin = torch.minimum(a, b)
    across = _round(px + py + TINY, sx + sy + TINY / thin**2, two, thin) * factor
    top = torch.minimum(grid.z + ez / 2, high)
    return across * (top - torch.maximum(grid.z - ez / 2, low)).clamp(min=0) / ez


def _rods(rows: Tensor, grid: Grid) -> Tensor:
    ax, ay, az, bx, by, bz, first, last, ex, ey, ez, exact = _columns(rows)
    mean, edge = (first + last) / 2, (ex * ey * ez) ** (1 / 3)
    (fitted, _), factor = _fitted([mean / edge, mean / edge], exact)
    shrink = mean - fitted * edge
    dx, dy, dz = bx - ax, by - ay, bz - az
    length = 1 / (dx**2 + dy**2 + dz**2).clamp(min=1e-9)
    u, v, w = grid.x - ax, grid.y - ay, grid.z - az
    along = (v * (dy * length) + w * (dz * length) + u * (dx * length)).clamp(0, 1)
    u, v, w = (u - along * dx) ** 2, (v - along * dy) ** 2, (w - along * dz) ** 2
    away = (u + v + w).sqrt() + 1e-6
    least = torch.minimum(torch.minimum(ex, ey), ez)
    width = (u * ex**2 + v * ey**2 + w * ez**2 + 1e-12 * least**2).sqrt() / away
    share = (along * (last - first) + first - shrink - away) / width + 0.5
    most = ((mean - shrink) / least + 0.5).clamp(max=1)
    return torch.minimum(share.clamp(min=0), most) * factor


def _halves(rows: Tensor, grid: Grid) -> Tensor:
    nx, ny, nz, offset, ex, ey, ez, _exact = _columns(rows)
    scale = 1 / ((nx * ex) ** 2 + (ny * ey) ** 2 + (nz * ez) ** 2).sqrt()
    height = (grid.x * nx + grid.y * ny + grid.z * nz - offset) * scale
    return (height + 0.5).clamp(0, 1)


FILLED: dict[str, Callable[[Tensor, Grid], Tensor]] = {
    "ball": _balls,
    "boxy ball": _balls,
    "column": _columns_filled,
    "rod": _rods,
    "half": _halves,
}


def described(solid: Solid) -> tuple[str, list[float]]:
    """Return the key of ``FILLED`` and the numbers of a solid."""
    if isinstance(solid, Ball):
        kind = "ball" if solid.power == 2 else "boxy ball"
        return kind, [*map(float, (*solid.centre, *solid.radii, solid.power))]
    if isinstance(solid, Column):
        ends = min(solid.ends), max(solid.ends)
        return "column", [*map(float, (*solid.centre, *solid.radii, *ends))]
    if isinstance(solid, Rod):
        return "rod", [*map(float, (*solid.start, *solid.end, *solid.radii))]
    return "half", [*map(float, (*solid.normal, solid.offset))]
