"""From a volume in HU to the encoder's input, and the way back.

Steps: turn the axes to the patient's (z to the head, y to the back, x to the left), find
the body, window, average down, resize trilinearly. The result keeps the matrix from model
voxels to LPS mm, so evidence can be shown on the scan.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import HuWindow, Region, VolumeInput
from model_runtime.body import find_body, region_of
from model_runtime.config import InputConfig
from model_runtime.resample import resampling, smoothed

FEWEST_SLICES = 8
SHORT_SERIES = 40
_AIR_HU = -200
_MOST_HU = 4000
_ANISOTROPIC = 3.0
_OBLIQUE_DEGREES = 5.0


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


@dataclass(frozen=True, eq=False)
class _Turned:
    """A volume on the patient's axes.

    ``slice_axis`` is the array axis along which it was acquired; ``flipped`` tells whether
    the acquired order runs against it. ``degrees`` is the largest angle between an axis
    and the patient's.
    """

    voxels: NDArray[np.int16]
    matrix: NDArray[np.float64]
    slice_axis: int
    flipped: bool
    degrees: float

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Mm along (z, y, x)."""
        x, y, z = np.linalg.norm(self.matrix[:3, :3], axis=0)
        return float(z), float(y), float(x)


def prepare(volume: VolumeInput, settings: InputConfig, window: HuWindow | None) -> ModelInput:
    """Turn a volume into the encoder's input at one go; see :func:`preparing`."""
    steps = preparing(volume, settings, window)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            ready: ModelInput = end.value
            return ready


def preparing(
    volume: VolumeInput, settings: InputConfig, window: HuWindow | None
) -> Generator[float, None, ModelInput]:
    """Turn a volume into the encoder's input; yields the share done every few slices.

    Raises
    ------
    UnsuitableVolumeError
        For another modality than CT, too few slices, values that are no HU, nothing but
        air, a window without width, or a matrix that places no voxel.
    """
    _check(volume, window)
    turned = _to_patient_axes(volume.voxels, volume.index_to_lps)
    yield 0.0
    body = find_body(turned.voxels, turned.spacing)
    if body is None:
        raise UnsuitableVolumeError("No body is seen in this volume: it holds almost only air.")
    region, remark = region_of(volume.body_part, body)
    used = window or settings.windows[region]
    cropped = turned.voxels[body.box]
    grey = yield from resampling(cropped, used, settings.shape, settings.antialias)
    grey = smoothed(grey, settings.smoothing)
    steps = np.array(cropped.shape, dtype=np.float64) / np.array(grey.shape)
    first = np.array([part.start for part in body.box[::-1]], dtype=np.float64)
    return ModelInput(
        grey=grey,
        index_to_lps=_scaled(turned.matrix, first, steps[::-1]),
        region=region,
        window=used,
        decimation=(float(steps[0]), float(steps[1]), float(steps[2])),
        slices=_acquired(turned, body.box[turned.slice_axis]),
        notes=(*_notes(volume, turned), *([remark] if remark else ())),
    )


def _check(volume: VolumeInput, window: HuWindow | None) -> None:
    """Refuse what is no CT volume."""
    if volume.modality not in ("", "CT"):
        raise UnsuitableVolumeError(
            f"The model reads CT only; this series is {volume.modality}. It can be viewed."
        )
    if volume.voxels.ndim != 3 or volume.voxels.dtype != np.int16:
        raise UnsuitableVolumeError(
            f"The model takes a volume of whole Hounsfield units; this one has "
            f"{volume.voxels.ndim} axes of {volume.voxels.dtype}. It can be viewed."
        )
    count = volume.voxels.shape[0]
    if min(volume.voxels.shape) < FEWEST_SLICES:
        raise UnsuitableVolumeError(
            f"The model needs a volume of at least {FEWEST_SLICES} slices; this series has "
            f"{count}. Open the full series."
        )
    _check_values(volume)
    matrix = volume.index_to_lps
    known = matrix.shape == (4, 4) and bool(np.isfinite(matrix).all())
    if not known or abs(np.linalg.det(matrix[:3, :3])) < 1e-9:
        raise UnsuitableVolumeError(
            "Where this volume lies in the patient is not known, so the model cannot tell left "
            "from right and is not run. It can be viewed."
        )
    if window is not None and not window.high > window.low:
        raise UnsuitableVolumeError("The chosen window has no width. Choose another.")


def _check_values(volume: VolumeInput) -> None:
    """Tell Hounsfield units by air outside or inside the body, and by their range."""
    voxels = volume.voxels
    steps = [max(1, size // 64) for size in voxels.shape]
    sample = voxels[:: steps[0], :: steps[1], :: steps[2]]
    low, high = int(sample.min()), int(sample.max())
    soft = float(((sample > -200) & (sample < 300)).mean())
    beyond = float((sample > _MOST_HU).mean())
    if low > _AIR_HU or beyond > 0.02 or (volume.modality == "" and soft < 0.01):
        stated = "" if volume.modality else ", and it does not state its modality"
        raise UnsuitableVolumeError(
            f"The values of this series ({low} to {high}) are not Hounsfield units{stated}, so "
            "the model is not run. It can be viewed."
        )


def _notes(volume: VolumeInput, turned: _Turned) -> tuple[str, ...]:
    """Say what the reader must know of the input."""
    notes = []
    if volume.modality == "":
        notes.append("modality not stated; taken for CT from its values")
    count = volume.voxels.shape[0]
    distance = turned.spacing[turned.slice_axis]
    if count < SHORT_SERIES:
        notes.append(f"short series: {count} slices, {count * distance:.0f} mm")
    finest = min(turned.spacing)
    if distance > _ANISOTROPIC * finest:
        notes.append(f"anisotropic: slices {distance:.1f} mm apart, pixels {finest:.1f} mm")
    if turned.degrees > _OBLIQUE_DEGREES:
        notes.append(f"oblique: {turned.degrees:.1f}° off the patient's axes")
    return tuple(notes)


def _to_patient_axes(
    voxels: NDArray[np.int16], index_to_lps: NDArray[np.float64]
) -> _Turned:
    """Permute and flip to (z, y, x) of the patient, as near as whole axes allow."""
    cosines = index_to_lps[:3, :3] / np.linalg.norm(index_to_lps[:3, :3], axis=0)
    best = max(permutations(range(3)), key=lambda p: sum(abs(cosines[n, p[n]]) for n in range(3)))
    flips = [bool(cosines[n, best[n]] < 0) for n in range(3)]
    view = voxels.transpose([2 - best[axis] for axis in (2, 1, 0)])
    view = view[tuple(slice(None, None, -1 if flips[axis] else 1) for axis in (2, 1, 0))]
    matrix = np.eye(4)
    matrix[:3, 3] = index_to_lps[:3, 3]
    for axis in range(3):
        column = index_to_lps[:3, best[axis]]
        matrix[:3, axis] = -column if flips[axis] else column
        if flips[axis]:
            matrix[:3, 3] += column * (voxels.shape[2 - best[axis]] - 1)
    acquired = best.index(2)
    nearest = min(abs(cosines[axis, best[axis]]) for axis in range(3))
    degrees = float(np.degrees(np.arccos(min(1.0, nearest))))
    return _Turned(view, matrix, 2 - acquired, flips[acquired], degrees)


def _scaled(
    matrix: NDArray[np.float64], first: NDArray[np.float64], steps: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Matrix of the resized crop: model index m lies at ``first + (m + ½)·step − ½``."""
    shift = np.eye(4)
    shift[:3, :3] = np.diag(steps)
    shift[:3, 3] = first + 0.5 * steps - 0.5
    return np.asarray(matrix @ shift)


def _acquired(turned: _Turned, part: slice) -> tuple[int, int]:
    """Range of acquired slices inside the crop."""
    first, last = part.start, part.stop - 1
    count = turned.voxels.shape[turned.slice_axis]
    return (count - 1 - last, count - 1 - first) if turned.flipped else (first, last)
