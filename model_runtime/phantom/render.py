"""From a case to voxels: the scene, then the scanner's blur, slice thickness and noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import HuWindow, Region
from model_runtime.phantom import scanner
from model_runtime.phantom.canvas import Canvas
from model_runtime.phantom.case import Case, Random
from model_runtime.phantom.scene import Part, Point, Scene
from model_runtime.phantom.solids import Field

# Axes of (z, y, x) that become slice, row and column, and which of these are turned round.
_ORDER = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}
_TURNED = {"axial": (), "coronal": (1,), "sagittal": (0, 1)}


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
    canvas = _canvas(case, shape, body_only)
    return _scanned(case, canvas, table=not body_only), canvas.index_to_lps


def acquire(
    case: Case, shape: tuple[int, int, int]
) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """Scan a case in its own plane.

    Parameters
    ----------
    case : Case
        Who is scanned, in which plane, with how thick slices.
    shape : tuple of int
        (slices, rows, columns).

    Returns
    -------
    ndarray of int16, shape (slice, row, column)
        HU. Rows go to the back in axial slices and to the feet in others, columns to the
        patient's left, in sagittal slices to the back; slices go to the head, to the back,
        or to the right.
    ndarray of float64, shape (4, 4)
        Maps (column, row, slice, 1) indices to LPS mm.
    """
    order, turned = _ORDER[case.plane], _TURNED[case.plane]
    sizes = [0, 0, 0]
    for axis, count in zip(order, shape, strict=True):
        sizes[axis] = count
    canvas = _canvas(case, (sizes[0], sizes[1], sizes[2]), body_only=False)
    voxels = np.flip(_scanned(case, canvas, table=True).transpose(order), turned)
    to_volume = np.zeros((4, 4))
    to_volume[3, 3] = 1
    for place, axis in enumerate(order):
        last = shape[place] - 1
        to_volume[2 - axis, 2 - place] = -1 if place in turned else 1
        to_volume[2 - axis, 3] = last if place in turned else 0
    return np.ascontiguousarray(voxels), canvas.index_to_lps @ to_volume


def _scanned(case: Case, canvas: Canvas, table: bool) -> NDArray[np.int16]:
    """Draw a case and put it through the scanner."""
    canvas.draw(build_scene(case))
    if table:
        _table(canvas, half_size(case))
    random = np.random.default_rng([case.seed, 11])
    hu = scanner.through_slices(canvas.hu, canvas.spacing, case)
    hu += scanner.noise(canvas.hu, canvas.spacing, case, random)
    return np.clip(np.rint(hu), -1024, 3071).astype(np.int16)


def masks(case: Case, shape: tuple[int, int, int], body_only: bool = False) -> NDArray[np.bool_]:
    """Mark where each finding shows: bool, shape (findings, z, y, x).

    A voxel belongs to a finding that fills more than half of it; of one that is nowhere so
    thick, to where it fills more than half of what it fills at most.
    """
    shares = coverage(case, shape, body_only)
    out = np.zeros(shares.shape, np.bool_)
    for place, share in enumerate(shares):
        most = float(share.max(initial=0.0))
        out[place] = share > (0.5 if most > 0.5 else 0.5 * most)
    return out


def coverage(case: Case, shape: tuple[int, int, int], body_only: bool = False) -> Field:
    """Share of each voxel that each finding fills: float32, shape (findings, z, y, x)."""
    canvas = _canvas(case, shape, body_only, len(case.findings))
    canvas.cover(build_scene(case))
    return canvas.coverage


def render_for_model(
    case: Case, shape: tuple[int, int, int], window: HuWindow, finer: int = 1
) -> Field:
    """Draw the grey volume that the model's preprocessing makes of an acquisition.

    Parameters
    ----------
    case : Case
        Who is scanned.
    shape : tuple of int
        (z, y, x) of the model's grid.
    window : HuWindow
        What becomes 0 and 1.
    finer : int
        How many times as fine a grid is drawn and averaged after it is clipped, as the
        preprocessing does. 1 is quickest: each material is then clipped before it is mixed
        into a voxel, which leaves thin bright structures and the rim of the skull darker than
        2 or the preprocessing of a scan do.

    Returns
    -------
    ndarray of float32, shape (z, y, x)
        In [0, 1]; the body fills the grid.
    """
    z, y, x = shape
    canvas = _canvas(case, (finer * z, finer * y, finer * x), body_only=True)
    for part in build_scene(case).parts:
        canvas.paint(_within(part, window) if finer == 1 else part)
    random = np.random.default_rng([case.seed, 11])
    hu = scanner.through_slices(canvas.hu, canvas.spacing, case)
    hu += scanner.noise(canvas.hu, canvas.spacing, case, random)
    share = np.clip((hu - window.low) / (window.high - window.low), 0, 1)
    out: Field = share.reshape(z, finer, y, finer, x, finer).mean((1, 3, 5), dtype=np.float32)
    return out


def _within(part: Part, window: HuWindow) -> Part:
    if part.adds or window.low <= part.hu <= window.high:
        return part
    return replace(part, hu=float(np.clip(part.hu, window.low, window.high)))


def _canvas(case: Case, shape: tuple[int, int, int], body_only: bool, findings: int = 0) -> Canvas:
    """Make an empty grid around the body; what is scanned is square in axial slices.

    Slices of other planes need not go beyond the body.
    """
    x, y, z = (2 * half for half in half_size(case))
    if not body_only:
        field = 1.12 * max(x, y)
        x = 1.02 * x if case.plane == "sagittal" else field
        y = 1.12 * y if case.plane == "coronal" else field
    return Canvas(shape, (z / shape[0], y / shape[1], x / shape[2]), findings=findings)


def _table(canvas: Canvas, size: Point) -> None:
    """Paint a thin curved couch under the patient."""
    bend = 0.1 * (canvas.x / size[0]) ** 2 * size[1]
    gap = canvas.y[:, None] - (size[1] + 9 - bend[None, :])
    share = np.clip(1 - np.abs(gap) / 2.5, 0, 1) * (np.abs(canvas.x) < 0.95 * size[0])
    canvas.hu += share[None].astype(np.float32) * (-250.0 - canvas.hu)
