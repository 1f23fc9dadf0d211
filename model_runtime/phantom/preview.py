"""Small grey pictures of cases: contact sheets and the thumbnails of prior cases."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import HuWindow, Region
from model_runtime.phantom.case import Case, Finding
from model_runtime.phantom.render import masks, render

Picture = NDArray[np.uint8]
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


def planes(case: Case, pixels: int) -> tuple[Picture, Picture]:
    """Return an axial and a coronal picture through the main finding.

    Both are ``(pixels, pixels)``, the true proportions kept, patient right on the left
    of the picture, head or front up.
    """
    voxels, index_to_lps = render(case, _GRID, body_only=True)
    z, y = _main_finding(case)
    step = np.abs(np.diag(index_to_lps)[:3])
    window = _WINDOWS[case.region]
    axial = grey(voxels[z], window)
    coronal = grey(voxels[::-1, y], window)
    return (
        _fitted(axial, (step[1], step[0]), pixels),
        _fitted(coronal, (step[2], step[0]), pixels),
    )


def thumbnail(case: Case, pixels: int = 96) -> Picture:
    """Return the axial plane through the main finding, ``(pixels, pixels)``."""
    return planes(case, pixels)[0]


def sheet(pictures: list[Picture], columns: int) -> Picture:
    """Lay equally large pictures out in rows."""
    height, width = pictures[0].shape
    rows = -(-len(pictures) // columns)
    out = np.zeros((rows * height, columns * width), np.uint8)
    for place, picture in enumerate(pictures):
        top, left = place // columns * height, place % columns * width
        out[top : top + height, left : left + width] = picture
    return out


def hidden(case: Case) -> tuple[Finding, ...]:
    """Name the findings that others have painted over, so that nothing of them shows."""
    shown = masks(case, _GRID, body_only=True)
    return tuple(f for f, mask in zip(case.findings, shown, strict=True) if not mask.any())


def _main_finding(case: Case) -> tuple[int, int]:
    """Find (z, y) of the slices that hold most of the first local finding that shows."""
    shown = masks(case, _GRID, body_only=True)
    for finding, mask in zip(case.findings, shown, strict=True):
        if finding.kind not in _DIFFUSE and mask.any():
            return int(mask.sum((1, 2)).argmax()), int(mask.sum((0, 2)).argmax())
    return int(_GRID[0] * 0.55), int(_GRID[1] * 0.5)


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
