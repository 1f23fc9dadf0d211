"""Stomach, duodenum, small bowel and colon: continuous tubes with wall, content and gas."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from model_runtime.phantom.abdomen_frame import (
    BOWEL_WALL,
    DEGREES,
    GAS,
    Frame,
    level,
    smooth,
)
from model_runtime.phantom.case import Finding, Random
from model_runtime.phantom.scene import Point, Rod, Scene, Texture

_COLON = (
    (-92, -8, -102),
    (-98, 8, -70),
    (-103, 22, -20),
    (-98, 16, 22),
    (-82, -20, 28),
    (-56, -58, 14),
    (-8, -72, -4),
    (44, -66, 14),
    (84, -30, 58),
    (104, 16, 70),
    (108, 36, 20),
    (106, 34, -40),
    (92, 20, -84),
    (62, -12, -104),
    (28, -30, -92),
    (6, -4, -100),
    (2, 32, -116),
    (0, 38, -146),
    (0, 46, -194),
)
_STOMACH = ((54, 30, 120), (64, 4, 112), (62, -32, 96), (44, -54, 74), (8, -56, 58), (-24, -42, 60))


def paint_stomach(scene: Scene, frame: Frame, random: Random) -> None:
    """Paint the stomach with fluid and gas above it, and the duodenum around the pancreas."""
    full = random.uniform(0.8, 1.12)
    knots = smooth(frame.points(_STOMACH), 26)
    share = np.linspace(0, 1, len(knots))
    radii = np.interp(share, [0, 0.25, 0.5, 0.75, 1], [20, 33, 30, 21, 9]) * full * frame.grow
    wall = BOWEL_WALL[frame.case.phase]
    top = frame.at(0, -22 + random.uniform(-8, 8), 0)[1]
    scene.tube(knots, radii, wall)
    scene.tube(knots, radii - 4, 18.0)
    with scene.confined(level(top)):
        scene.tube(knots, radii - 4.5, GAS)
    loop = [(-24, -42, 60), (-46, -24, 52), (-50, 6, 30), (-44, 12, 4), (-8, 4, -14), (26, 2, 14)]
    gut = smooth(frame.points(loop), 22)
    scene.tube(gut, [10 * frame.grow] * len(gut), wall)
    scene.tube(gut, [7 * frame.grow] * len(gut), 16.0)


def _small_bowel_path(random: Random) -> list[list[Point]]:
    """Return the coils of the small bowel in reference millimetres, from back to front."""
    coils = []
    for depth, (front, reach) in enumerate(((4, 62), (-26, 80), (-56, 66))):
        knots: list[Point] = []
        side = 1
        for z in np.arange(20 - 8 * depth, -108, -31).tolist():
            for n, x in enumerate((-1.0, -0.5, 0.0, 0.5, 1.0)):
                lift = (11 if n % 2 else -11) + random.uniform(-6, 6)
                sway = (7 if n % 3 else -7) + random.uniform(-5, 5)
                knots.append((side * x * reach, front + sway, z + lift))
            side = -side
        coils.append(knots)
    return coils


def paint_small_bowel(scene: Scene, frame: Frame, random: Random) -> None:
    """Paint loops full of fluid, here and there with a little gas."""
    wall = BOWEL_WALL[frame.case.phase]
    for depth, knots in enumerate(_small_bowel_path(random)):
        points = frame.points(knots)
        radii = random.uniform(10.5, 14.5, len(points)) * frame.grow
        content = 24 + random.uniform(-8, 10)
        scene.tube(points, radii, wall if depth else 0.5 * (wall + content))
        if depth == 0:  # behind, among vessels: too little is seen of them for a wall
            continue
        scene.tube(points, radii - 3.0, content)
        for n in random.choice(len(points) - 1, 2, replace=False):
            rod = Rod(points[n], points[n + 1], (radii[n] - 3.5, radii[n + 1] - 3.5))
            scene.add(rod, level(points[n][1] - 2), hu=GAS)


def paint_colon(scene: Scene, frame: Frame, random: Random) -> None:
    """Paint the colon as one tube with haustra: stool in the flanks, gas in front."""
    knots = smooth(frame.points(_COLON), 19)
    share = np.linspace(0, 1, len(knots))
    places = [0, 0.12, 0.35, 0.55, 0.75, 0.86, 0.94, 1]
    calibre = np.interp(share, places, [27, 24, 20, 18, 14, 14, 18, 17])
    radii = calibre * frame.grow * np.where(np.arange(len(knots)) % 2, 0.82, 1.06)
    scene.tube(knots, radii, BOWEL_WALL[frame.case.phase])
    stool = Texture(75.0, 7.0, frame.case.seed % 997)
    gassy = random.uniform(-1.1, 0.3)
    for n in range(len(knots) - 1):
        rod = Rod(knots[n], knots[n + 1], (radii[n] - 2.8, radii[n + 1] - 2.8))
        solid = share[n] < 0.2 or 0.52 < share[n] < 0.8 or share[n] > 0.93
        scene.add(rod, hu=10.0 if solid else 25.0, texture=stool if solid else None)
        height = knots[n][1] + radii[n] * (0.35 if not solid else gassy)
        if not solid or gassy > -0.75:
            scene.add(rod, level(height), hu=GAS)


def paint_obstruction(scene: Scene, frame: Frame) -> None:
    """Paint dilated loops one below the other, each with gas in front of its fluid."""
    finding = frame.case.find("bowel obstruction")
    if finding is None:
        return
    with scene.showing(frame.case.findings.index(finding)):
        _dilated_loops(scene, frame, finding)


def _dilated_loops(scene: Scene, frame: Frame, finding: Finding) -> None:
    places = np.random.default_rng([frame.case.seed, 31])
    radius = (18.0, 23.0, 29.0)[DEGREES[finding.degree]]
    wall = BOWEL_WALL[frame.case.phase] + 15
    rows = 3
    knots: list[Sequence[float]] = []
    for row in range(rows):
        z = frame.at(0, 0, 16)[2] - row * (2 * radius + 2)
        for x in np.linspace(-62, 62, 4) * (-1) ** row:
            spot = frame.at(float(x), -34 - 8 * float(np.cos(x / 40)), 0)
            knots.append((spot[0], spot[1], z + float(places.uniform(-5, 5))))
    scene.tube(knots, [radius] * len(knots), wall)
    scene.tube(knots, [radius - 3] * len(knots), 14.0)
    for row in range(rows):
        loop = knots[4 * row : 4 * row + 4]
        height = float(np.mean([spot[1] for spot in loop]) - places.uniform(0.0, 0.3) * radius)
        with scene.confined(level(height)):
            scene.tube(loop, [radius - 3.2] * 4, GAS)
