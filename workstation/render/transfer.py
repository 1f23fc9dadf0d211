"""Transfer functions of the 3D view: Hounsfield units to colour and opacity."""

from __future__ import annotations

from vtkmodules.vtkCommonDataModel import vtkPiecewiseFunction
from vtkmodules.vtkRenderingCore import vtkColorTransferFunction, vtkVolumeProperty

from workstation.render.viewpoint import VolumePreset


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
    look.SetScalarOpacityUnitDistance(1.0)
    look.SetInterpolationTypeToLinear()
    look.ShadeOn()
    look.SetAmbient(0.25)
    look.SetDiffuse(0.75)
    look.SetSpecular(0.15)
    return look
