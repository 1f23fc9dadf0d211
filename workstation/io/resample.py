"""Grid slices computed from tilted or unevenly spaced sources."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workstation.io.grid import Blend

AIR = -1024

Image = NDArray[np.float32]


def shifted(
    pixels: NDArray[np.int16], shift: tuple[float, float], shape: tuple[int, int], outside: int
) -> Image:
    """Lay a slice (rows, columns) onto a larger one, ``shift`` pixels along (rows, columns).

    Linear interpolation; pixels of the result that the slice does not reach are ``outside``.
    """
    whole = np.floor(shift).astype(int)
    rest = np.asarray(shift) - whole
    placed = np.full((shape[0] + 1, shape[1] + 1), outside, np.float32)
    rows, columns = pixels.shape
    placed[whole[0] : whole[0] + rows, whole[1] : whole[1] + columns] = pixels
    for axis in (0, 1):
        if rest[axis] > 1e-4:
            placed = _moved(placed, float(rest[axis]), axis, outside)
    return placed[: shape[0], : shape[1]]


def blended(blend: Blend, lower: Image, upper: Image) -> NDArray[np.int16]:
    """Blend two slices that lie on the grid already."""
    if blend.weight == 0.0 or blend.lower == blend.upper:
        return np.rint(lower).astype(np.int16)
    mixed = lower + np.float32(blend.weight) * (upper - lower)
    return np.rint(mixed).astype(np.int16)


def _moved(image: Image, rest: float, axis: int, outside: int) -> Image:
    """Move by a fraction of a pixel towards larger indices."""
    before = np.roll(image, 1, axis)
    if axis == 0:
        before[0] = outside
    else:
        before[:, 0] = outside
    return image + np.float32(rest) * (before - image)
