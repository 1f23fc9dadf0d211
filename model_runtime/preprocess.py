"""From a volume in HU to the encoder's input, and the way back.

Steps: turn the axes to the patient's (z to the head, y to the back, x to the left), find
the body, window, average down, resize trilinearly. The result keeps the matrix from model
voxels to LPS mm, so evidence can be shown on the scan.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import HuWindow, Region, VolumeInput
from model_runtime.config import InputConfig

FEWEST_SLICES = 8
SHORT_SERIES = 40
_BODY_HU = -350
_COARSE = 96

_BODY_PARTS: Mapping[str, Region] = {
    "CHEST": Region.CHEST,
    "THORAX": Region.CHEST,
    "LUNG": Region.CHEST,
    "HEART": Region.CHEST,
    "ABDOMEN": Region.ABDOMEN,
    "PELVIS": Region.ABDOMEN,
    "LIVER": Region.ABDOMEN,
    "KIDNEY": Region.ABDOMEN,
    "HEAD": Region.HEAD,
    "BRAIN": Region.HEAD,
    "SKULL": Region.HEAD,
}


class UnsuitableVolumeError(ValueError):
    """The volume is not one the model can read; the message says why."""


@dataclass(frozen=True, eq=False)
class ModelInput:
    """What the encoder sees.

    Attributes
    ----------
    grey : ndarray of float32, shape (z, y, x)
        Values in [0, 1]; z to the head, y to the back, x to the patient's left.
    index_to_lps : ndarray of float64, shape (4, 4)
        Maps model indices (x, y, z, 1) to LPS mm.
    decimation : tuple of float
        Acquired voxels per model voxel along (z, y, x).
    slices : tuple of int
        First and last acquired slice used, counted from 0 in the order of the array.
    """

    grey: NDArray[np.float32]
    index_to_lps: NDArray[np.float64]
    region: Region
    window: HuWindow
    decimation: tuple[float, float, float]
    slices: tuple[int, int]
    notes: tuple[str, ...]


def prepare(volume: VolumeInput, settings: InputConfig, window: HuWindow | None) -> ModelInput:
    """Turn a volume into the encoder's input.

    Raises
    ------
    UnsuitableVolumeError
        For another modality than CT, too few slices, or values that are no HU.
    """
    notes = _check(volume)
    voxels, matrix, order = _to_patient_axes(volume.voxels, volume.index_to_lps)
    body = _body_box(voxels)
    region = _region(volume, voxels[body])
    used = window or settings.windows[region]
    first = np.array([part.start for part in body[::-1]], dtype=np.float64)
    cropped = np.clip((voxels[body].astype(np.float32) - used.low) / (used.high - used.low), 0, 1)
    grey = _resized(cropped, settings.shape, settings.antialias)
    steps = np.array(cropped.shape, dtype=np.float64) / np.array(grey.shape)
    return ModelInput(
        grey=grey,
        index_to_lps=_scaled(matrix, first, steps[::-1]),
        region=region,
        window=used,
        decimation=(float(steps[0]), float(steps[1]), float(steps[2])),
        slices=_acquired(body, order, volume.voxels.shape[0]),
        notes=notes,
    )


def _check(volume: VolumeInput) -> tuple[str, ...]:
    """Refuse what is no CT volume; note what the reader must know."""
    notes = []
    count = min(volume.voxels.shape)
    if volume.modality not in ("", "CT"):
        raise UnsuitableVolumeError(
            f"The model reads CT only; this series is {volume.modality}. It can be viewed."
        )
    if volume.voxels.shape[0] < FEWEST_SLICES or count < FEWEST_SLICES:
        raise UnsuitableVolumeError(
            f"The model needs a volume of at least {FEWEST_SLICES} slices; this series has "
            f"{volume.voxels.shape[0]}. Open the full series."
        )
    if volume.modality == "":
        _check_hu_like(volume.voxels)
        notes.append("modality not stated; taken for CT from its values")
    if volume.voxels.shape[0] < SHORT_SERIES:
        notes.append(f"short series: {volume.voxels.shape[0]} slices")
    return tuple(notes)


def _check_hu_like(voxels: NDArray[np.int16]) -> None:
    sample = voxels.reshape(-1)[:: max(1, voxels.size // 100_000)]
    air, body = float((sample < -300).mean()), float(((sample > -200) & (sample < 300)).mean())
    if sample.min() > -300 or air < 0.02 or body < 0.02:
        raise UnsuitableVolumeError(
            f"The values of this file ({sample.min()} to {sample.max()}) are not Hounsfield units "
            "and it does not state its modality, so the model is not run. It can be viewed."
        )


def _to_patient_axes(
    voxels: NDArray[np.int16], index_to_lps: NDArray[np.float64]
) -> tuple[NDArray[np.int16], NDArray[np.float64], tuple[int, bool]]:
    """Permute and flip to (z, y, x) of the patient, as near as whole axes allow.

    Returns the view, its matrix, and which axis of it is the acquired slice axis (0, 1, 2 in
    array order) and whether that was flipped.
    """
    cosines = index_to_lps[:3, :3] / np.linalg.norm(index_to_lps[:3, :3], axis=0)
    best = max(permutations(range(3)), key=lambda p: sum(abs(cosines[n, p[n]]) for n in range(3)))
    flips = [bool(cosines[n, best[n]] < 0) for n in range(3)]
    view = voxels.transpose([2 - best[axis] for axis in (2, 1, 0)])
    view = view[tuple(slice(None, None, -1 if flips[axis] else 1) for axis in (2, 1, 0))]
    turned = np.eye(4)
    turned[:3, 3] = index_to_lps[:3, 3]
    for axis in range(3):
        column = index_to_lps[:3, best[axis]]
        turned[:3, axis] = -column if flips[axis] else column
        if flips[axis]:
            turned[:3, 3] += column * (voxels.shape[2 - best[axis]] - 1)
    slice_axis = best.index(2)
    return view, turned, (2 - slice_axis, flips[slice_axis])


def _body_box(voxels: NDArray[np.int16]) -> tuple[slice, slice, slice]:
    """Bounding box of the largest connected body, found on a coarse grid."""
    from scipy import ndimage

    steps = [max(1, size // _COARSE) for size in voxels.shape]
    coarse = voxels[:: steps[0], :: steps[1], :: steps[2]] > _BODY_HU
    # Opening parts the patient from table and sheets.
    opened = ndimage.binary_opening(coarse, structure=np.ones((1, 3, 3)))
    labels, count = ndimage.label(opened)
    if count == 0:
        raise UnsuitableVolumeError("No body is seen in this volume: it holds almost only air.")
    sizes = np.bincount(labels.ravel())[1:]
    found = ndimage.find_objects(labels)[int(np.argmax(sizes))]
    box = [
        slice(part.start * step, min(size, part.stop * step))
        for part, step, size in zip(found, steps, voxels.shape, strict=True)
    ]
    return box[0], box[1], box[2]


def _region(volume: VolumeInput, body: NDArray[np.int16]) -> Region:
    """Take the header's word for the body part, else judge by lung and skull."""
    stated = volume.body_part.upper()
    for name, region in _BODY_PARTS.items():
        if name in stated:
            return region
    sample = body[::2, ::4, ::4]
    inside = sample[:, sample.shape[1] // 5 : -(sample.shape[1] // 5 or 1)]
    lung = float(((inside > -950) & (inside < -650)).mean())
    bone = float((sample > 400).mean())
    if lung > 0.12:
        return Region.CHEST
    return Region.HEAD if bone > 0.08 else Region.ABDOMEN


def _resized(
    grey: NDArray[np.float32], shape: tuple[int, int, int], antialias: bool
) -> NDArray[np.float32]:
    """Resize trilinearly (half-pixel centres), averaging first where the grid gets coarser."""
    import torch
    from torch.nn import functional

    volume = torch.from_numpy(np.ascontiguousarray(grey))[None, None]
    if antialias:
        steps = [max(1, round(old / new)) for old, new in zip(grey.shape, shape, strict=True)]
        if max(steps) > 1:
            volume = functional.avg_pool3d(volume, steps, ceil_mode=True, count_include_pad=False)
    resized = functional.interpolate(volume, shape, mode="trilinear", align_corners=False)
    out: NDArray[np.float32] = resized[0, 0].numpy()
    return out


def _scaled(
    matrix: NDArray[np.float64], first: NDArray[np.float64], steps: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Matrix of the resized crop: model index m lies at ``first + (m + ½)·step − ½``."""
    shift = np.eye(4)
    shift[:3, :3] = np.diag(steps)
    shift[:3, 3] = first + 0.5 * steps - 0.5
    return np.asarray(matrix @ shift)


def _acquired(
    body: tuple[slice, slice, slice], order: tuple[int, bool], count: int
) -> tuple[int, int]:
    """Range of acquired slices inside the crop."""
    axis, flipped = order
    first, last = body[axis].start, body[axis].stop - 1
    return (count - 1 - last, count - 1 - first) if flipped else (first, last)
