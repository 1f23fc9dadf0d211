"""From a case to voxels: anatomy, then the scanner's blur and noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import Region
from model_runtime.phantom.abdomen import HALF as ABDOMEN_HALF
from model_runtime.phantom.abdomen import paint_abdomen
from model_runtime.phantom.canvas import Canvas
from model_runtime.phantom.case import Case, Random
from model_runtime.phantom.chest import HALF as CHEST_HALF
from model_runtime.phantom.chest import paint_chest
from model_runtime.phantom.head import HALF as HEAD_HALF
from model_runtime.phantom.head import paint_head

_HALVES = {Region.CHEST: CHEST_HALF, Region.ABDOMEN: ABDOMEN_HALF, Region.HEAD: HEAD_HALF}
_PAINTERS = {Region.CHEST: paint_chest, Region.ABDOMEN: paint_abdomen, Region.HEAD: paint_head}
_NOISE_HU = {Region.CHEST: 14.0, Region.ABDOMEN: 10.0, Region.HEAD: 4.0}


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
    half = _HALVES[case.region]
    size = (half[0] * case.width, half[1] * case.depth, half[2] * case.height)
    canvas = _canvas(size, shape, body_only)
    random = np.random.default_rng([case.seed, 7])
    _PAINTERS[case.region](canvas, case, random)
    if not body_only:
        _table(canvas, size)
    _add_noise(canvas, _NOISE_HU[case.region], random)
    return np.clip(np.rint(canvas.hu), -1024, 3071).astype(np.int16), canvas.index_to_lps


def _canvas(
    size: tuple[float, float, float], shape: tuple[int, int, int], body_only: bool
) -> Canvas:
    x, y, z = (2 * half for half in size)
    if body_only:
        return Canvas(shape, (z / shape[0], y / shape[1], x / shape[2]))
    field = 1.12 * max(x, y)
    return Canvas(shape, (z / shape[0], field / shape[1], field / shape[2]))


def _table(canvas: Canvas, size: tuple[float, float, float]) -> None:
    """Paint a thin curved couch under the patient."""
    bend = 0.1 * (canvas.x / size[0]) ** 2 * size[1]
    gap = canvas.y[:, None] - (size[1] + 9 - bend[None, :])
    share = np.clip(1 - np.abs(gap) / 2.5, 0, 1) * (np.abs(canvas.x) < 0.95 * size[0])
    canvas.blend((slice(None),) * 3, share[None].astype(np.float32), -250.0)


def _add_noise(canvas: Canvas, spread: float, random: Random) -> None:
    """Add correlated noise of about ``spread`` HU at 1 mm; thicker voxels average some away."""
    fine = random.standard_normal(canvas.hu.shape, dtype=np.float32)
    smooth = (fine + np.roll(fine, 1, 1) + np.roll(fine, 1, 2) + np.roll(fine, (1, 1), (1, 2))) / 2
    canvas.hu += smooth * spread / max(1.0, canvas.edge**0.75)
