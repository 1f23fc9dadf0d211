"""Bones of the trunk, and what can be wrong with them: fractures and lytic lesions.

All coordinates are LPS mm. A vertebra is an inner body in a dense shell with an arch behind
it; discs lie between. Findings are those of the case whose place the caller knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from model_runtime.phantom.case import Case, Finding
from model_runtime.phantom.scene import Ball, Column, Half, Scene

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
        if finding.place in places:
            level = float(levels[np.abs(levels - places[finding.place]).argmin()])
            with scene.showing(index):
                _lesion(scene, finding, (x, y, level), radii, step)


def _lesion(
    scene: Scene,
    finding: Finding,
    middle: tuple[float, float, float],
    radii: tuple[float, float],
    step: float,
) -> None:
    """Paint what is wrong with a vertebra."""
    if finding.kind == "vertebral fracture":
        _fracture(scene, middle, radii, step, LOSS[finding.degree])
    elif finding.kind == "lytic bone lesion":
        x, y, z = middle
        # Far enough aside to break through the cortex.
        aside = 0.6 * radii[0] * (-1 if finding.at[0] < 0 else 1)
        scene.ball((x + aside, y - 2, z), finding.size / 2, _SOFT_HU)


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
    """Squash a body to a wedge, lowest in front, whose bone is packed densely."""
    x, y, z = middle
    half = 0.38 * step
    front, back = z + half - 2 * half * loss, z + half - 1.2 * half * loss
    tilt = (back - front) / (2 * radii[1])

    def above(lower: float) -> Half:
        length = float(np.hypot(tilt, 1.0))
        height = front - lower - tilt * (y - radii[1])
        return Half((0.0, -tilt / length, 1 / length), height / length)

    body = Column((x, y), (radii[0] + 1.5, radii[1] + 1.5), (z - half, z + half))
    inner = Column((x, y), (radii[0] - 3, radii[1] - 3), (z - half + 2.5, z + half))
    scene.add(inner, hu=MARROW_HU + 240 * loss)
    scene.add(body, above(4.5), hu=620)
    # The discs give way; what is missing of the body is soft.
    gap = Column((x, y), (radii[0] + 3, radii[1] + 3), (z - half, z + half + 2))
    scene.add(gap, above(0.0), hu=_SOFT_HU)
    if loss > LOSS["moderate"]:
        scene.add(Ball((x, y + radii[1], back - 4), (8, 5, 4)), hu=CORTEX_HU)


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
    middle = _wing(scene, sign, half, spine_y, top)
    scene.tube((joint, hip), (9, 12), CORTEX_HU)
    scene.tube((joint, hip), (5, 8), MARROW_HU)
    scene.ball(hip, 32, CORTEX_HU)
    pubis, seat = (sign * 8, -0.42 * d, top - 140), (sign * 0.38 * w, 0.3 * d, top - 160)
    scene.tube((hip, pubis), (10, 8), CORTEX_HU)
    scene.tube((hip, seat), (12, 10), CORTEX_HU)
    scene.tube((seat, (sign * 0.2 * w, -0.15 * d, top - 168), pubis), (9, 6, 7), CORTEX_HU)
    head = (hip[0] + sign * 6, hip[1] - 2, hip[2] - 4)
    scene.ball(head, 26, 60)
    scene.ball(head, 24, CORTEX_HU)
    scene.ball(head, 21, MARROW_HU + 80)
    shaft = (sign * 0.72 * w, 0.1 * d, top - 160)
    scene.tube((head, shaft, (shaft[0] - sign * 4, shaft[1], top - 240)), (13, 15, 13), CORTEX_HU)
    return middle


def _wing(
    scene: Scene, sign: int, half: Sequence[float], spine_y: float, top: float
) -> tuple[float, float, float]:
    """Paint an iliac wing, a fan cut from the wall of a bowl; return a point in its middle."""
    w, d = half[0], half[1]
    y = -0.05 * d
    radii = np.array((0.87 * w, (spine_y + 12 - y) / 0.92, 144.0))
    fan = Ball((sign * 0.6 * w, 0.19 * d, top - 62), (0.5 * w, 0.44 * d, 64.0))
    outward = Half((float(sign), 0.0, 0.0), 0.24 * w)

    def bowl(smaller: float) -> Ball:
        a, b, c = (float(radius) for radius in radii - smaller)
        return Ball((0.0, y, top), (a, b, c))

    scene.add(bowl(0), fan, outward, hu=CORTEX_HU, outside=(bowl(10),))
    scene.add(bowl(3), fan, outward, hu=MARROW_HU, outside=(bowl(7),))
    down, turn = -42.0, 0.13 * np.pi
    across = (radii[:2] - 5) * np.sqrt(1 - (down / (radii[2] - 5)) ** 2)
    return (
        sign * float(across[0] * np.cos(turn)),
        y + float(across[1] * np.sin(turn)),
        top + down,
    )
