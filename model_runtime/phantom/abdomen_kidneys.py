"""Kidneys with cortex, pyramids, renal pelvis and ureter, and what dilates or fills them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from model_runtime.phantom.abdomen_frame import (
    CORTEX,
    DEGREES,
    FAT,
    MEDULLA,
    URINE,
    WATER,
    Frame,
)
from model_runtime.phantom.case import SIDES, Finding
from model_runtime.phantom.scene import Point, Rod, Scene


@dataclass(frozen=True)
class Kidney:
    """One kidney's axis in patient's mm, from the upper to the lower pole."""

    side: str
    sign: int
    upper: Point
    lower: Point
    radius: float

    @classmethod
    def of(cls, frame: Frame, side: str) -> Kidney:
        """Place a kidney: the right lies lower than the left."""
        sign = -1 if side == "right" else 1
        drop = 0 if side == "right" else 12
        upper = frame.at(sign * 55, 52, 52 + drop)
        lower = frame.at(sign * 68, 42, 0 + drop)
        return cls(side, sign, upper, lower, 27.0 * frame.grow)

    def along(self, share: float, aside: float = 0.0, ahead: float = 0.0) -> Point:
        """Return a point on the axis, moved outwards and to the front by mm."""
        x, y, z = (a + share * (b - a) for a, b in zip(self.upper, self.lower, strict=True))
        return x + self.sign * aside, y - ahead, z


def paint_kidneys(scene: Scene, frame: Frame) -> None:
    """Paint both kidneys in their fat."""
    for side in SIDES:
        kidney = Kidney.of(frame, side)
        dilated = frame.case.find("hydronephrosis", side)
        grow = 1.0 + (0.08 * DEGREES[dilated.degree] if dilated else 0.0)
        around = kidney.radius * grow
        bed = Rod(kidney.along(-0.1), kidney.along(1.1), (around + 2, around + 2))
        scene.add(bed, frame.cavity(0), hu=FAT - 5)
        _parenchyma(scene, frame, kidney, around)
        if dilated:
            _dilate(scene, frame, kidney, dilated)
        else:
            _pelvis(scene, frame, kidney)


def _parenchyma(scene: Scene, frame: Frame, kidney: Kidney, radius: float) -> None:
    phase = frame.case.phase
    body = Rod(kidney.upper, kidney.lower, (radius * 0.95, radius))
    hilum = Rod(kidney.along(0.5, -radius - 8, 6), kidney.along(0.5, -8, 3), (13.0, 7.0))
    with scene.confined(outside=[hilum]):
        scene.add(body, hu=CORTEX[phase])
        for share in (-0.12, 0.2, 0.5, 0.8, 1.12):
            for angle in (-0.9, 0.35, 1.5) if 0 < share < 1 else (0.0,):
                reach = 14.5 * frame.grow
                out = reach * float(np.cos(angle)), reach * float(np.sin(angle))
                pole = 0.16 * (share - 0.5)
                spot = kidney.along(share + pole, *(out if 0 < share < 1 else (0.0, 0.0)))
                scene.ball(spot, 7.0 * frame.grow, MEDULLA[phase])


def _pelvis(scene: Scene, frame: Frame, kidney: Kidney) -> None:
    """Paint the fat of the sinus, the renal pelvis in it and the ureter to the bladder."""
    grow, urine = frame.grow, URINE[frame.case.phase]
    sinus = Rod(kidney.along(0.15, -3), kidney.along(0.85, -3), (8.5 * grow, 8.5 * grow))
    scene.add(sinus, hu=FAT + 20)
    centre = kidney.along(0.5, -9, 3)
    for share in (0.15, 0.85):
        scene.tube([centre, kidney.along(share, 2)], [3.5, 2.5], urine)
    scene.tube([kidney.along(0.5, 0), kidney.along(0.55, -20, 4)], [5.5, 4], urine)
    _ureter(scene, frame, kidney, 2.2, urine)


def _ureter(scene: Scene, frame: Frame, kidney: Kidney, radius: float, hu: float) -> None:
    start = kidney.along(0.55, -20, 4)
    way = [(38, 24, -10), (36, 16, -60), (46, 26, -105), (28, 2, -150)]
    spots = [start, *frame.points([(kidney.sign * x, y, z) for x, y, z in way])]
    scene.tube(spots, [radius] * len(spots), hu)


def _dilate(scene: Scene, frame: Frame, kidney: Kidney, finding: Finding) -> None:
    """Widen pelvis, calyces and ureter with urine that has not taken up contrast."""
    degree, grow = DEGREES[finding.degree], frame.grow
    pelvis, calyx, ureter = (11.0, 15.0, 20.0)[degree], (6.5, 9.0, 13.0)[degree], 3.5 + 2 * degree
    with scene.showing(frame.case.findings.index(finding)):
        body = [kidney.along(0.5, -4, 2), kidney.along(0.52, -20, 4)]
        scene.tube(body, [pelvis * grow, 0.85 * pelvis * grow], WATER)
        for share in (-0.1, 0.22, 0.5, 0.78, 1.1):
            aside = 9.0 if 0 < share < 1 else 1.0
            spot = kidney.along(share, aside, 0)
            scene.tube([kidney.along(0.5, -4, 2), spot], [0.6 * calyx, calyx * grow], WATER)
        _ureter(scene, frame, kidney, ureter, WATER)
