"""Volume rendering of a (decimated) volume into a picture, off screen."""

from __future__ import annotations

import os
import sys

import numpy as np
import vtkmodules.vtkRenderingOpenGL2
import vtkmodules.vtkRenderingVolumeOpenGL2  # noqa: F401  (registers the OpenGL classes)
from numpy.typing import NDArray
from vtkmodules.util.numpy_support import vtk_to_numpy
from vtkmodules.vtkCommonMath import vtkMatrix4x4
from vtkmodules.vtkRenderingCore import (
    vtkRenderer,
    vtkRenderWindow,
    vtkVolume,
    vtkWindowToImageFilter,
)
from vtkmodules.vtkRenderingVolume import (
    vtkFixedPointVolumeRayCastMapper,
    vtkGPUVolumeRayCastMapper,
    vtkVolumeMapper,
)

from workstation.core.geometry import Geometry
from workstation.render.decimate import along_patient
from workstation.render.slice_view import share_with_vtk
from workstation.render.transfer import volume_property
from workstation.render.viewpoint import Viewpoint, VolumePreset

_SOFTWARE_RENDERERS = ("llvmpipe", "softpipe", "swrast", "swr", "gdi generic", "basic render")


class VolumeView:
    """Renders one volume; OpenGL is chosen by itself, ray casting on the CPU without hardware."""

    def __init__(self) -> None:
        self._window = _make_window()
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.SetSize(64, 64)
        self._renderer = vtkRenderer()
        self._renderer.SetBackground(0.0, 0.0, 0.0)
        self._window.AddRenderer(self._renderer)
        self._window.Render()
        self.renderer_name = _renderer_name(self._window)
        self.software = is_software(self.renderer_name)
        self._mapper: vtkVolumeMapper = (
            vtkFixedPointVolumeRayCastMapper() if self.software else vtkGPUVolumeRayCastMapper()
        )
        self._mapper.AutoAdjustSampleDistancesOff()
        self._actor = vtkVolume()
        self._actor.SetMapper(self._mapper)
        self._geometry: Geometry | None = None
        self._voxels: NDArray[np.int16] | None = None

    def show(self, voxels: NDArray[np.int16], geometry: Geometry, preset: VolumePreset) -> None:
        """Take voxels (z, y, x) on a grid, and how they shall look."""
        self._voxels, self._geometry = along_patient(voxels, geometry)
        image = share_with_vtk(self._voxels)
        image.SetSpacing(*self._geometry.spacing)
        self._mapper.SetInputData(image)
        self._actor.SetUserMatrix(_placing(self._geometry))
        self._renderer.RemoveAllViewProps()
        self._renderer.AddVolume(self._actor)
        self.set_preset(preset)

    def set_preset(self, preset: VolumePreset) -> None:
        """Change the look."""
        self._actor.SetProperty(volume_property(preset))

    def picture(
        self, viewpoint: Viewpoint, width: int, height: int, coarse: bool = False
    ) -> NDArray[np.uint8]:
        """Render RGB (height, width, 3); ``coarse`` takes longer steps along the rays."""
        if self._geometry is None:
            return np.zeros((height, width, 3), dtype=np.uint8)
        step = min(self._geometry.spacing) * (1.0 if coarse else 0.5)
        self._mapper.SetSampleDistance(step)
        self._window.SetSize(width, height)
        self._aim(viewpoint, width / height)
        self._window.Render()
        return self._grab(width, height)

    def _grab(self, width: int, height: int) -> NDArray[np.uint8]:
        grab = vtkWindowToImageFilter()
        grab.SetInput(self._window)
        grab.ReadFrontBufferOff()
        grab.ShouldRerenderOff()
        grab.Update()
        pixels: NDArray[np.uint8] = vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars())
        return np.ascontiguousarray(pixels.reshape(height, width, 3)[::-1])

    def _aim(self, viewpoint: Viewpoint, aspect: float) -> None:
        assert self._geometry is not None
        centre = np.array(self._geometry.centre)
        corners = self._geometry.corners - centre
        radius = float(np.linalg.norm(corners, axis=1).max()) + max(self._geometry.spacing)
        azimuth, elevation = np.radians([viewpoint.azimuth, viewpoint.elevation])
        towards = np.array(
            [
                np.sin(-azimuth) * np.cos(elevation),
                -np.cos(azimuth) * np.cos(elevation),
                np.sin(elevation),
            ]
        )
        camera = self._renderer.GetActiveCamera()
        camera.ParallelProjectionOn()
        camera.SetFocalPoint(*centre)
        camera.SetPosition(*(centre + towards * 3 * radius))
        camera.SetViewUp(0.0, 0.0, 1.0)
        half = np.abs(corners).max(axis=0)
        fit = max(half[2], float(np.hypot(half[0], half[1])) / aspect) * 1.05
        camera.SetParallelScale(fit / viewpoint.zoom)
        camera.SetClippingRange(radius, 5 * radius)


def is_software(renderer_name: str) -> bool:
    """Tell whether OpenGL runs on the CPU, from the driver's renderer string."""
    name = renderer_name.lower()
    return not name or any(part in name for part in _SOFTWARE_RENDERERS)


def _make_window() -> vtkRenderWindow:
    """Make an off-screen window; on Linux by EGL, which needs no display, where it is there."""
    if sys.platform.startswith("linux"):
        os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
    return vtkRenderWindow()


def _renderer_name(window: vtkRenderWindow) -> str:
    lines = str(window.ReportCapabilities()).splitlines()
    found = (line.split(":", 1)[1].strip() for line in lines if "renderer string" in line)
    return next(found, "")


def _placing(geometry: Geometry) -> vtkMatrix4x4:
    """Rotation and origin; the spacing is the image's own."""
    placing = vtkMatrix4x4()
    for column in range(3):
        for row in range(3):
            placing.SetElement(row, column, geometry.direction[column][row])
    for row in range(3):
        placing.SetElement(row, 3, geometry.origin[row])
    return placing
