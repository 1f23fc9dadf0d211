"""Liver, gallbladder, spleen, pancreas, adrenals and the pelvic organs."""

from __future__ import annotations

from collections.abc import Sequence

from model_runtime.phantom.abdomen_frame import (
    ARTERY,
    DEGREES,
    FAT,
    LIVER,
    PANCREAS,
    PORTAL,
    SPLEEN,
    UTERUS,
    VEIN,
    Frame,
    level,
)
from model_runtime.phantom.abdomen_wall import DOMES
from model_runtime.phantom.case import Random
from model_runtime.phantom.scene import Ball, Rod, Scene, Solid, Texture

# The lobes of the liver, as balls that a lesion can be placed in.
LOBES = {
    "right hepatic lobe": ((-74, 2, 98), (54, 54, 66)),
    "left hepatic lobe": ((22, -44, 122), (56, 30, 34)),
}
GALLBLADDER = ((-34, -22, 62), (-40, -46, 44), (-46, -60, 26))


def liver_hu(frame: Frame) -> float:
    """Return the liver's density: the fattier, the darker; fat lets it enhance less."""
    hu = LIVER[frame.case.phase]
    fat = frame.case.find("steatosis")
    return hu if fat is None else hu - (30.0, 52.0, 74.0)[DEGREES[fat.degree]]


def paint_liver(scene: Scene, frame: Frame, random: Random) -> None:
    """Paint both lobes, cut by the diaphragm and the organs below, and their vessels."""
    case = frame.case
    tip, tilt = random.uniform(-12, 22), random.uniform(-6, 6)
    wet = case.find("ascites")
    gap = frame.grow * ((4, 9, 20)[DEGREES[wet.degree]] if wet else 1.5)
    fat = case.find("steatosis")
    grain = Texture(4.0, 9.0, case.seed % 1000)
    with scene.showing(case.findings.index(fat) if fat else -1):
        with scene.confined(frame.cavity(gap), outside=_neighbours(frame)):
            under = frame.above((-125, 20, tip), (-16, 10, 80 + tilt), (-60, -80, 26 + tilt))
            hu = liver_hu(frame)
            scene.add(frame.ball(*DOMES[0], less=3 + 0.7 * gap), under, hu=hu, texture=grain)
        left = frame.ball((14, -42, 124), (72, 40, 46), 2.2)
        with scene.confined(frame.cavity(gap)):
            flat = frame.above((-30, -80, 76), (70, -40, 112), (10, -10, 104))
            scene.add(left, flat, hu=hu, texture=grain, outside=[_heart_bed(frame)])
            scene.add(frame.ball((-14, 6, 112), (19, 17, 26)), hu=hu)
        _liver_vessels(scene, frame)


def _heart_bed(frame: Frame) -> Ball:
    """Return the space of the heart, which lies above the left lobe."""
    return frame.ball((26, -46, 198), (64, 46, 42))


def _neighbours(frame: Frame) -> list[Solid]:
    """Return what the right lobe leaves free: kidney, spine, and the fissure."""
    fissure = Rod(frame.at(-4, -74, 70), frame.at(2, -60, 120), (3.0, 1.0))
    kidney = Rod(frame.at(-56, 50, 66), frame.at(-66, 42, 0), (33.0, 33.0))
    return [
        kidney,
        frame.ball((4, 48, 100), (34, 42, 140)),
        fissure,
        frame.ball((48, 10, 100), (46, 60, 60)),
    ]


def _liver_vessels(scene: Scene, frame: Frame) -> None:
    """Paint the portal tree from the hilum and the three hepatic veins from the cava."""
    fat = frame.case.find("steatosis")
    portal, vein = PORTAL[frame.case.phase], VEIN[frame.case.phase]
    if fat is None and frame.case.phase == "delayed":
        portal, vein = portal + 8, vein + 8
    hilum, split = (-32, -6, 90), (-68, 4, 98)
    branches: Sequence[tuple[Sequence[Sequence[float]], Sequence[float]]] = (
        ([(-4, 0, 62), hilum, split], (6.5, 6, 5)),
        ([split, (-88, -20, 112), (-104, -44, 124)], (4.5, 3.5, 2)),
        ([split, (-92, 22, 92), (-112, 38, 72)], (4.5, 3.5, 2)),
        ([(-88, -20, 112), (-100, -22, 80)], (3, 2)),
        ([(-92, 22, 92), (-108, 34, 122)], (3, 2)),
        ([hilum, (-8, -28, 108), (4, -46, 118)], (4.5, 4, 3)),
        ([(4, -46, 118), (38, -52, 122)], (3, 2)),
    )
    for knots, radii in branches:
        scene.tube(frame.points(knots), [r * frame.grow for r in radii], portal)
    cava = (-22, 16, 150)
    for end, bend in (
        ((-118, 6, 104), (-74, 18, 142)),
        ((-52, -56, 84), (-44, -22, 136)),
        ((34, -46, 132), (2, -18, 146)),
    ):
        radii = [r * frame.grow for r in (5.5, 4.5, 2)]
        scene.tube(frame.points([cava, bend, end]), radii, vein)


def paint_gallbladder(scene: Scene, frame: Frame) -> None:
    """Paint the gallbladder with its wall and, dependent in it, its stones."""
    knots = frame.points(GALLBLADDER)
    for wall, hu in ((2.0, 45.0), (0.0, 8.0)):
        scene.tube(knots, [r * frame.grow + wall for r in (7, 13, 16)], hu)
    stones = frame.case.find("gallstones")
    if stones is None:
        return
    with scene.showing(frame.case.findings.index(stones)):
        # Far enough apart to be counted, the largest alone.
        radius = (8.5, 7.0, 6.5)[stones.count - 1] * frame.grow
        spots = ((-47, -51, 24), (-36, -40, 46), (-44, -64, 34))
        for spot in spots[: stones.count]:
            scene.ball(frame.at(*spot), radius, 650.0)


def paint_spleen(scene: Scene, frame: Frame) -> None:
    """Paint the spleen; when large it reaches down and to the front."""
    large = frame.case.find("splenomegaly")
    length = float(large.size) if large else 98.0 * frame.grow
    wide = (0.31 if large else 0.27) * length, 0.40 * length, 0.52 * length
    x, y, z = frame.at(97, 34, 142)
    centre = (x - 0.05 * (length - 98), y - 0.18 * (length - 98), z - 0.45 * length)
    with scene.showing(frame.case.findings.index(large) if large else -1):
        spleen = Ball(centre, wide, 2.2)
        hollow = Ball((centre[0] - 1.15 * wide[0], centre[1] - 0.5 * wide[1], centre[2]), wide)
        scene.add(spleen, frame.cavity(2), outside=[hollow], hu=SPLEEN[frame.case.phase])


def paint_pancreas(scene: Scene, frame: Frame) -> None:
    """Paint the pancreas with the splenic vein behind it, and the adrenals."""
    phase, grow = frame.case.phase, frame.grow
    head = [(-26, -4, 26), (-24, -12, 44), (-4, -20, 54), (22, -14, 62), (48, 4, 76), (76, 22, 88)]
    scene.tube(frame.points(head), [r * grow for r in (9, 13, 8, 9, 9, 7)], PANCREAS[phase])
    vein = [(-4, -6, 56), (24, -2, 64), (50, 14, 78), (84, 30, 92)]
    scene.tube(frame.points(vein), [r * grow for r in (5, 4, 4, 3)], PORTAL[phase])
    for spots in (
        [(-36, 26, 88), (-32, 34, 80)],
        [(-36, 26, 88), (-42, 40, 82)],
        [(34, 26, 86), (30, 36, 78)],
        [(34, 26, 86), (42, 38, 80)],
    ):
        scene.tube(frame.points(spots), [3.0, 2.0], 0.6 * PANCREAS[phase])


def paint_pelvic_organs(scene: Scene, frame: Frame, random: Random) -> None:
    """Paint bladder, and uterus and ovaries or prostate and seminal vesicles."""
    case, full = frame.case, random.uniform(0.75, 1.25)
    bladder = (38 * full, 30 * full, 27 * full)
    centre = (0.0, -34.0, -150.0)
    scene.add(frame.ball(centre, [r + 3 for r in bladder], 2.3), hu=40.0)
    urine = frame.ball(centre, bladder, 2.3)
    scene.add(urine, hu=8.0)
    if case.phase == "delayed":
        # Contrast is heavier than urine and lies at the back.
        scene.add(urine, hu=260.0, outside=[level(frame.at(0, -28, 0)[1])])
    if case.sex == "female":
        hu = UTERUS[case.phase]
        scene.add(frame.ball((4, 8, -132), (27, 24, 28)), hu=hu)
        scene.add(frame.ball((0, 14, -160), (14, 13, 22)), hu=0.85 * hu)
        scene.add(frame.ball((4, 8, -130), (12, 5, 14)), hu=0.6 * hu)
        for sign in (-1, 1):
            scene.add(frame.ball((sign * 44, 12, -120), (13, 11, 13)), hu=30.0)
        return
    scene.add(frame.ball((0, -10, -186), (23, 19, 17)), hu=50 + 0.12 * ARTERY[case.phase])
    for sign in (-1, 1):
        scene.add(frame.ball((sign * 16, 10, -162), (16, 6, 7)), hu=35.0)
    scene.add(frame.ball((0, 20, -164), (40, 3, 20)), hu=FAT + 15)
