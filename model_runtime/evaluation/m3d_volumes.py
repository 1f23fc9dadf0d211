"""Volumes from disk on a model's grid: ``.npy`` as M3D has them, NIfTI in HU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import VolumeInput
from model_runtime.config import InputConfig
from model_runtime.evaluation.m3d import DatasetError, read_prepared
from model_runtime.preprocess import UnsuitableVolumeError, prepare
from model_runtime.resample import axis_weights, smoothed


def read_grey(path: Path, settings: InputConfig) -> NDArray[np.float32]:
    """Read a volume as a model takes it: shape (z, y, x), 0 to 1.

    NIfTI files hold HU and are prepared as the program does. ``.npy`` files are windowed
    and cropped already: one that is on the model's grid is taken as it is, any other is resized,
    and smoothed if the model's own volumes are.

    Raises
    ------
    DatasetError
        Where it cannot be read, or used.
    """
    if path.suffix == ".npy":
        grey = read_prepared(path)
        return grey if grey.shape == settings.shape else _resized(grey, settings)
    volume = read_nifti(path)
    try:
        return prepare(volume, settings, None).grey
    except UnsuitableVolumeError as error:
        raise DatasetError(f"The volume {path} cannot be used: {error}") from error


def _resized(grey: NDArray[np.float32], settings: InputConfig) -> NDArray[np.float32]:
    for axis, (old, new) in enumerate(zip(grey.shape, settings.shape, strict=True)):
        weights = axis_weights(old, new, settings.antialias)
        grey = np.moveaxis(np.tensordot(weights, grey, (1, axis)), 0, axis)
    return smoothed(np.clip(grey, 0, 1), settings.smoothing)


def read_nifti(path: Path) -> VolumeInput:
    """Read a CT in HU; NIfTI's coordinates come out as LPS mm.

    Raises
    ------
    DatasetError
    """
    import SimpleITK as sitk

    try:
        image = sitk.ReadImage(str(path), sitk.sitkInt16)
    except RuntimeError as error:
        raise DatasetError(f"The volume {path} cannot be read: {error}") from error
    if image.GetDimension() != 3:
        raise DatasetError(f"{path} has {image.GetDimension()} dimensions, not three.")
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * image.GetSpacing()
    matrix[:3, 3] = image.GetOrigin()
    # The header has no field for the body part; its description may name it.
    told = image.GetMetaData("descrip") if image.HasMetaDataKey("descrip") else ""
    return VolumeInput(str(path), sitk.GetArrayFromImage(image), matrix, "CT", told)
