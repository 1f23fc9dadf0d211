"""Between a pane's pixels and the patient's millimetres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workstation.core.geometry import Geometry, Point
from workstation.core.scene import SliceScene

Pixel = tuple[float, float]


@dataclass(frozen=True)
class SliceMapping:
    """How one slice lies on a picture of ``width`` × ``height`` pixels.

    Pixel coordinates count from the top left corner of the picture; the middle of the first
    pixel is (0.5, 0.5). In-plane millimetres are (right, down) from the middle of the slice.
    """

    width: int
    height: int
    mm_per_pixel: float
    pan: tuple[float, float]

    @classmethod
    def of(cls, scene: SliceScene, width: int, height: int) -> SliceMapping:
        """Fit the slice's extent at zoom 1, then apply the scene's camera."""
        across, down = scene.extent
        fit = max(across / max(width, 1), down / max(height, 1))
        return cls(width, height, fit / scene.camera.zoom, scene.camera.pan)

    def to_pixel(self, right: float, down: float) -> Pixel:
        """Picture position of an in-plane point in mm."""
        return (
            self.width / 2 + (right + self.pan[0]) / self.mm_per_pixel,
            self.height / 2 + (down + self.pan[1]) / self.mm_per_pixel,
        )

    def to_mm(self, x: float, y: float) -> tuple[float, float]:
        """In-plane point in mm (right, down) at a picture position."""
        return (
            (x - self.width / 2) * self.mm_per_pixel - self.pan[0],
            (y - self.height / 2) * self.mm_per_pixel - self.pan[1],
        )

    def to_lps(self, scene: SliceScene, geometry: Geometry, x: float, y: float) -> Point:
        """LPS mm of the point of the slice under a picture position."""
        right, down = self.to_mm(x, y)
        vectors = scene.axes.vectors(geometry)
        point = np.array(scene.centre) + right * vectors[0] + down * vectors[1]
        return float(point[0]), float(point[1]), float(point[2])

    def visible(self, scene: SliceScene) -> tuple[int, int, int, int]:
        """Pixels that the slice covers: left, top, right, bottom (the last two exclusive).

        A pixel belongs to the slice if its middle does; an empty range where none does.
        """
        half = scene.extent[0] / 2, scene.extent[1] / 2
        left, top = self.to_pixel(-half[0], -half[1])
        right, bottom = self.to_pixel(half[0], half[1])
        return (
            _first_middle(left, self.width),
            _first_middle(top, self.height),
            _first_middle(right, self.width),
            _first_middle(bottom, self.height),
        )


def _first_middle(edge: float, size: int) -> int:
    """Index of the first pixel whose middle is at or after an edge, kept within the picture."""
    return int(np.clip(np.ceil(edge - 0.5 - 1e-6), 0, size))
