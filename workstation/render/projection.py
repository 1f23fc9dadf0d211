"""A frontal volume rendering in plain numpy, for machines where no OpenGL opens at all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workstation.core.geometry import Geometry
from workstation.render.decimate import along_patient
from workstation.render.viewpoint import VolumePreset


def frontal_projection(
    voxels: NDArray[np.int16], geometry: Geometry, preset: VolumePreset
) -> tuple[NDArray[np.uint8], tuple[float, float]]:
    """Composite voxels (z, y, x) from front to back, seen from the front, head up.

    Returns
    -------
    picture : ndarray of uint8, shape (rows, columns, 3)
        One pixel per voxel column.
    spacing : tuple of float
        mm per pixel (across, down).
    """
    array, grid = along_patient(voxels, geometry)
    opacity, colour = _tables(preset, grid.spacing[1])
    slices, depth, columns = array.shape
    light = np.ones((slices, columns, 1), dtype=np.float32)
    picture = np.zeros((slices, columns, 3), dtype=np.float32)
    for y in range(depth):
        bits = array[:, y].view(np.uint16)
        layer = opacity[bits][..., None]
        picture += light * layer * colour[bits]
        light *= 1 - layer
    grey = np.clip(picture[::-1] * 255, 0, 255).astype(np.uint8)
    return grey, (grid.spacing[0], grid.spacing[2])


def _tables(
    preset: VolumePreset, depth: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Opacity of a voxel so deep (mm), and its colour, for every int16 value's bits."""
    values = np.arange(65536, dtype=np.uint16).view(np.int16)
    points = np.array(preset.opacity)
    per_mm = np.interp(values, points[:, 0], points[:, 1])
    colours = np.array(preset.colour)
    rgb = [np.interp(values, colours[:, 0], colours[:, n]) for n in (1, 2, 3)]
    opacity = 1 - (1 - np.clip(per_mm, 0, 0.999)) ** depth
    return opacity.astype(np.float32), np.stack(rgb, axis=1).astype(np.float32)
