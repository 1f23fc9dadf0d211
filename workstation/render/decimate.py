"""A smaller copy of a volume for the 3D view, made in short steps."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from workstation.core.geometry import Geometry, Plane, PlaneAxes
from workstation.core.volume import Volume

_AIR = -1024


def decimation_factors(geometry: Geometry, budget: int) -> tuple[int, int, int]:
    """Whole factors along (i, j, k) that bring the voxel count down to a budget.

    The finest axis is thinned first, so that the copy comes close to equal spacing. The two
    in-plane factors stay equal.
    """
    in_plane, through = 1, 1
    slices, rows, columns = geometry.shape
    while (-(-slices // through)) * (rows // in_plane) * (columns // in_plane) > budget:
        finer = geometry.spacing[0] * in_plane <= geometry.spacing[2] * through
        if finer and min(rows, columns) // (in_plane + 1) >= 1:
            in_plane += 1
        else:
            through += 1
    return in_plane, in_plane, through


class Decimation:
    """Copies a volume slice by slice: mean over blocks in the slice, every n-th slice.

    Slices that are not available become air.
    """

    def __init__(self, volume: Volume, budget: int) -> None:
        self._volume = volume
        self.factors = decimation_factors(volume.geometry, budget)
        slices, rows, columns = volume.geometry.shape
        across, down, through = self.factors
        self.shape = (-(-slices // through), rows // down, columns // across)
        self._next = 0

    @property
    def geometry(self) -> Geometry:
        """Grid of the copy: each voxel in the middle of the block it stands for."""
        geometry = self._volume.geometry
        across, down, through = self.factors
        first = geometry.to_lps(((across - 1) / 2, (down - 1) / 2, 0.0))
        x, y, z = (float(value) for value in first)
        i, j, k = geometry.spacing
        return replace(
            geometry,
            shape=self.shape,
            origin=(x, y, z),
            spacing=(i * across, j * down, k * through),
        )

    @property
    def label(self) -> str:
        """How much was left out, for the pane; empty if nothing was."""
        most = max(self.factors)
        return "" if most == 1 else f"3D {most}× decimated"

    def copy_into(self, target: NDArray[np.int16], seconds: float = np.inf) -> bool:
        """Copy for about so long; True when the copy is whole."""
        end = time.perf_counter() + seconds
        while self._next < self.shape[0]:
            target[self._next] = self._slice(self._next * self.factors[2])
            self._next += 1
            if time.perf_counter() >= end:
                break
        return self._next >= self.shape[0]

    def _slice(self, k: int) -> NDArray[np.int16] | int:
        if not self._volume.available[k]:
            return _AIR
        across, down, _ = self.factors
        _, rows, columns = self.shape
        pixels = self._volume.voxels[k, : rows * down, : columns * across]
        if across == 1 and down == 1:
            return pixels
        total = np.zeros((rows, columns), dtype=np.int32)
        for row in range(down):
            for column in range(across):
                total += pixels[row::down, column::across]
        return (total // (across * down)).astype(np.int16)


def along_patient(
    voxels: NDArray[np.int16], geometry: Geometry
) -> tuple[NDArray[np.int16], Geometry]:
    """Turn and flip the array so that its axes grow to the left, back and head, nearly."""
    axes = PlaneAxes.of(geometry, Plane.AXIAL)
    order = (axes.right, axes.down, axes.through)
    turned = voxels.transpose([2 - axis for axis, _ in reversed(order)])
    flips = tuple(slice(None, None, sign) for _, sign in reversed(order))
    array = np.ascontiguousarray(turned[flips])
    last = np.array(geometry.shape[::-1]) - 1
    start = np.zeros(3)
    for axis, sign in order:
        start[axis] = last[axis] if sign < 0 else 0
    matrix = np.eye(4)
    steps = np.array([geometry.spacing[axis] for axis, _ in order])
    matrix[:3, :3] = axes.vectors(geometry).T * steps
    matrix[:3, 3] = geometry.to_lps(start)
    slices, rows, columns = array.shape
    return array, Geometry.from_matrix((slices, rows, columns), matrix)
