"""The abdominal wall, the muscles of the back and of the pelvis, the lung bases."""

from __future__ import annotations

from model_runtime.phantom.abdomen_frame import ARTERY, DEGREES, FAT, MUSCLE, WATER, Frame
from model_runtime.phantom.scene import Ball, Column, Rod, Scene

# The diaphragm's right and left dome: centre and radii in the reference body.
DOMES = (((-60, 4, 68), (84, 88, 114)), ((60, 4, 60), (84, 88, 104)))


def paint_wall(scene: Scene, frame: Frame) -> None:
    """Paint skin, fat, the muscles around the cavity and the fat inside it."""
    hu = MUSCLE[frame.case.phase]
    scene.add(frame.skin(), hu=30.0)
    scene.add(frame.skin(2.5), hu=FAT - 5)
    scene.add(frame.muscle(), hu=hu)
    scene.add(frame.muscle(5.0), hu=-40.0, outside=[frame.muscle(6.0)])
    half, front, _ = frame.wall
    for sign in (-1, 1):
        belly = Ball((sign * 0.27 * half, front + 6, 0.0), (0.23 * half, 6.5, 4000.0), 2.6)
        scene.add(belly, hu=hu)
    scene.add(frame.cavity(), hu=FAT)


def paint_back(scene: Scene, frame: Frame) -> None:
    """Paint the erector, quadratus, psoas, iliacus and gluteal muscles."""
    hu = MUSCLE[frame.case.phase]
    with scene.confined(frame.muscle(1.5)):
        for sign in (-1, 1):
            back = frame.at(sign * 34, 73, 0)
            size = frame.at(29, 24, 0)
            scene.add(Column(back[:2], size[:2], (-110 * frame.scale[2], 400.0)), hu=hu)
            quadratus = frame.at(sign * 66, 64, 0)
            ends = (-45 * frame.scale[2], 75 * frame.scale[2])
            scene.add(Column(quadratus[:2], (19.0, 9.0), ends), hu=hu)
            scene.tube(
                frame.points(
                    [
                        (sign * 30, 42, 70),
                        (sign * 42, 40, 0),
                        (sign * 52, 30, -60),
                        (sign * 62, -8, -120),
                        (sign * 84, -12, -185),
                    ]
                ),
                [radius * frame.grow for radius in (8, 19, 22, 18, 14)],
                hu,
            )
        _pelvic_muscles(scene, frame, hu)


def _pelvic_muscles(scene: Scene, frame: Frame, hu: float) -> None:
    for sign in (-1, 1):
        buttock = frame.ball((sign * 66, 78, -150), (58, 34, 105), 2.3)
        scene.add(buttock, hu=hu)
        outer = frame.ball((sign * 112, 30, -105), (24, 42, 70))
        scene.add(outer, hu=hu)
        scene.add(frame.ball((sign * 84, 24, -75), (14, 36, 45)), hu=hu)
        floor = frame.ball((sign * 44, 18, -172), (12, 42, 26))
        scene.add(floor, hu=hu)
        thigh = frame.ball((sign * 92, -42, -190), (36, 30, 45))
        scene.add(thigh, hu=hu)


def paint_ascites(scene: Scene, frame: Frame) -> None:
    """Paint free fluid where it gathers first; the organs come over it."""
    finding = frame.case.find("ascites")
    if finding is None:
        return
    degree = DEGREES[finding.degree]
    with scene.showing(frame.case.findings.index(finding)), scene.confined(frame.cavity(1)):
        pouch = (46 + 10 * degree, 34 + 9 * degree, 26 + 14 * degree)
        scene.add(frame.ball((0, 5, -128 + 8 * degree), pouch), hu=WATER)
        if degree < 2:
            around = frame.ball((-76, 0, 76), (80, 96, 92 + 12 * degree))
            scene.add(around, hu=WATER, outside=[frame.ball((18, 24, 60), (62, 80, 90))])
        for sign in (-1, 1):
            spots = [(sign * 118, 32, 70), (sign * 122, 30, 0), (sign * 100, 22, -90)]
            width = frame.grow * (12, 26, 40)[degree]
            scene.tube(frame.points(spots), [width] * 3, WATER)
        if degree == 2:
            scene.add(frame.cavity(1), hu=WATER, outside=[frame.cavity(24)])
            scene.add(frame.ball((0, -15, -40), (120, 75, 115)), hu=WATER)
            scene.add(frame.ball((0, 4, 70), (128, 92, 112)), hu=WATER)


def paint_chest_floor(scene: Scene, frame: Frame) -> None:
    """Paint the lung bases over the domes of the diaphragm, and the bottom of the heart."""
    domes = [frame.ball(*dome) for dome in DOMES]
    middle = frame.ball((4, 10, 170), (34, 92, 90))
    heart = frame.ball((26, -46, 190), (62, 44, 30))
    recess = frame.above((0, 0, 92), (100, 0, 92), (0, 90, 62))
    lungs = (frame.cavity(-1), recess)
    scene.add(*lungs, hu=MUSCLE[frame.case.phase], outside=[_thinner(d) for d in domes])
    scene.add(*lungs, hu=-860.0, outside=[*domes, middle, heart])
    top = frame.above((0, 0, 150), (1, 0, 150), (0, 1, 150))
    scene.add(middle, top, hu=FAT + 20)
    blood = ARTERY[frame.case.phase]
    scene.add(heart, hu=0.5 * (blood + 55))
    scene.add(frame.ball((34, -46, 192), (44, 30, 18)), hu=blood)
    for sign in (-1, 1):
        for x, y, z in ((45, 70, 160), (95, 40, 172), (70, 62, 150), (40, -60, 178)):
            foot, head = frame.at(sign * x, y, z), frame.at(sign * (0.6 * x + 8), 0.6 * y, z + 60)
            scene.add(Rod(foot, head, (1.0, 3.0)), *lungs, hu=40.0, outside=[*domes, middle, heart])


def _thinner(dome: Ball) -> Ball:
    """Return a dome without the diaphragm's thickness."""
    a, b, c = dome.radii
    return Ball(dome.centre, (a - 2.5, b - 2.5, c - 2.5), dome.power)
