"""A slice as a grey picture: VTK resamples Hounsfield units, the DICOM window makes them grey."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import numpy_to_vtk, vtk_to_numpy
from vtkmodules.vtkCommonDataModel import vtkImageData
from vtkmodules.vtkImagingCore import vtkImageReslice

from workstation.core.display import Window, window_table
from workstation.core.geometry import Geometry
from workstation.core.scene import SliceScene
from workstation.core.volume import Volume
from workstation.render.mapping import SliceMapping


@dataclass(frozen=True, eq=False)
class GreyPicture:
    """The part of a pane that a slice covers.

    Attributes
    ----------
    pixels : ndarray of uint8, shape (rows, columns)
        Grey values; everything around them is black.
    left, top : int
        Where the first pixel lies in the pane, in device pixels.
    """

    pixels: NDArray[np.uint8]
    left: int
    top: int

    def on_black(self, width: int, height: int) -> NDArray[np.uint8]:
        """Whole pane (height, width), black where the slice is not."""
        pane = np.zeros((height, width), dtype=np.uint8)
        rows, columns = self.pixels.shape
        pane[self.top : self.top + rows, self.left : self.left + columns] = self.pixels
        return pane


_NOTHING = GreyPicture(np.zeros((0, 0), dtype=np.uint8), 0, 0)


class SliceView:
    """Draws slices of one volume; the voxels are shared with VTK, never copied.

    The reslicing runs in the grid's own indices, where the slice is a whole number: nothing is
    ever interpolated between slices, only between the pixels of one.
    """

    def __init__(self) -> None:
        self._volume: Volume | None = None
        self._image = vtkImageData()
        self._reslice = vtkImageReslice()
        self._reslice.SetInterpolationModeToLinear()
        self._reslice.SetOutputDimensionality(2)
        self._reslice.BorderOn()
        self._reslice.AutoCropOutputOff()

    def show(self, volume: Volume | None) -> None:
        """Take a volume, or a fuller state of the one taken before."""
        if volume is None:
            self._volume = None
            self._reslice.RemoveAllInputs()
            return
        if self._volume is None or self._volume.voxels is not volume.voxels:
            self._image = share_with_vtk(volume.voxels)
            self._reslice.SetInputData(self._image)
        self._volume = volume
        self._image.GetPointData().GetScalars().Modified()
        self._image.Modified()

    def picture(self, scene: SliceScene, width: int, height: int) -> GreyPicture:
        """Draw the scene's slice for a pane of so many device pixels."""
        mapping = SliceMapping.of(scene, width, height)
        left, top, right, bottom = mapping.visible(scene)
        if self._volume is None or not scene.available or right <= left or bottom <= top:
            return _NOTHING
        values = self._resample(scene, mapping, (left, top, right, bottom))
        grey = _table_by_bits(scene.window, scene.inverted)[values.view(np.uint16)]
        picture = GreyPicture(grey, left, top)
        _blacken_missing(picture, self._volume, scene, mapping)
        return picture

    def _resample(
        self, scene: SliceScene, mapping: SliceMapping, box: tuple[int, int, int, int]
    ) -> NDArray[np.int16]:
        """Values (rows, columns) of the pane's pixels in ``box``, linear between voxels."""
        assert self._volume is not None
        geometry = self._volume.geometry
        start, step = grid_start(geometry, scene, mapping)
        rows = np.eye(3)
        matrix = [rows[axis] * sign for axis, sign in (scene.axes.right, scene.axes.down)]
        through = rows[scene.axes.through[0]]
        self._reslice.SetResliceAxesDirectionCosines(*matrix[0], *matrix[1], *through)
        self._reslice.SetResliceAxesOrigin(*start)
        self._reslice.SetOutputSpacing(*step, 1.0)
        self._reslice.SetOutputOrigin(0.0, 0.0, 0.0)
        left, top, right, bottom = box
        self._reslice.SetOutputExtent(left, right - 1, top, bottom - 1, 0, 0)
        self._reslice.Update()
        scalars = self._reslice.GetOutput().GetPointData().GetScalars()
        values: NDArray[np.int16] = vtk_to_numpy(scalars)
        return values.reshape(bottom - top, right - left)


def share_with_vtk(voxels: NDArray[np.int16]) -> vtkImageData:
    """Wrap voxels (z, y, x) as an image in index coordinates, without copying."""
    slices, rows, columns = voxels.shape
    image = vtkImageData()
    image.SetDimensions(columns, rows, slices)
    image.GetPointData().SetScalars(numpy_to_vtk(voxels.reshape(-1), deep=0))
    return image


def grid_start(
    geometry: Geometry, scene: SliceScene, mapping: SliceMapping
) -> tuple[NDArray[np.float64], tuple[float, float]]:
    """Grid index (i, j, k) at the middle of the pane's first pixel, and index steps per pixel."""
    right, down = mapping.to_mm(0.5, 0.5)
    start = (np.array(geometry.shape[::-1], dtype=np.float64) - 1) / 2
    start[scene.axes.through[0]] = scene.grid_index
    for (axis, sign), offset in ((scene.axes.right, right), (scene.axes.down, down)):
        start[axis] += sign * offset / geometry.spacing[axis]
    step_right = mapping.mm_per_pixel / geometry.spacing[scene.axes.right[0]]
    step_down = mapping.mm_per_pixel / geometry.spacing[scene.axes.down[0]]
    return start, (step_right, step_down)


def _blacken_missing(
    picture: GreyPicture, volume: Volume, scene: SliceScene, mapping: SliceMapping
) -> None:
    """Make rows or columns black whose voxels are not loaded, where slices run in the plane."""
    if volume.available.all() or scene.axes.through[0] == 2:
        return
    grey = picture.pixels
    start, steps = grid_start(volume.geometry, scene, mapping)
    down = scene.axes.down[0] == 2
    sign = (scene.axes.down if down else scene.axes.right)[1]
    first, count = (picture.top, grey.shape[0]) if down else (picture.left, grey.shape[1])
    k = start[2] + sign * steps[int(down)] * (first + np.arange(count))
    last = len(volume.available) - 1
    below = np.clip(np.floor(k + 1e-6), 0, last).astype(int)
    above = np.clip(np.ceil(k - 1e-6), 0, last).astype(int)
    missing = ~(volume.available[below] & volume.available[above])
    if down:
        grey[missing] = 0
    else:
        grey[:, missing] = 0


@lru_cache(maxsize=8)
def _table_by_bits(window: Window, inverted: bool) -> NDArray[np.uint8]:
    """Reorder the window's table so that a value's own bits, read as uint16, index it."""
    return np.roll(window_table(window, inverted), 32768)
