"""Transfer functions of the 3D view: Hounsfield units to colour and opacity."""

from __future__ import annotations

from vtkmodules.vtkCommonDataModel import vtkPiecewiseFunction
from vtkmodules.vtkRenderingCore import vtkColorTransferFunction, vtkVolumeProperty

from workstation.render.viewpoint import VolumePreset

_DEPTH = 0.6  # mm in which a preset's opacity is reached


def volume_property(preset: VolumePreset) -> vtkVolumeProperty:
    """Build VTK's form of a preset."""
    opacity, colour = vtkPiecewiseFunction(), vtkColorTransferFunction()
    for point in preset.opacity:
        opacity.AddPoint(*point)
    for entry in preset.colour:
        colour.AddRGBPoint(*entry)
    look = vtkVolumeProperty()
    look.SetScalarOpacity(opacity)
    look.SetColor(colour)
    look.SetScalarOpacityUnitDistance(_DEPTH)
    look.SetInterpolationTypeToLinear()
    look.ShadeOn()
    look.SetAmbient(0.5)
    look.SetDiffuse(1.0)
    look.SetSpecular(0.15)
    return look
