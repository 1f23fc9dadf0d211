"""Small grey pictures of cases: contact sheets and the thumbnails of prior cases."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import HuWindow, Region
from model_runtime.phantom.case import Case, Finding
from model_runtime.phantom.render import render

Picture = NDArray[np.uint8]
_GRID = (64, 128, 128)
_WINDOWS = {
    Region.CHEST: HuWindow(-1150, 350),
    Region.ABDOMEN: HuWindow(-160, 240),
    Region.HEAD: HuWindow(-10, 90),
}
_FAINT_HU = {Region.CHEST: 40, Region.ABDOMEN: 15, Region.HEAD: 8}
# Findings whose removal redraws the rest of the anatomy or that are everywhere.
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
    z, y = _main_finding(case, voxels)
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
    """Name the local findings that another one has painted over, so that nothing shows."""
    voxels, _matrix = render(case, _GRID, body_only=True)
    local = (f for f in case.findings if f.kind not in _DIFFUSE)
    return tuple(f for f in local if not _changed(case, f, voxels).any())


def _main_finding(case: Case, voxels: NDArray[np.int16]) -> tuple[int, int]:
    """Find (z, y) of the slices that the first local finding that shows changes most."""
    for finding in case.findings:
        if finding.kind in _DIFFUSE:
            continue
        changed = _changed(case, finding, voxels)
        if changed.any():
            return int(changed.sum((1, 2)).argmax()), int(changed.sum((0, 2)).argmax())
    return int(voxels.shape[0] * 0.55), int(voxels.shape[1] * 0.5)


def _changed(case: Case, finding: Finding, voxels: NDArray[np.int16]) -> NDArray[np.bool_]:
    """Mark the voxels (z, y, x) that a finding changes by more than noise can.

    The case is rendered again without it and the two are compared, so that the place
    needs no second description of the anatomy.
    """
    rest = tuple(f for f in case.findings if f is not finding)
    without, _matrix = render(replace(case, findings=rest), voxels.shape, body_only=True)
    difference = np.abs(voxels.astype(np.int32) - without)
    strong: NDArray[np.bool_] = difference > 60
    faint: NDArray[np.bool_] = difference > _FAINT_HU[case.region]
    return strong if strong.any() else faint


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
