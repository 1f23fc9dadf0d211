"""From a case to voxels: the scene, then the scanner's blur, slice thickness and noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import HuWindow, Region
from model_runtime.phantom.canvas import Canvas, Field
from model_runtime.phantom.case import Case, Random
from model_runtime.phantom.scene import Part, Point, Scene

SLICE_AXIS = {"axial": 0, "coronal": 1, "sagittal": 2}
"""Axis of (z, y, x) along which the slices of a plane are stacked."""


def half_size(case: Case) -> Point:
    """Half of the body's width, depth and height (x, y, z) in mm."""
    x, y, z = _anatomy(case.region)[0]
    return x * case.width, y * case.depth, z * case.height


def build_scene(case: Case) -> Scene:
    """Lay out the anatomy and the findings of a case."""
    scene = Scene()
    _anatomy(case.region)[1](scene, case, np.random.default_rng([case.seed, 7]))
    return scene


def _anatomy(region: Region) -> tuple[Point, Callable[[Scene, Case, Random], None]]:
    """Half size in mm and builder of a region; only what is drawn is imported."""
    if region is Region.CHEST:
        from model_runtime.phantom import chest

        return chest.HALF, chest.build_chest
    if region is Region.ABDOMEN:
        from model_runtime.phantom import abdomen

        return abdomen.HALF, abdomen.build_abdomen
    from model_runtime.phantom import head

    return head.HALF, head.build_head


def render(
    case: Case, shape: tuple[int, int, int], body_only: bool = False
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Scan a case.

    Parameters
    ----------
    case : Case
        Who is scanned.
    shape : tuple of int
        (z, y, x) voxels.
    body_only : bool
        Fill the grid with the body, as the model's own crop does; otherwise the field of
        view is square with air and a table around the patient.

    Returns
    -------
    ndarray of int16, shape (z, y, x)
        HU; z to the head, y to the back, x to the patient's left.
    ndarray of float64, shape (4, 4)
        Maps (x, y, z, 1) indices to LPS mm.
    """
    size = half_size(case)
    canvas = _canvas(size, shape, body_only)
    canvas.draw(build_scene(case))
    if not body_only:
        _table(canvas, size)
    hu = _through_slices(canvas.hu, canvas.spacing, case)
    _add_noise(hu, canvas.edge, case, np.random.default_rng([case.seed, 11]))
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16), canvas.index_to_lps


def masks(
    case: Case, shape: tuple[int, int, int], body_only: bool = False
) -> NDArray[np.bool_]:
    """Mark where each finding shows: bool, shape (findings, z, y, x).

    A voxel belongs to a finding that fills more than half of it; of one that is nowhere so
    thick, to where it fills more than half of what it fills at most.
    """
    canvas = _canvas(half_size(case), shape, body_only, len(case.findings))
    canvas.draw(build_scene(case))
    out = np.zeros(canvas.coverage.shape, np.bool_)
    for place, coverage in enumerate(canvas.coverage):
        most = float(coverage.max(initial=0.0))
        out[place] = coverage > (0.5 if most > 0.5 else 0.5 * most)
    return out


def render_for_model(case: Case, shape: tuple[int, int, int], window: HuWindow) -> Field:
    """Draw the grey volume that the model's preprocessing makes of an acquisition.

    Each material is clipped to the window before it is mixed into a voxel, as the
    preprocessing clips the acquired voxels before it averages them; so the coarse grid can be
    drawn directly.

    Returns
    -------
    ndarray of float32, shape (z, y, x)
        In [0, 1]; the body fills the grid.
    """
    canvas = _canvas(half_size(case), shape, body_only=True)
    for part in build_scene(case).parts:
        canvas.paint(_within(part, window))
    hu = _through_slices(canvas.hu, canvas.spacing, case)
    share = (hu - window.low) / (window.high - window.low)
    out: Field = np.clip(share, 0, 1).astype(np.float32)
    return out


def _within(part: Part, window: HuWindow) -> Part:
    if part.adds or window.low <= part.hu <= window.high:
        return part
    return replace(part, hu=float(np.clip(part.hu, window.low, window.high)))


def _canvas(
    size: Point, shape: tuple[int, int, int], body_only: bool, findings: int = 0
) -> Canvas:
    x, y, z = (2 * half for half in size)
    field = 1.12 * max(x, y)
    spacing = (
        (z / shape[0], y / shape[1], x / shape[2])
        if body_only
        else (z / shape[0], field / shape[1], field / shape[2])
    )
    return Canvas(shape, spacing, findings=findings)


def _table(canvas: Canvas, size: Point) -> None:
    """Paint a thin curved couch under the patient."""
    bend = 0.1 * (canvas.x / size[0]) ** 2 * size[1]
    gap = canvas.y[:, None] - (size[1] + 9 - bend[None, :])
    share = np.clip(1 - np.abs(gap) / 2.5, 0, 1) * (np.abs(canvas.x) < 0.95 * size[0])
    canvas.hu += share[None].astype(np.float32) * (-250.0 - canvas.hu)


def _through_slices(hu: Field, spacing: tuple[float, float, float], case: Case) -> Field:
    """Blur by the kernel in the plane and by the slices' thickness across it."""
    from scipy.ndimage import gaussian_filter1d

    across = SLICE_AXIS[case.plane]
    for axis, step in enumerate(spacing):
        # A box of the slice's thickness spreads as a Gaussian of its own variance does.
        width = case.thickness / np.sqrt(12) if axis == across else case.blur
        if width / step > 0.2:
            hu = gaussian_filter1d(hu, width / step, axis, mode="nearest", truncate=3.0)
    return hu


def _add_noise(hu: Field, edge: float, case: Case, random: Random) -> None:
    """Add correlated noise of the case's HU at 1 mm; thicker voxels average some away."""
    fine = random.standard_normal(hu.shape, dtype=np.float32)
    smooth = (fine + np.roll(fine, 1, 1) + np.roll(fine, 1, 2) + np.roll(fine, (1, 1), (1, 2))) / 2
    hu += smooth * (case.noise / max(1.0, edge**0.75))
