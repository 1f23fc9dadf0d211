"""Anatomy and findings of the head. Coordinates are LPS mm; sides are the patient's."""

from __future__ import annotations

import numpy as np

from model_runtime.phantom.case import Case, Finding, Random
from model_runtime.phantom.scene import Ball, Half, Point, Scene, Texture

HALF = (76.0, 95.0, 72.0)
LOBES: dict[str, Point] = {
    "frontal": (0.42, -0.55, 0.1),
    "temporal": (0.62, -0.02, -0.3),
    "parietal": (0.45, 0.24, 0.48),
    "occipital": (0.36, 0.64, -0.02),
}
"""Middle of each lobe in half head sizes; x is positive on its own side."""
_BIGGER = {"mild": 1.4, "moderate": 1.8, "severe": 2.3}
_GREY, _WHITE, _CSF, _BLOOD = 39.0, 28.0, 6.0, 68.0


def build_head(scene: Scene, case: Case, random: Random) -> None:
    """Paint scalp, skull, brain and ventricles, then what is wrong."""
    size = (HALF[0] * case.width, HALF[1] * case.depth, HALF[2] * case.height)
    middle = (0.0, 0.0, -0.12 * size[2])
    outer = (size[0], size[1], 1.12 * size[2])
    brain = Ball(middle, _inset(outer, 15))
    _skull(scene, middle, outer)
    _brain(scene, brain, case, size, random)
    shift = _shift(case)
    moved = case.find("midline shift")
    with scene.showing(case.findings.index(moved) if moved else -1):
        _falx(scene, brain, size, shift)
    _ventricles(scene, case, size, shift)
    for index, finding in enumerate(case.findings):
        with scene.showing(index):
            _paint(scene, finding, brain, outer, size)
    _face(scene, size)


def _inset(radii: Point, depth: float) -> Point:
    return radii[0] - depth, radii[1] - depth, radii[2] - depth


def _side(finding: Finding) -> int:
    return -1 if finding.place.startswith("right") else 1


def _shift(case: Case) -> float:
    """Tell by how many mm the midline lies to the left (negative: to the right)."""
    finding = case.find("midline shift")
    return 0.0 if finding is None else _side(finding) * float(finding.size)


def _skull(scene: Scene, middle: Point, outer: Point) -> None:
    scene.ball(middle, outer, 38)
    scene.ball(middle, _inset(outer, 1.5), -70)
    scene.ball(middle, _inset(outer, 4.5), 45)
    scene.ball(middle, _inset(outer, 6), 1100)
    scene.ball(middle, _inset(outer, 8.5), 550)
    scene.ball(middle, _inset(outer, 10.5), 1100)
    scene.ball(middle, _inset(outer, 13), 10)


def _brain(scene: Scene, brain: Ball, case: Case, size: Point, random: Random) -> None:
    """Paint a folded grey ribbon over white matter, deep nuclei, cerebellum and brain stem."""
    folds = Texture(5.0, 9.0, int(random.integers(1 << 30)))
    scene.add(brain, hu=_GREY - 3, texture=folds)
    white = Ball(brain.centre, _inset(brain.radii, 11))
    scene.add(white, hu=_WHITE, texture=Texture(1.5, 16.0, case.seed), edge=8.0)
    for sign in (-1, 1):
        scene.ball((sign * 0.27 * size[0], -0.03 * size[1], 0.0), (9, 19, 13), _GREY)
        scene.ball((sign * 0.16 * size[0], -0.28 * size[1], 0.12 * size[2]), (5, 8, 11), _GREY)
    back = (0.0, 0.5 * size[1], -0.78 * size[2])
    with scene.confined(brain):
        scene.ball(back, (0.62 * size[0], 0.36 * size[1], 0.34 * size[2]), _GREY)
        scene.add(
            Ball(back, (0.64 * size[0], 0.38 * size[1], 0.36 * size[2])),
            hu=12,
            outside=(Ball(back, (0.61 * size[0], 0.35 * size[1], 0.335 * size[2])),),
        )
        scene.ball((0, 0.12 * size[1], -0.75 * size[2]), (15, 13, 0.3 * size[2]), 33)


def _falx(scene: Scene, brain: Ball, size: Point, shift: float) -> None:
    """Paint the falx, bowed towards the side to which the midline lies."""
    with scene.confined(brain):
        for height in np.linspace(0.05, 0.85, 5) * size[2]:
            path = [
                (shift * float(np.cos(0.5 * np.pi * y)), 0.8 * y * size[1], float(height))
                for y in np.linspace(-1, 1, 7)
            ]
            scene.tube(path, [1.8] * len(path), 52)


def _ventricles(scene: Scene, case: Case, size: Point, shift: float) -> None:
    wide = case.find("hydrocephalus")
    if wide is not None:
        with scene.showing(case.findings.index(wide)):
            _fluid(scene, size, shift, _BIGGER[wide.degree])
    elif shift:
        moved = case.find("midline shift")
        assert moved is not None
        with scene.showing(case.findings.index(moved)):
            _fluid(scene, size, shift, 1.0)
    else:
        _fluid(scene, size, shift, 1.0)


def _fluid(scene: Scene, size: Point, shift: float, grow: float) -> None:
    """Paint the lateral ventricles with their horns, the third and the fourth one."""
    w, d, h = size
    for sign in (-1, 1):
        # The ventricle from which the midline has moved away is squeezed.
        free = 0.75 if shift * sign < 0 else 1.0
        x = sign * (0.11 + 0.06 * (grow - 1)) * w + shift
        tall = 9 * float(np.sqrt(grow)) * free
        thick = 6 * grow * free
        front = (x + sign * 2, -0.33 * d, 0.1 * h)
        body = (x, 0.02 * d, 0.2 * h)
        atrium = (x + sign * 10, 0.33 * d, 0.06 * h)
        horn = (x + sign * 14, 0.56 * d, 0.0)
        scene.ball(front, (thick * 1.1, 15, tall * 1.1), _CSF)
        scene.tube((front, body, atrium), (thick * 0.9, thick * 0.85, thick), _CSF)
        scene.tube((atrium, horn), (thick, 0.5 * thick), _CSF)
        lower = (x + sign * 18, 0.1 * d, -0.28 * h)
        scene.tube((atrium, lower), (0.8 * thick, 0.4 * thick + 1), _CSF)
    scene.ball((shift, 0.03 * d, -0.1 * h), (2.8 * grow, 12, 9), _CSF)
    scene.ball((0, 0.32 * d, -0.72 * h), (6 * grow, 5 * grow, 7), _CSF)


def _paint(scene: Scene, finding: Finding, brain: Ball, outer: Point, size: Point) -> None:
    side = _side(finding)
    if finding.kind == "subdural haematoma":
        _crescent(scene, brain, outer, side, finding.size)
    elif finding.kind in {"intracerebral haemorrhage", "infarct"}:
        x, y, z = LOBES[finding.place.split()[1]]
        centre = (side * x * size[0], y * size[1], z * size[2])
        _lesion(scene, brain, finding, centre)
    elif finding.kind == "ventricular shunt":
        burr = (side * 0.55 * size[0], 0.55 * size[1], 0.45 * size[2])
        tip = (side * 0.14 * size[0], -0.2 * size[1], 0.14 * size[2])
        out = (side * 0.7 * size[0], 0.6 * size[1], 0.05 * size[2])
        scene.tube((out, burr, tip), (3.0, 3.0, 2.6), 1400)


def _crescent(scene: Scene, brain: Ball, outer: Point, side: int, thickness: float) -> None:
    """Fill what a brain pushed aside leaves free under the skull."""
    x, y, z = brain.centre
    pushed = Ball((x - side * thickness, y, z), _inset(outer, 14))
    half = Half((float(side), 0.0, 0.0), 12.0)
    scene.add(Ball(brain.centre, _inset(outer, 13.5)), half, hu=_BLOOD, outside=(pushed,))


def _lesion(scene: Scene, brain: Ball, finding: Finding, centre: Point) -> None:
    with scene.confined(brain):
        if finding.kind == "infarct":
            scene.add(Ball(centre, (25, 31, 26), 3.0), hu=17, edge=4.0)
            return
        radius = finding.size / 2
        around = Ball(centre, (radius + 8, radius + 8, radius + 8))
        core = Ball(centre, (radius, radius * 1.1, radius))
        # The oedema belongs to the bleeding but is not measured with it.
        scene.add(around, hu=19, outside=(core,), edge=3.0)
        scene.add(core, hu=_BLOOD)


def _face(scene: Scene, size: Point) -> None:
    """Paint frontal sinus, orbits and mastoids at the lower end of the field."""
    w, d, h = size
    scene.ball((0, -0.88 * d, -0.72 * h), (0.22 * w, 7, 12), -900)
    for sign in (-1, 1):
        orbit = (sign * 0.42 * w, -0.74 * d, -0.98 * h)
        scene.ball(orbit, (18, 19, 17), -75)
        scene.ball((orbit[0], orbit[1] - 7, orbit[2]), 11, 18)
        for step in range(3):
            cell = (sign * 0.78 * w, (0.3 + 0.07 * step) * d, (-0.85 + 0.05 * step) * h)
            scene.ball(cell, 4, -800)
