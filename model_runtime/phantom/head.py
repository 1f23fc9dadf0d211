"""Anatomy and findings of the head."""

from __future__ import annotations

import numpy as np

from model_runtime.phantom.canvas import Canvas, Field
from model_runtime.phantom.case import Case, Random

HALF = (76.0, 95.0, 72.0)
_LOBES = {
    "frontal": (0.42, -0.55, 0.1),
    "temporal": (0.62, -0.02, -0.3),
    "parietal": (0.45, 0.22, 0.45),
    "occipital": (0.38, 0.62, 0.0),
}
_BIGGER = {"mild": 1.45, "moderate": 1.8, "severe": 2.2}


def paint_head(canvas: Canvas, case: Case, random: Random) -> None:
    """Paint scalp, skull, brain, ventricles, then what is wrong."""
    size = (HALF[0] * case.width, HALF[1] * case.depth, HALF[2] * case.height)
    middle = (0.0, 0.0, -0.12 * size[2])
    outer = (size[0], size[1], 1.12 * size[2])
    canvas.ellipsoid(middle, outer, -60)
    canvas.ellipsoid(middle, _inset(outer, 4), 35)
    canvas.ellipsoid(middle, _inset(outer, 6), 950)
    canvas.ellipsoid(middle, _inset(outer, 13), 8)
    brain = canvas.share_of(middle, _inset(outer, 15))
    _brain(canvas, brain, middle, outer, random)
    _ventricles(canvas, case, size)
    for finding in case.findings:
        side = -1 if finding.place.startswith("right") else 1
        if finding.kind == "subdural haematoma":
            _crescent(canvas, brain, middle, outer, side, finding.size)
        elif finding.kind in ("intracerebral haemorrhage", "infarct"):
            x, y, z = _LOBES[finding.place.split()[1]]
            centre = (side * x * size[0], y * size[1], z * size[2])
            _lesion(canvas, brain, finding.kind, centre, finding.size)
    canvas.ellipsoid((0, -0.75 * size[1], -0.95 * size[2]), (0.3 * size[0], 16, 18), -900)


def _inset(radii: tuple[float, float, float], depth: float) -> tuple[float, float, float]:
    return radii[0] - depth, radii[1] - depth, radii[2] - depth


def _brain(
    canvas: Canvas,
    brain: Field,
    middle: tuple[float, float, float],
    outer: tuple[float, float, float],
    random: Random,
) -> None:
    """White matter inside, a folded grey ribbon outside, the falx between."""
    everywhere = (slice(None),) * 3
    depth = canvas.radius(everywhere, middle, _inset(outer, 15))
    folds = depth + 0.07 * canvas.noise(random, 11)
    white = np.clip((0.86 - folds) / 0.06, 0, 1)
    canvas.blend(everywhere, brain, (38 - 10 * white).astype(np.float32))
    falx = (
        np.clip(1.2 - np.abs(canvas.x) / 2.5, 0, 1)[None, None, :] * (canvas.z > 0)[:, None, None]
    )
    canvas.blend(everywhere, (brain * falx).astype(np.float32), 44.0)


def _ventricles(canvas: Canvas, case: Case, size: tuple[float, float, float]) -> None:
    wide = case.find("hydrocephalus")
    grow = _BIGGER[wide.degree] if wide else 1.0
    for sign in (-1, 1):
        for y, radii in ((-0.24, (6, 17, 9)), (0.02, (6, 18, 10)), (0.3, (8, 17, 11))):
            centre = (sign * (0.13 + 0.05 * (grow - 1)) * size[0], y * size[1], 0.12 * size[2])
            canvas.ellipsoid(centre, (radii[0] * grow, radii[1], radii[2] * np.sqrt(grow)), 5)
    canvas.ellipsoid((0, 0.05 * size[1], -0.15 * size[2]), (3 * grow, 12, 9), 5)


def _crescent(  # noqa: PLR0917
    canvas: Canvas,
    brain: Field,
    middle: tuple[float, float, float],
    outer: tuple[float, float, float],
    side: int,
    thickness: float,
) -> None:
    inner = tuple(radius - 14 for radius in outer)
    pushed = (middle[0] - side * thickness, middle[1], middle[2])
    left_over = np.clip(brain - canvas.share_of(pushed, inner), 0, 1)
    half = np.clip(side * canvas.x / 10, 0, 1)[None, None, :]
    canvas.blend((slice(None),) * 3, (left_over * half).astype(np.float32), 66.0)


def _lesion(
    canvas: Canvas, brain: Field, kind: str, centre: tuple[float, float, float], size: float
) -> None:
    if kind == "infarct":
        canvas.ellipsoid(centre, (24, 30, 26), 16, within=brain)
        return
    radius = size / 2
    canvas.ellipsoid(centre, (radius + 7,) * 3, 20, within=brain)
    canvas.ellipsoid(centre, (radius, radius * 1.1, radius), 68, within=brain)
