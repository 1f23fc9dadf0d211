"""The brain: folded cortex, white matter, deep nuclei, the midline, ventricles, hindbrain."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np

from model_runtime.phantom.case import Random
from model_runtime.phantom.head_frame import Head
from model_runtime.phantom.scene import Ball, Column, Half, Scene, Solid, Texture

GREY_HU, WHITE_HU, CSF_HU = 39.0, 27.0, 6.0
_DURA_HU = 56.0
_SULCI = 24
"""Of each half of the brain."""
_BIGGER = {"mild": 1.4, "moderate": 1.8, "severe": 2.3}


def paint_brain(scene: Scene, head: Head, random: Random) -> None:
    """Paint cortex with its sulci, white matter and deep nuclei."""
    seed = int(random.integers(1 << 30))
    scene.add(head.brain, hu=GREY_HU, texture=Texture(2.0, 7.0, seed))
    w, d, h = head.size
    for sign in (-1, 1):
        x, y, z = head.at(sign * 0.36, 0.0, 0.02)
        white = Ball((x + 0.6 * head.shift, y, z), (0.34 * w, 0.74 * d, 0.72 * h), 2.6)
        scene.add(
            white, head.within(22), hu=WHITE_HU, texture=Texture(1.5, 12.0, seed + 1), edge=4.0
        )
    scene.add(Ball((0, 0.02 * d, 0.3 * h), (20, 0.4 * d, 5)), hu=WHITE_HU, edge=2.0)
    for sign in (-1, 1):
        for direction in _directions(sign, random):
            _sulcus(scene, head, direction, random)
        _insula(scene, head, sign)
        _nuclei(scene, head, sign)


def _directions(sign: int, random: Random) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Spread the middles of sulci over half of the brain's surface, away from its base."""
    number = np.arange(_SULCI) + 0.5
    z = -0.38 + 1.3 * number / _SULCI
    turn = np.pi * ((number * 0.618034) % 1.0) * 0.86 + 0.07 * np.pi - np.pi / 2
    turn += random.uniform(-0.15, 0.15, _SULCI)
    flat = np.sqrt(1 - z**2)
    return np.stack([sign * flat * np.cos(turn), flat * np.sin(turn), z], 1)


def _sulcus(
    scene: Scene,
    head: Head,
    direction: np.ndarray[tuple[int], np.dtype[np.float64]],
    random: Random,
) -> None:
    """Paint a cleft of fluid, lined by cortex, that goes into the brain from its surface."""
    point = np.add(head.middle, direction * head.brain.radii)
    along = np.array((0.0, 0.0, 1.0)) + random.normal(0, 0.45, 3)
    normal = np.cross(direction / np.array(head.brain.radii), along)
    normal /= np.linalg.norm(normal)
    offset = float(normal @ point)
    wide = 0.9 + 0.9 * (head.case.age - 28) / 60
    long = float(random.uniform(15, 27))
    around = Ball((float(point[0]), float(point[1]), float(point[2])), (long, long, long))

    def slab(half: float) -> tuple[Half, Half]:
        x, y, z = (float(value) for value in normal)
        return Half((x, y, z), offset - half), Half((-x, -y, -z), -offset - half)

    deep = head.within(15 + float(random.uniform(9, 14)))
    deeper = Ball(deep.centre, (deep.radii[0] - 5, deep.radii[1] - 5, deep.radii[2] - 5))
    scene.add(around, head.brain, *slab(wide + 3.5), hu=GREY_HU, outside=(deeper,), edge=2.0)
    scene.add(around, head.brain, *slab(wide), hu=CSF_HU + 4, outside=(deep,))


def _insula(scene: Scene, head: Head, sign: int) -> None:
    """Paint the fissure above the temporal lobe, with cortex at its bottom."""
    path = [head.at(sign * x, y, z) for x, y, z in ((0.85, -0.2, -0.12), (0.56, -0.14, -0.08))]
    floor = [head.at(sign * 0.53, y, z) for y, z in ((-0.14, -0.08), (0.12, 0.04))]
    with scene.confined(head.brain):
        for points, grey, wide in ((path, 5.5, 2.2), (floor, 5.0, 1.8)):
            scene.tube(points, (grey, grey), GREY_HU)
            scene.tube(points, (wide, wide), CSF_HU + 3)


def _nuclei(scene: Scene, head: Head, sign: int) -> None:
    """Paint thalamus, lentiform nucleus and head of the caudate, with the midline's shift."""
    aside = 0.7 * head.shift
    for place, radii in (
        ((0.13, 0.12, 0.0), (9, 14, 10)),
        ((0.3, -0.06, 0.0), (7, 17, 11)),
        ((0.2, -0.27, 0.1), (5, 9, 11)),
    ):
        x, y, z = head.at(sign * place[0], place[1], place[2])
        scene.add(Ball((x + aside, y, z), radii), hu=GREY_HU + 1, edge=2.0)


def _sheet(head: Head, half: float) -> tuple[tuple[Solid, ...], tuple[Solid, ...]]:
    """Bound an upright sheet in the middle, bowed towards where the midline lies."""
    shift, long = head.shift, 0.82 * head.size[1]
    if not shift:
        return (Half((1.0, 0.0, 0.0), -half), Half((-1.0, 0.0, 0.0), -half)), ()
    bend = (long**2 + shift**2) / (2 * abs(shift))
    centre = (float(np.sign(shift) * (abs(shift) - bend)), 0.0)
    ends = (-200.0, 200.0)
    outer, inner = (Column(centre, (bend + r, bend + r), ends) for r in (half, -half))
    return (outer,), (inner,)


def paint_midline(scene: Scene, head: Head) -> None:
    """Paint the fissure between the halves of the brain and the falx in it."""
    w, d, h = head.size
    core = Ball((0.7 * head.shift, 0.0, -0.06 * h), (0.6 * w, 0.5 * d, 0.48 * h))
    above = Half((0.0, 0.0, 1.0), -0.4 * h)
    moved = head.case.find("midline shift")
    with nullcontext() if moved is None else scene.showing(head.case.findings.index(moved)):
        for half, hu in ((2.6, CSF_HU + 8), (1.1, _DURA_HU)):
            inside, outside = _sheet(head, half)
            scene.add(head.brain, above, *inside, hu=hu, outside=(core, *outside))
    for y in (-0.82, 0.83):
        scene.ball(head.at(0, y, 0.1), (2.5, 4, 0.5 * h), _DURA_HU)


def paint_ventricles(scene: Scene, head: Head) -> None:
    """Paint lateral and third ventricle and what calcifies beside them."""
    wide, moved = head.case.find("hydrocephalus"), head.case.find("midline shift")
    finding = wide or moved
    grow = 1.0 if wide is None else _BIGGER[wide.degree]
    with nullcontext() if finding is None else scene.showing(head.case.findings.index(finding)):
        for sign in (-1, 1):
            _lateral(scene, head, sign, grow)
        third = head.at(0, 0.06, -0.08)
        scene.ball((head.shift, third[1], third[2]), (2.6 * grow, 13, 9), CSF_HU)
    pineal = head.at(0, 0.24, -0.06)
    if head.case.age > 45:
        scene.ball((head.shift, pineal[1], pineal[2]), 3.0, 170)


def _lateral(scene: Scene, head: Head, sign: int, grow: float) -> None:
    """Paint one lateral ventricle with its horns."""
    # The ventricle from which the midline has moved away is squeezed.
    free = 0.75 if head.shift * sign < 0 else 1.0
    middle = sign * (0.1 + 0.06 * (grow - 1)) * head.size[0] + head.shift
    tall, thick = 8.5 * float(np.sqrt(grow)) * free, 5.6 * grow * free

    def place(aside: float, y: float, z: float) -> tuple[float, float, float]:
        _, back, up = head.at(0, y, z)
        return middle + sign * aside, back, up

    scene.ball(place(4, -0.33, 0.1), (thick * 1.05, 13, tall * 1.1), CSF_HU)
    tip = place(7 + 2 * grow, -0.44, 0.06)
    front, body = place(2, -0.3, 0.14), place(1, 0.0, 0.23)
    atrium, horn = place(13, 0.32, 0.06), place(15, 0.56, -0.02)
    scene.tube(
        (tip, front, body, place(6, 0.2, 0.17), atrium, horn),
        (0.5 * thick, 0.9 * thick, 0.85 * thick, 0.9 * thick, thick, 0.45 * thick),
        CSF_HU,
    )
    lower = (place(20, 0.2, -0.16), place(25, -0.08, -0.3))
    scene.tube((atrium, *lower), (0.8 * thick, 0.55 * thick, 0.3 * thick + 1), CSF_HU)


def paint_hindbrain(scene: Scene, head: Head, random: Random) -> None:
    """Paint cisterns, brain stem, cerebellum under its tent, and the fourth ventricle."""
    w, d, h = head.size
    wide = head.case.find("hydrocephalus")
    back = head.at(0, 0.5, -0.8)

    def around(share: float) -> Ball:
        return Ball(back, (0.64 * w * share, 0.37 * d * share, 0.4 * h * share))

    with scene.confined(head.brain):
        scene.add(around(1.05), hu=_DURA_HU - 4)
        scene.add(around(1.02), hu=CSF_HU + 4)
        folia = Texture(4.0, 3.5, int(random.integers(1 << 30)))
        scene.add(around(0.99), hu=GREY_HU - 1, texture=folia)
        for sign in (-1, 1):
            scene.add(Ball(head.at(sign * 0.28, 0.48, -0.8), (12, 14, 12)), hu=30, edge=4.0)
        scene.ball(head.at(0, -0.12, -0.48), (17, 12, 8), CSF_HU + 2)
        scene.ball(head.at(0, 0.08, -0.66), (21, 19, 0.3 * h), CSF_HU + 2)
        scene.ball(head.at(0, 0.09, -0.7), (16, 14, 0.34 * h), 33)
        grow = 1.0 if wide is None else _BIGGER[wide.degree]
        with nullcontext() if wide is None else scene.showing(head.case.findings.index(wide)):
            scene.ball(head.at(0, 0.29, -0.74), (7 * grow, 5 * grow, 8), CSF_HU)
