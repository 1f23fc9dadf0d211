"""From where, and with which look, the volume is seen; plain values."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Viewpoint:
    """From where the patient is seen: (0°, 0°) from the front, head up.

    ``azimuth`` turns the patient to the viewer's right (degrees), ``elevation`` raises the
    viewer, ``zoom`` 1 fits the volume.
    """

    azimuth: float = 0.0
    elevation: float = 0.0
    zoom: float = 1.0

    def turned(self, right: float, down: float) -> Viewpoint:
        """View after a drag of so many degrees."""
        elevation = min(max(self.elevation + down, -89.0), 89.0)
        return Viewpoint((self.azimuth + right) % 360, elevation, self.zoom)

    def zoomed(self, factor: float) -> Viewpoint:
        """View with the zoom multiplied, kept between 0.3 and 10."""
        return Viewpoint(self.azimuth, self.elevation, min(max(self.zoom * factor, 0.3), 10.0))


@dataclass(frozen=True)
class VolumePreset:
    """A named look of the 3D view.

    Attributes
    ----------
    opacity : tuple of (HU, opacity in 0.6 mm)
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
