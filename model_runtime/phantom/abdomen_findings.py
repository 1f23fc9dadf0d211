"""Small lesions and the prosthesis, painted last so that nothing hides them."""

from __future__ import annotations

import numpy as np

from model_runtime.phantom.abdomen_bones import femoral_head
from model_runtime.phantom.abdomen_frame import Frame
from model_runtime.phantom.abdomen_kidneys import Kidney
from model_runtime.phantom.abdomen_organs import LOBES, liver_hu
from model_runtime.phantom.case import SIDES, Finding
from model_runtime.phantom.scene import Ball, Point, Rod, Scene

# By phase: how far a metastasis lies under the liver, and its rim over it (None: no rim).
_METASTASIS = {
    "non-contrast": (-42.0, None),
    "arterial": (-48.0, None),
    "portal venous": (-70.0, 26.0),
    "delayed": (-54.0, None),
}


def paint_lesions(scene: Scene, frame: Frame) -> None:
    """Paint every lesion of liver and kidneys."""
    for index, finding in enumerate(frame.case.findings):
        with scene.showing(index):
            if finding.kind == "hepatic cyst":
                scene.ball(liver_spot(frame, finding.place, finding.at), finding.size / 2, 4.0)
            elif finding.kind == "hepatic metastases":
                _metastases(scene, frame, finding)
            elif finding.kind == "renal cyst":
                _renal_cyst(scene, frame, finding)
            elif finding.kind == "renal stone":
                _stone(scene, frame, finding)


def liver_spot(frame: Frame, lobe: str, at: Point) -> Point:
    """Return where a point of a lobe's unit frame lies."""
    centre, radii = LOBES[lobe]
    x, y, z = (c + a * r for c, a, r in zip(centre, at, radii, strict=True))
    return frame.at(x, y, z)


def _metastases(scene: Scene, frame: Frame, finding: Finding) -> None:
    """Paint deposits that do not touch, the first as large as is told."""
    less, rim = _METASTASIS[frame.case.phase]
    liver = liver_hu(frame)
    for centre, radius in metastases(frame, finding):
        if rim is not None:
            scene.ball(centre, radius, liver + rim)
        scene.ball(centre, radius * (0.88 if rim is not None else 1.0), liver + less)


def metastases(frame: Frame, finding: Finding) -> list[tuple[Point, float]]:
    """Place the deposits: centres in mm and radii."""
    random = np.random.default_rng([frame.case.seed, 3])
    found: list[tuple[Point, float]] = []
    for tries in range(400):
        lobe = tuple(LOBES)[int(random.random() < 0.22 and finding.size <= 25)]
        radius = finding.size / 2 * (1.0 if not found else float(random.uniform(0.75, 1.0)))
        x, y, z = (float(part) for part in random.uniform(-0.9, 0.9, 3))
        gap = 7.0 - tries / 50
        centre = liver_spot(frame, lobe, (x, y, z))
        inside = x * x + y * y + z * z < 0.8
        free = all(np.hypot.reduce(np.subtract(centre, c)) > radius + r + gap for c, r in found)
        if inside and free and len(found) < finding.count:
            found.append((centre, radius))
    return found


def _renal_cyst(scene: Scene, frame: Frame, finding: Finding) -> None:
    """Paint a cyst that bulges from the outer edge of a pole."""
    kidney = Kidney.of(frame, finding.place)
    radius = finding.size / 2
    share = 0.12 if finding.at[0] > 0 else 0.9
    spot = kidney.along(share, kidney.radius - 0.25 * radius, 6.0)
    scene.ball(spot, radius, 5.0)


def _stone(scene: Scene, frame: Frame, finding: Finding) -> None:
    """Paint a stone in the pelvis or the lower calyx."""
    kidney = Kidney.of(frame, finding.place)
    share = 0.5 if finding.at[0] > 0 else 0.82
    scene.ball(kidney.along(share, -3.0, 1.0), finding.size / 2, 1000.0)


def paint_prosthesis(scene: Scene, frame: Frame) -> None:
    """Paint a metal hip with its cup and stem, and the streaks that metal throws."""
    for side in SIDES:
        finding = frame.case.find("hip prosthesis", side)
        if finding is None:
            continue
        sign = -1 if side == "right" else 1
        head = femoral_head(frame, sign)
        _streaks(scene, head)
        neck = (head[0] + sign * 26, head[1] + 4, head[2] - 14)
        foot = (head[0] + sign * 34, head[1] + 6, head[2] - 70)
        with scene.showing(frame.case.findings.index(finding)):
            scene.add(Ball(head, (26.0, 26.0, 26.0)), hu=2600.0)
            scene.add(Ball(head, (22.0, 22.0, 22.0)), hu=400.0)
            scene.ball(head, 17.0, 2900.0)
            scene.tube([head, neck, foot], [9.0, 10.0, 8.0], 2900.0)


def _streaks(scene: Scene, head: Point) -> None:
    """Add dark and bright bands across the slices of the metal."""
    for angle, change in ((0.0, -190.0), (0.5, 90.0), (-0.5, 90.0), (1.1, -130.0), (-1.1, -130.0)):
        far = (95 * float(np.cos(angle)), 95 * float(np.sin(angle)))
        for sign in (-1, 1):
            end = (head[0] + sign * far[0], head[1] + sign * far[1], head[2])
            scene.add(Rod(head, end, (11.0, 3.0)), hu=change, adds=True, edge=8.0)
