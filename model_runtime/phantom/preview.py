"""Small grey pictures of cases: contact sheets and the thumbnails of prior cases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import HuWindow, Region
from model_runtime.phantom.case import Case, Finding
from model_runtime.phantom.render import masks, render

Picture = NDArray[np.uint8]
_Kind = TypeVar("_Kind", np.int16, np.bool_)
_OUTLINE = (255, 210, 0)
_GRID = (64, 128, 128)
_WINDOWS = {
    Region.CHEST: HuWindow(-1150, 350),
    Region.ABDOMEN: HuWindow(-160, 240),
    Region.HEAD: HuWindow(-10, 90),
}
# Findings that are everywhere.
_DIFFUSE = ("emphysema", "steatosis", "ascites")


def grey(plane: NDArray[np.int16], window: HuWindow) -> Picture:
    """Map a plane of HU to 0…255."""
    share = (plane.astype(np.float32) - window.low) / (window.high - window.low)
    out: Picture = np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)
    return out


@dataclass(frozen=True, eq=False)
class Look:
    """A case drawn once, to take pictures of.

    Attributes
    ----------
    voxels : ndarray of int16, shape (z, y, x)
    shown : ndarray of bool, shape (findings, z, y, x)
    step : tuple of float
        Millimetres along (z, y, x).
    """

    case: Case
    voxels: NDArray[np.int16]
    shown: NDArray[np.bool_]
    step: tuple[float, float, float]

    @classmethod
    def at(cls, case: Case) -> Look:
        """Draw a case and its findings."""
        voxels, index_to_lps = render(case, _GRID, body_only=True)
        x, y, z = np.abs(np.diag(index_to_lps)[:3])
        shown = masks(case, _GRID, body_only=True)
        return cls(case, voxels, shown, (float(z), float(y), float(x)))

    @property
    def hidden(self) -> tuple[Finding, ...]:
        """Findings that others have painted over, so that nothing of them shows."""
        both = zip(self.case.findings, self.shown, strict=True)
        return tuple(finding for finding, mask in both if not mask.any())

    @property
    def centre(self) -> tuple[int, int, int]:
        """Slices (z, y, x) that hold most of the first local finding that shows."""
        for finding, mask in zip(self.case.findings, self.shown, strict=True):
            if finding.kind not in _DIFFUSE and mask.any():
                return (
                    int(mask.sum((1, 2)).argmax()),
                    int(mask.sum((0, 2)).argmax()),
                    int(mask.sum((0, 1)).argmax()),
                )
        return int(_GRID[0] * 0.55), int(_GRID[1] * 0.5), int(_GRID[2] * 0.5)

    def picture(self, plane: str, pixels: int) -> Picture:
        """Take a picture of a plane through the main finding, ``(pixels, pixels)``.

        The true proportions are kept; head or front is up, patient right or front on the left.
        """
        cut = grey(self._cut(self.voxels, plane), _WINDOWS[self.case.region])
        return _fitted(cut, self._steps(plane), pixels)

    def outlined(self, plane: str, pixels: int) -> Picture:
        """Take the same picture in colours, the findings outlined; ``(pixels, pixels, 3)``."""
        out = np.repeat(self.picture(plane, pixels)[..., None], 3, axis=2)
        for mask in self.shown:
            cut = self._cut(mask, plane).astype(np.uint8) * 255
            out[_edge(_fitted(cut, self._steps(plane), pixels) > 127)] = _OUTLINE
        return out

    def _cut(self, array: NDArray[_Kind], plane: str) -> NDArray[_Kind]:
        z, y, x = self.centre
        cut: NDArray[_Kind] = {
            "axial": array[z],
            "coronal": array[::-1, y],
            "sagittal": array[::-1, :, x],
        }[plane]
        return cut

    def _steps(self, plane: str) -> tuple[float, float]:
        z, y, x = self.step
        return {"axial": (y, x), "coronal": (z, x), "sagittal": (z, y)}[plane]


def _edge(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark the outermost pixels of a shape."""
    core = inside.copy()
    for axis in (0, 1):
        for way in (1, -1):
            core &= np.roll(inside, way, axis)
    return inside & ~core


def planes(case: Case, pixels: int) -> tuple[Picture, Picture]:
    """Return an axial and a coronal picture through the main finding.

    Both are ``(pixels, pixels)``, the true proportions kept, patient right on the left
    of the picture, head or front up.
    """
    look = Look.at(case)
    return look.picture("axial", pixels), look.picture("coronal", pixels)


def thumbnail(case: Case, pixels: int = 96) -> Picture:
    """Return the axial plane through the main finding, ``(pixels, pixels)``."""
    return Look.at(case).picture("axial", pixels)


def sheet(pictures: list[Picture], columns: int) -> Picture:
    """Lay equally large pictures, grey or coloured, out in rows."""
    height, width, *colours = pictures[0].shape
    rows = -(-len(pictures) // columns)
    out = np.zeros((rows * height, columns * width, *colours), np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // columns * height, place % columns * width
        out[top : top + height, left : left + width] = picture
    return out


def hidden(case: Case) -> tuple[Finding, ...]:
    """Name the findings that others have painted over, so that nothing of them shows."""
    return Look.at(case).hidden


def _fitted(plane: Picture, step: tuple[float, float], pixels: int) -> Picture:
    """Resample a plane with ``step`` mm (row, column) linearly into a black square."""
    size = [count * mm for count, mm in zip(plane.shape, step, strict=True)]
    scale = pixels / max(size)
    rows, columns = (max(1, round(value * scale)) for value in size)
    picture = _resampled(_resampled(plane.astype(np.float32), rows, 0), columns, 1)
    out = np.zeros((pixels, pixels), np.uint8)
    top, left = (pixels - rows) // 2, (pixels - columns) // 2
    out[top : top + rows, left : left + columns] = np.rint(picture)
    return out


def _resampled(plane: NDArray[np.float32], count: int, axis: int) -> NDArray[np.float32]:
    place = (np.arange(count) + 0.5) * plane.shape[axis] / count - 0.5
    place = np.clip(place, 0, plane.shape[axis] - 1)
    low = np.minimum(place.astype(int), plane.shape[axis] - 2)
    share = (place - low).astype(np.float32)
    share = share[:, None] if axis == 0 else share[None]
    first, second = plane.take(low, axis), plane.take(low + 1, axis)
    out: NDArray[np.float32] = first + share * (second - first)
    return out
