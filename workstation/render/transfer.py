"""Transfer functions of the 3D view: Hounsfield units to colour and opacity."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from vtkmodules.vtkCommonDataModel import vtkPiecewiseFunction
from vtkmodules.vtkRenderingCore import vtkColorTransferFunction, vtkVolumeProperty


@dataclass(frozen=True)
class VolumePreset:
    """A named look of the 3D view.

    Attributes
    ----------
    opacity : tuple of (HU, opacity per mm)
    colour : tuple of (HU, red, green, blue), each 0 to 1
    """

    id: str
    name: str
    opacity: tuple[tuple[float, float], ...]
    colour: tuple[tuple[float, float, float, float], ...]


def read_volume_presets(path: Path) -> tuple[VolumePreset, ...]:
    """Read the presets of a TOML file (resources/volume_presets.toml) in its order."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(
        VolumePreset(
            id=entry["id"],
            name=entry["name"],
            opacity=tuple((float(hu), float(alpha)) for hu, alpha in entry["opacity"]),
            colour=tuple((float(hu), r, g, b) for hu, r, g, b in entry["colour"]),
        )
        for entry in table["preset"]
    )


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
