"""Aorta, inferior vena cava, iliac, renal and mesenteric vessels, and the aneurysm."""

from __future__ import annotations

import numpy as np

from model_runtime.phantom.abdomen_frame import ARTERY, VEIN, Frame
from model_runtime.phantom.abdomen_kidneys import Kidney
from model_runtime.phantom.case import SIDES
from model_runtime.phantom.scene import Ball, Scene

_ILIAC = ((16, 14, -62), (44, 12, -100), (62, -28, -140), (66, -62, -200))


def paint_mesentery(scene: Scene, frame: Frame) -> None:
    """Paint the mesenteric vessels that fan out from the root."""
    artery, vein = ARTERY[frame.case.phase], VEIN[frame.case.phase] * 0.9
    trunk = [(8, 4, 74), (4, -8, 56), (2, -14, 20), (-22, -14, -50)]
    scene.tube(frame.points(trunk), [4, 4, 4, 2], artery)
    beside = [(-6, -4, 60), (-8, -14, 20), (-34, -14, -50)]
    scene.tube(frame.points(beside), [6, 5, 2.5], vein)
    for end in ((52, -34, -6), (58, -36, -58), (-58, -34, -40), (10, -42, -84)):
        scene.tube(frame.points([(0, -14, 10), end]), [2.5, 1.5], vein)


def paint_great_vessels(scene: Scene, frame: Frame) -> None:
    """Paint aorta and vena cava in front of the spine, their branches and bifurcations."""
    phase, grow = frame.case.phase, frame.grow
    artery, vein = ARTERY[phase], VEIN[phase]
    renal = 0.5 * (artery + vein) if phase == "arterial" else vein
    cava = [(-22, 10, -56), (-24, 10, 20), (-24, 12, 90), (-22, 16, 150), (-16, 4, 205)]
    scene.tube(frame.points(cava), [r * grow for r in (10, 11, 12, 12, 12)], renal)
    aorta = [(6, 10, -46), (9, 6, 20), (8, 10, 90), (12, 16, 150), (16, 18, 210)]
    scene.tube(frame.points(aorta), [r * grow for r in (9, 9.5, 11, 12, 12.5)], artery)
    for sign in (-1, 1):
        legs = [(sign * x, y, z) for x, y, z in _ILIAC]
        veins = [(-22, 10, -56), *((sign * x * 0.97 - 2, y + 13, z) for x, y, z in _ILIAC)]
        scene.tube(frame.points(veins), [r * grow for r in (9, 8, 7, 7, 7)], vein)
        arteries = [(6, 10, -46), *legs]
        scene.tube(frame.points(arteries), [r * grow for r in (7, 6, 5.5, 5, 5)], artery)
    for side in SIDES:
        kidney = Kidney.of(frame, side)
        door, z = kidney.along(0.45, -16, 4), kidney.along(0.4)[2]
        x, y, _ = frame.at(8, 8, 0)
        scene.tube([(x, y, z + 4), door], [3.0, 2.5], artery)
        x, y, _ = frame.at(-22, 6, 0)
        scene.tube([(x, y, z - 4), (door[0], door[1] - 5, door[2])], [4.5, 3.5], renal)
    scene.tube(frame.points([(9, 6, 82), (9, -10, 84), (-18, -10, 88)]), [4, 3.5, 2.5], artery)


def paint_aneurysm(scene: Scene, frame: Frame) -> None:
    """Paint the infrarenal aneurysm: thrombus, off-centre lumen, lime in the wall."""
    finding = frame.case.find("abdominal aortic aneurysm")
    if finding is None:
        return
    radius, phase = finding.size / 2, frame.case.phase
    x, spine, z = frame.at(8, 17, -14)
    middle = (x + 0.1 * radius, spine - radius, z)
    places = np.random.default_rng([frame.case.seed, 32])
    with scene.showing(frame.case.findings.index(finding)):
        sac = Ball(middle, (radius, radius, max(36.0, 1.25 * radius)), 2.0)
        scene.add(sac, hu=36.0)
        lumen = (middle[0] - 0.12 * radius, middle[1] + 0.14 * radius, middle[2])
        scene.ball(lumen, (0.62 * radius, 0.62 * radius, 1.1 * radius), ARTERY[phase])
        for angle in places.uniform(-2.6, 2.6, 9):
            height = float(places.uniform(-0.5, 0.5))
            reach = 0.96 * radius * float(np.sqrt(1 - height**2))
            spot = (
                middle[0] + reach * float(np.sin(angle)),
                middle[1] - reach * float(np.cos(angle)),
                middle[2] + height * sac.radii[2],
            )
            scene.ball(spot, (3.5, 3.5, 4.5), 620.0)
