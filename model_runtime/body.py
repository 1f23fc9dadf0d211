"""Find the patient in a CT: the box around the body, and which part of it is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import Region

_BODY_HU = -350
_COARSE_MM = 4.0
_MOST_COARSE = 96
_LEAST_BODY = 0.005
_LEAST_FACE = 0.05
_LUNG_SHARE = 0.10
_BONE_SHARE = 0.08

_BODY_PARTS: Mapping[str, Region] = {
    "CHEST": Region.CHEST,
    "THORAX": Region.CHEST,
    "LUNG": Region.CHEST,
    "HEART": Region.CHEST,
    "ABDOMEN": Region.ABDOMEN,
    "ABD": Region.ABDOMEN,
    "PELV": Region.ABDOMEN,
    "LIVER": Region.ABDOMEN,
    "KIDNEY": Region.ABDOMEN,
    "HEAD": Region.HEAD,
    "BRAIN": Region.HEAD,
    "SKULL": Region.HEAD,
}
_UNTOLD_PARTS = ("", "BODY", "PARTIALBODY", "PARTIAL BODY", "WHOLEBODY", "UNKNOWN", "OTHER")


@dataclass(frozen=True)
class Body:
    """Where the body lies in a volume, and what its inside is made of.

    Attributes
    ----------
    box : tuple of slice
        (z, y, x) of the volume that holds the body.
    lung, bone : float
        Shares of the body's inside with the density of aerated lung, and of bone.
    """

    box: tuple[slice, slice, slice]
    lung: float
    bone: float


def find_body(voxels: NDArray[np.int16], spacing: tuple[float, float, float]) -> Body | None:
    """Find the largest connected body on a coarse grid.

    Parameters
    ----------
    voxels : ndarray of int16, shape (z, y, x)
        HU on the patient's axes.
    spacing : tuple of float
        mm along (z, y, x).

    Returns
    -------
    Body or None
        None where there is hardly anything but air.
    """
    from scipy import ndimage

    steps = [
        max(1, round(_COARSE_MM / distance), size // _MOST_COARSE)
        for distance, size in zip(spacing, voxels.shape, strict=True)
    ]
    coarse = voxels[tuple(slice(step // 2, None, step) for step in steps)]
    dense = coarse > _BODY_HU
    # Opening parts the patient from table and sheets, which are thin.
    labels, count = ndimage.label(ndimage.binary_opening(dense, np.ones((1, 3, 3))))
    if count == 0 or dense.mean() < _LEAST_BODY:
        return None
    largest = labels == np.argmax(np.bincount(labels.ravel())[1:]) + 1
    box = tuple(_extent(voxels, largest, steps, axis) for axis in range(3))
    whole = np.stack([ndimage.binary_fill_holes(plane) for plane in largest])
    inside = coarse[whole]
    lung = float(((inside > -1000) & (inside < -600)).mean())
    return Body((box[0], box[1], box[2]), lung, float((inside > 300).mean()))


def _extent(
    voxels: NDArray[np.int16], mask: NDArray[np.bool_], steps: list[int], axis: int
) -> slice:
    """Range of the body along an axis, to a voxel.

    From the outermost coarse samples of the body, the dense voxels further out are counted
    up to the next sample.
    """
    lines = np.moveaxis(mask, axis, 0)
    areas = lines.sum(axis=(1, 2))
    # A few samples alone are where something touches or pierces the skin.
    filled = np.flatnonzero(areas > _LEAST_FACE * areas.max())
    fine = np.moveaxis(voxels, axis, 0)
    across = [step for other, step in enumerate(steps) if other != axis]
    step, size = steps[axis], voxels.shape[axis]

    def outer(sample: int, direction: int) -> int:
        rows, columns = np.nonzero(lines[sample])
        rows, columns = (
            places * stride + stride // 2
            for places, stride in zip((rows, columns), across, strict=True)
        )
        place = sample * step + step // 2
        further = place + direction * np.arange(1, step)
        further = further[(further >= 0) & (further < size)]
        dense = fine[further[:, None], rows, columns] > _BODY_HU
        # One line in ten may stick out: noise, a cable, a fold of the sheet.
        runs = np.logical_and.accumulate(dense, axis=0).sum(axis=0)
        return int(place + direction * np.percentile(runs, 90))

    return slice(outer(filled[0], -1), outer(filled[-1], 1) + 1)


def region_of(body_part: str, body: Body) -> tuple[Region, str]:
    """Take the header's word for the region, else judge by lung and skull.

    Returns
    -------
    Region
        Chest where there is lung, head where there is much bone, else abdomen.
    str
        A note where the header names a part that the model does not know; else empty.
    """
    stated = body_part.upper().strip()
    named = {region for word, region in _BODY_PARTS.items() if re.search(word, stated)}
    if len(named) == 1:
        return named.pop(), ""
    if body.lung > _LUNG_SHARE:
        seen = Region.CHEST
    else:
        seen = Region.HEAD if body.bone > _BONE_SHARE else Region.ABDOMEN
    if named or stated in _UNTOLD_PARTS:
        return seen, ""
    return seen, f"body part {stated} is not one the model knows; read as {seen.value}"
