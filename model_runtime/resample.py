"""Window a volume and bring it to the model's grid, slice by slice.

The resize is separable: along each axis a sparse matrix of weights, either the exact
average over the acquired voxels of a cell, or linear interpolation between their centres
(edges of the volume on edges of the grid). Slice by slice, so that a large series is never
copied whole and a caller can stop in between.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import HuWindow

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Grid = tuple[int, int, int]
_SLICES_PER_STEP = 8


def axis_weights(old: int, new: int, average: bool) -> NDArray[np.float32]:
    """Weights (new, old) that resize one axis; each row sums to 1.

    Parameters
    ----------
    old, new : int
        Voxels before and after.
    average : bool
        Average over a cell where the grid gets coarser; elsewhere, and without it,
        interpolate linearly.
    """
    ratio = old / new
    cells = np.arange(new, dtype=np.float64)[:, None]
    places = np.arange(old, dtype=np.float64)[None, :]
    if average and ratio > 1:
        overlap = np.minimum((cells + 1) * ratio, places + 1) - np.maximum(cells * ratio, places)
        weights = np.clip(overlap, 0, None) / ratio
    else:
        centres = np.clip((cells + 0.5) * ratio - 0.5, 0, old - 1)
        weights = np.clip(1 - np.abs(centres - places), 0, None)
    return np.asarray(weights, dtype=np.float32)


def resampling(
    voxels: NDArray[np.int16], window: HuWindow, shape: Grid, average: bool
) -> Generator[float, None, NDArray[np.float32]]:
    """Window to [0, 1] and resize; yields the share done, returns the grid.

    Parameters
    ----------
    voxels : ndarray of int16, shape (z, y, x)
        HU; may be a view of any stride.
    window : HuWindow
        What becomes 0 and 1; values beyond are clipped before they are averaged, as a
        reader sees them.
    shape : tuple of int
        (z, y, x) of the result.
    average : bool
        See :func:`axis_weights`.
    """
    from scipy.sparse import csr_matrix

    slices = axis_weights(voxels.shape[0], shape[0], average)
    rows = csr_matrix(axis_weights(voxels.shape[1], shape[1], average))
    columns = csr_matrix(axis_weights(voxels.shape[2], shape[2], average))
    out = np.zeros(shape, dtype=np.float32)
    for place in range(voxels.shape[0]):
        plane = _resized_plane(_grey(voxels[place], window), rows, columns)
        for target in np.flatnonzero(slices[:, place]):
            out[target] += slices[target, place] * plane
        if place % _SLICES_PER_STEP == 0:
            yield place / voxels.shape[0]
    # Weights sum to 1 only within rounding.
    return np.clip(out, 0, 1, out=out)


def _grey(plane: NDArray[np.int16], window: HuWindow) -> NDArray[np.float32]:
    grey = plane.astype(np.float32)
    grey -= window.low
    grey /= window.high - window.low
    return np.clip(grey, 0, 1, out=grey)


def _resized_plane(
    grey: NDArray[np.float32], rows: csr_matrix, columns: csr_matrix
) -> NDArray[np.float32]:
    """Resize (y, x) by the sparse weights of both axes."""
    narrow = columns @ np.ascontiguousarray((rows @ grey).T)
    return np.asarray(narrow.T, dtype=np.float32)


def smoothed(grey: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Blur a volume by a Gaussian of ``width`` voxels; 0 leaves it as it is."""
    if not width:
        return grey
    from scipy.ndimage import gaussian_filter

    out: NDArray[np.float32] = gaussian_filter(grey, width, mode="nearest", truncate=3.0)
    return out
