"""Bones of the trunk, and what can be wrong with them: fractures and lytic lesions.

All coordinates are LPS mm. A vertebra is an inner body in a dense shell with an arch behind
it; discs lie between. Findings are those of the case whose place the caller knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from model_runtime.phantom.case import Case
from model_runtime.phantom.scene import Ball, Column, Scene

CORTEX_HU = 420.0
MARROW_HU = 190.0
DISC_HU = 80.0
_SOFT_HU = 45.0
LOSS = {"mild": 0.25, "moderate": 0.45, "severe": 0.65}
"""Share of its height that a fractured vertebra has lost."""


def spine(
    scene: Scene,
    case: Case,
    centre: tuple[float, float],
    ends: tuple[float, float],
    places: Mapping[str, float],
    *,
    step: float = 26.0,
    radii: tuple[float, float] = (20.0, 16.0),
) -> None:
    """Paint a straight spine.

    Parameters
    ----------
    centre : tuple of float
        x and y of the vertebral bodies' middle.
    ends : tuple of float
        Lowest and highest z.
    places : mapping of str to float
        z of every place of :mod:`model_runtime.phantom.case` that this spine has; the vertebra
        next to it carries that place's findings.
    step : float
        From one vertebra to the next.
    radii : tuple of float
        Of a body, along x and y.
    """
    x, y = centre
    low, high = min(ends), max(ends)
    scene.column(centre, (radii[0] - 1, radii[1] - 1), DISC_HU, (low, high))
    levels = np.arange(low + step / 2, high, step)
    for level in levels:
        _vertebra(scene, (x, y, float(level)), radii, step)
    canal = (x, y + radii[1] + 8)
    scene.column(canal, (9, 8), 20, (low, high))
    scene.column(canal, (6, 5), 38, (low, high))
    for index, finding in enumerate(case.findings):
        if finding.place not in places:
            continue
        level = float(levels[np.abs(levels - places[finding.place]).argmin()])
        with scene.showing(index):
            if finding.kind == "vertebral fracture":
                _fracture(scene, (x, y, level), radii, step, LOSS[finding.degree])
            elif finding.kind == "lytic bone lesion":
                aside = 0.45 * radii[0] * float(np.sign(finding.at[0]) or 1.0)
                radius = finding.size / 2
                scene.ball((x + aside, y - 2, level), (radius, radius, radius), _SOFT_HU)


def _vertebra(
    scene: Scene, middle: tuple[float, float, float], radii: tuple[float, float], step: float
) -> None:
    x, y, z = middle
    half = 0.38 * step
    scene.column((x, y), radii, CORTEX_HU, (z - half, z + half))
    scene.column((x, y), (radii[0] - 3, radii[1] - 3), MARROW_HU, (z - half + 2.5, z + half - 2.5))
    back = y + radii[1] + 8
    arch = Column((x, back), (17, 15), (z - 0.3 * step, z + 0.2 * step))
    body = Column((x, y), radii, (z - step, z + step))
    scene.add(arch, hu=330, outside=(body,))
    scene.tube(((x, back + 13, z - 2), (x, back + 27, z - 9)), (5, 4), 330)
    for sign in (-1, 1):
        scene.tube(((x + sign * 13, back, z), (x + sign * 34, back + 6, z)), (5, 4), 300)


def _fracture(
    scene: Scene,
    middle: tuple[float, float, float],
    radii: tuple[float, float],
    step: float,
    loss: float,
) -> None:
    """Squash a body from above, more in front, and pack its bone densely."""
    x, y, z = middle
    half = 0.38 * step
    top = z + half - 2 * half * loss
    wide = (radii[0] + 3, radii[1] + 3)
    scene.column((x, y), wide, _SOFT_HU, (top, z + half + 1))
    scene.column((x, y), wide, 560, (top - 5, top))
    front = Column((x, y - 0.6 * radii[1]), (radii[0], 0.5 * radii[1]), (top - 4, top + 1))
    scene.add(front, hu=_SOFT_HU)


def ribs(
    scene: Scene,
    half: Sequence[float],
    levels: Sequence[float],
    *,
    round_to: float = -0.36,
    drop: float = 38.0,
    thick: float = 5.5,
    middle: float = 0.0,
) -> None:
    """Paint a pair of ribs for each level.

    Parameters
    ----------
    half : sequence of float
        Half axes (x, y) in mm of the ellipse on which the ribs run.
    levels : sequence of float
        z at the spine.
    round_to : float
        How far they go round to the front, in half turns (-0.5 is the middle line).
    drop : float
        mm by which a rib sinks on its way to the front.
    thick : float
        Radius of a rib.
    middle : float
        y of the ellipse's middle.
    """
    angles = np.linspace(0.44 * np.pi, round_to * np.pi, 8)
    falls = drop * (0.5 - 0.5 * np.cos(np.linspace(0, np.pi, len(angles)) * 0.8))
    for level in levels:
        for sign in (-1, 1):
            path = [
                (sign * half[0] * np.cos(a), middle + half[1] * np.sin(a), level - fall)
                for a, fall in zip(angles, falls, strict=True)
            ]
            scene.tube(path, [thick] * len(path), CORTEX_HU)


def sternum(scene: Scene, y: float, ends: tuple[float, float]) -> None:
    """Paint the breast bone at a depth, between two heights."""
    middle, half = (ends[0] + ends[1]) / 2, abs(ends[1] - ends[0]) / 2
    scene.add(Ball((0, y, middle), (17, 6, half), 4.0), hu=CORTEX_HU)
    scene.add(Ball((0, y, middle), (14, 3.5, half - 3), 4.0), hu=MARROW_HU)


def pelvis(scene: Scene, case: Case, half: Sequence[float], spine_y: float, top: float) -> None:
    """Paint sacrum, hip bones and the upper ends of the thighs.

    Parameters
    ----------
    half : sequence of float
        Half axes (x, y) in mm of the ellipse inside which the hip bones lie.
    spine_y : float
        y of the vertebral bodies' middle.
    top : float
        z of the iliac crests.
    """
    scene.tube(
        ((0, spine_y + 4, top - 35), (0, spine_y + 20, top - 75), (0, spine_y + 26, top - 110)),
        (30, 22, 10),
        MARROW_HU + 60,
    )
    for side, sign in (("right", -1), ("left", 1)):
        wing = _hip(scene, sign, half, spine_y, top)
        finding = case.find("lytic bone lesion", f"{side} iliac bone")
        if finding is not None:
            with scene.showing(case.findings.index(finding)):
                scene.ball(wing, finding.size / 2, _SOFT_HU)


def _hip(
    scene: Scene, sign: int, half: Sequence[float], spine_y: float, top: float
) -> tuple[float, float, float]:
    """Paint one hip bone with the head of the thigh bone; return the middle of its wing."""
    w, d = half[0], half[1]
    joint = (sign * 0.3 * w, spine_y + 8, top - 45)
    hip = (sign * 0.56 * w, 0.08 * d, top - 118)
    crest = (
        (sign * 0.42 * w, spine_y + 6, top - 4),
        (sign * 0.66 * w, 0.45 * d, top),
        (sign * 0.78 * w, 0.1 * d, top - 12),
        (sign * 0.76 * w, -0.25 * d, top - 45),
    )
    scene.tube((joint, *crest), (12, 7, 8, 8, 7), CORTEX_HU)
    for end in crest:
        scene.tube((hip, end), (11, 7), CORTEX_HU)
        scene.tube((hip, end), (7, 4), MARROW_HU + 40)
    scene.tube((joint, hip), (12, 14), CORTEX_HU)
    scene.ball(hip, 32, CORTEX_HU)
    pubis = (sign * 8, -0.42 * d, top - 140)
    scene.tube((hip, pubis), (10, 8), CORTEX_HU)
    scene.tube((hip, (sign * 0.38 * w, 0.3 * d, top - 160)), (12, 10), CORTEX_HU)
    head = (hip[0] + sign * 6, hip[1] - 2, hip[2] - 4)
    scene.ball(head, 26, 60)
    scene.ball(head, 24, CORTEX_HU)
    scene.ball(head, 21, MARROW_HU + 80)
    shaft = (sign * 0.72 * w, 0.1 * d, top - 160)
    scene.tube((head, shaft, (shaft[0] - sign * 4, shaft[1], top - 240)), (13, 15, 13), CORTEX_HU)
    return sign * 0.68 * w, 0.2 * d, top - 38
