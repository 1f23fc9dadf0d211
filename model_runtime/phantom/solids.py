"""How much of each voxel a solid fills: distances to its surface counted in voxels.

A voxel is as wide, seen along the normal of a surface, as its edges along that normal are;
so flat and oblique surfaces have their own partial volume on grids of unequal spacing.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod, sqrt

import numpy as np
from numpy.typing import NDArray

from model_runtime.phantom.scene import Ball, Column, Point, Rod, Solid

Field = NDArray[np.float32]
Places = tuple[Field, Field, Field]
FAR = 1e6
TINY = 1e-12
OFFSETS = tuple((step + 0.5) / 8 - 0.5 for step in range(8))
"""From inside to outside over a ramp of one voxel."""


def extent(solid: Solid) -> Sequence[tuple[float, float]]:
    """Lowest and highest x, y, z of a solid in mm."""
    if isinstance(solid, Ball):
        return [(c - r, c + r) for c, r in zip(solid.centre, solid.radii, strict=True)]
    if isinstance(solid, Column):
        (x, y), (a, b) = solid.centre, solid.radii
        return [(x - a, x + a), (y - b, y + b), (min(solid.ends), max(solid.ends))]
    if isinstance(solid, Rod):
        ends = zip(solid.start, solid.end, strict=True)
        thick = max(solid.radii)
        return [(min(a, b) - thick, max(a, b) + thick) for a, b in ends]
    return [(-FAR, FAR)] * 3


def fit(radii: Sequence[float]) -> tuple[list[float], float]:
    """Radii and factor with which a convex solid keeps its volume.

    A voxel takes a ramp one voxel wide across a surface for its share. Around a curved surface
    the outer half of the ramp is larger than the inner one, and a solid thinner than the ramp
    has no inner half; both would make small solids too large.

    Parameters
    ----------
    radii : sequence of float
        Semi-axes in voxels, all that are finite (2 of a rod, 3 of an ellipsoid).

    Returns
    -------
    list of float
        Semi-axes to draw, none under half a voxel.
    float
        What to multiply the shares with.
    """
    wide = [max(0.5, float(radius)) for radius in radii]
    inverse = [1 / radius for radius in wide]
    pairs = sum(a * b for n, a in enumerate(inverse) for b in inverse[:n])
    # Steiner: the ramp's second moment (1/12) times the mean curvature.
    shrink = min(pairs / sum(inverse) / 12, min(wide) - 0.5)
    drawn = [radius - shrink for radius in wide]
    whole = 0.0
    for offset in OFFSETS:
        whole += prod(radius + offset for radius in drawn) / len(OFFSETS)
    return drawn, min(1.0, prod(map(float, radii)) / whole)


def filled(solid: Solid, places: Places, edges: Point, exact: bool) -> Field:
    """Share of each voxel that a solid fills, 0 to 1.

    Parameters
    ----------
    solid : Solid
        What to draw.
    places : tuple of ndarray of float32
        LPS mm (x, y, z) of the voxels, to be broadcast against each other.
    edges : tuple of float
        Widths (x, y, z) in mm over which a surface fades out, at least the voxels' own.
    exact : bool
        Keep the volume of small solids; not for surfaces that are softer than the voxels.
    """
    if isinstance(solid, Ball):
        return _ball(solid, places, edges, exact)
    if isinstance(solid, Column):
        return _column(solid, places, edges, exact)
    if isinstance(solid, Rod):
        return _rod(solid, places, edges, exact)
    x, y, z = places
    (nx, ny, nz), (ex, ey, ez) = solid.normal, edges
    scale = 1 / sqrt((nx * ex) ** 2 + (ny * ey) ** 2 + (nz * ez) ** 2)
    height: Field = float(nx * scale) * x + float(ny * scale) * y + float(nz * scale) * z
    height = height + np.float32(0.5 - solid.offset * scale)
    return _clipped(height, 1.0)


def _clipped(share: Field, most: float) -> Field:
    np.maximum(share, 0, out=share)
    np.minimum(share, most, out=share)
    return share


def _round(powers: Field, slopes: Field, power: float, thin: float, factor: float) -> Field:
    """Share inside where ``powers`` is the scaled radius to its power.

    ``slopes`` is the squared gradient of the scaled radius in voxels, without the power of
    the radius that is common to its terms; ``thin`` is the smallest radius in voxels.
    """
    if power == 2.0:
        radius: Field = np.sqrt(powers)
        lift = radius
    else:
        radius = np.power(powers, np.float32(1 / power), dtype=np.float32)
        lift = powers / radius
    depth: Field = np.divide(np.subtract(1, radius) * lift, np.sqrt(slopes))
    share = _clipped(depth + np.float32(0.5), min(1.0, 0.5 + thin))
    return share if factor == 1 else share * np.float32(factor)


def _terms(place: Field, radius: float, edge: float, power: float) -> tuple[Field, Field]:
    """One axis' part of the powers and of the slopes; the radius is in voxels."""
    unit: Field = np.divide(np.abs(place), np.float32(radius * edge))
    lower = unit
    if power != 2.0:
        lower = np.power(unit, np.float32(power - 1), dtype=np.float32)
    slope: Field = lower * np.float32(1 / radius)
    return unit * lower, slope * slope


def _fitted(
    radii: Sequence[float], edges: Sequence[float], exact: bool
) -> tuple[list[float], float]:
    """Radii in voxels to draw, and the factor of the shares."""
    counted = [float(radius / edge) for radius, edge in zip(radii, edges, strict=True)]
    return fit(counted) if exact else (counted, 1.0)


def _ball(solid: Ball, places: Places, edges: Point, exact: bool) -> Field:
    x, y, z = places
    (cx, cy, cz), (ex, ey, ez), power = solid.centre, edges, solid.power
    (a, b, c), factor = _fitted(solid.radii, edges, exact)
    px, sx = _terms(x - float(cx), a, ex, power)
    py, sy = _terms(y - float(cy), b, ey, power)
    pz, sz = _terms(z - float(cz), c, ez, power)
    # In the centre, where both vanish, the surface is the smallest radius away.
    thin = min(a, b, c)
    floor = (TINY ** ((power - 1) / power) / thin) ** 2
    return _round(
        (py + np.float32(TINY)) + pz + px, (sy + np.float32(floor)) + sz + sx, power, thin, factor
    )


def _column(solid: Column, places: Places, edges: Point, exact: bool) -> Field:
    x, y, z = places
    (cx, cy), (ex, ey, ez) = solid.centre, edges
    (a, b), factor = _fitted(solid.radii, (ex, ey), exact)
    px, sx = _terms(x - float(cx), a, ex, 2.0)
    py, sy = _terms(y - float(cy), b, ey, 2.0)
    thin = min(a, b)
    floor = TINY / thin**2
    across = _round(px + py + np.float32(TINY), sx + sy + np.float32(floor), 2.0, thin, factor)
    low, high = float(min(solid.ends)), float(max(solid.ends))
    top = np.minimum(z + np.float32(ez / 2), high)
    along = np.maximum(top - np.maximum(z - np.float32(ez / 2), low), 0) / np.float32(ez)
    whole: Field = across * along
    return whole


def _rod(solid: Rod, places: Places, edges: Point, exact: bool) -> Field:
    x, y, z = places
    first, last = (float(radius) for radius in solid.radii)
    mean, edge = (first + last) / 2, (prod(edges)) ** (1 / 3)
    (fitted, _), factor = _fitted((mean, mean), (edge, edge), exact)
    shrink = mean - fitted * edge
    ax, ay, az = (float(value) for value in solid.start)
    dx, dy, dz = (float(b) - float(a) for a, b in zip(solid.start, solid.end, strict=True))
    length = 1 / max(dx * dx + dy * dy + dz * dz, 1e-9)
    u, v, w = x - ax, y - ay, z - az
    along = (v * (dy * length) + w * (dz * length)) + u * (dx * length)
    along = _clipped(along, 1.0)
    u, v, w = (u - along * dx) ** 2, (v - along * dy) ** 2, (w - along * dz) ** 2
    away = np.sqrt(u + v + w) + np.float32(1e-6)
    ex, ey, ez = edges
    if max(edges) - min(edges) < 1e-3 * max(edges):
        width: Field | float = ex
    else:
        widths = u * np.float32(ex * ex) + v * np.float32(ey * ey) + w * np.float32(ez * ez)
        width = np.sqrt(widths + np.float32(1e-12 * min(edges) ** 2)) / away
    depth = along * np.float32(last - first) + np.float32(first - shrink) - away
    share = _clipped(depth / width + np.float32(0.5), min(1.0, 0.5 + (mean - shrink) / min(edges)))
    return share if factor == 1 else share * np.float32(factor)
