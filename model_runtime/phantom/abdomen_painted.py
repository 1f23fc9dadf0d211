"""Anatomy and findings of the abdomen and pelvis."""

from __future__ import annotations

import numpy as np

from model_runtime.phantom.canvas import Canvas
from model_runtime.phantom.case import Case, Random

HALF = (165.0, 115.0, 195.0)
_BLOOD = {"non-contrast": 42.0, "arterial": 300.0, "portal venous": 160.0, "delayed": 110.0}
_LIVER = {"non-contrast": 58.0, "arterial": 75.0, "portal venous": 112.0, "delayed": 95.0}
_KIDNEY = {"non-contrast": 34.0, "arterial": 150.0, "portal venous": 185.0, "delayed": 150.0}
_DEGREE = {"mild": 0.0, "moderate": 1.0, "severe": 2.0}


def paint_abdomen(canvas: Canvas, case: Case, random: Random) -> None:
    """Paint from the skin inwards, then what is wrong."""
    size = (HALF[0] * case.width, HALF[1] * case.depth, HALF[2] * case.height)
    _wall(canvas, size)
    _ascites(canvas, case, size)
    _bowel(canvas, size, random)
    _liver(canvas, case, size, random)
    _gallbladder(canvas, case, size)
    _spleen_and_stomach(canvas, case, size)
    for side, sign in (("right", -1), ("left", 1)):
        _kidney(canvas, case, size, side, sign)
    _vessels(canvas, case, size)
    canvas.ellipsoid(_at(size, 0, -0.1, -0.82), (38, 32, 30), 6)
    _bones(canvas, size)


def _at(
    size: tuple[float, float, float], x: float, y: float, z: float
) -> tuple[float, float, float]:
    return x * size[0], y * size[1], z * size[2]


def _wall(canvas: Canvas, size: tuple[float, float, float]) -> None:
    w, d, h = size
    ends = (-2 * h, 2 * h)
    canvas.column((0, 0), (w, d), -100, ends)
    canvas.column((0, 0), (0.88 * w, 0.85 * d), 52, ends)
    canvas.column((0, -0.04 * d), (0.81 * w, 0.76 * d), -95, ends)
    for sign in (-1, 1):
        canvas.column((sign * 0.2 * w, 0.52 * d), (24, 20), 55, ends)
        canvas.column((sign * 0.22 * w, 0.74 * d), (38, 17), 55, ends)


def _ascites(canvas: Canvas, case: Case, size: tuple[float, float, float]) -> None:
    """Fluid lies under the wall, the more the thicker; the organs are painted over it."""
    finding = case.find("ascites")
    if finding is None:
        return
    w, d, h = size
    inner = {"small": 0.88, "moderate": 0.74, "large": 0.58}[finding.degree]
    box = canvas.box((0, -0.04 * d, 0), (0.81 * w, 0.76 * d, 2 * h))
    y = ((canvas.y[box[1]] + 0.04 * d) / (0.76 * d))[:, None]
    x = (canvas.x[box[2]] / (0.81 * w))[None, :]
    radius = np.sqrt(x * x + y * y)
    ring = canvas.soft(radius.astype(np.float32), 0.76 * d)
    hole = canvas.soft((radius / inner).astype(np.float32), 0.76 * d * inner)
    canvas.blend(box, (ring * (1 - hole))[None], 8.0)


def _bowel(canvas: Canvas, size: tuple[float, float, float], random: Random) -> None:
    for _ in range(46):
        angle, reach = random.uniform(0, 2 * np.pi), 0.58 * np.sqrt(random.random())
        z = random.uniform(-0.72, 0.15)
        centre = _at(size, reach * np.cos(angle), -0.2 + 0.75 * reach * np.sin(angle), z)
        radius = random.uniform(11, 17)
        canvas.ellipsoid(centre, (radius * 1.4, radius, radius), 38)
        if random.random() < 0.3:
            inside = (centre[0], centre[1] - 0.25 * radius, centre[2])
            canvas.ellipsoid(inside, (radius, 0.5 * radius, 0.6 * radius), -850)
    for sign in (-1, 1):
        for z in np.arange(-0.55, 0.2, 0.09):
            centre = _at(size, sign * 0.66, 0.1, z)
            canvas.ellipsoid(centre, (17, 17, 13), 30)
            canvas.ellipsoid((centre[0], centre[1] - 3, centre[2]), (11, 10, 8), -820)


def _liver(canvas: Canvas, case: Case, size: tuple[float, float, float], random: Random) -> None:
    hu = _LIVER[case.phase]
    fat = case.find("steatosis")
    if fat:
        hu -= 40 + 15 * _DEGREE[fat.degree]
    right, left = _at(size, -0.4, -0.08, 0.52), _at(size, -0.05, -0.34, 0.62)
    radii_right = (0.38 * size[0], 0.62 * size[1], 0.42 * size[2])
    radii_left = (0.36 * size[0], 0.34 * size[1], 0.24 * size[2])
    for sign, x in ((-1, -0.45), (1, 0.48)):
        lung = _at(size, x, 0.1, 1.02)
        canvas.ellipsoid(
            lung, (0.36 * size[0], 0.68 * size[1], (0.2 + 0.02 * sign) * size[2]), -860
        )
    canvas.ellipsoid(right, radii_right, hu)
    canvas.ellipsoid(left, radii_left, hu)
    _liver_vessels(canvas, case, right, radii_right, random)
    cyst = case.find("hepatic cyst")
    if cyst:
        home, radii = (right, radii_right) if cyst.place.startswith("right") else (left, radii_left)
        centre = [c + 0.5 * a * r for c, a, r in zip(home, cyst.at, radii, strict=True)]
        canvas.ellipsoid(centre, (cyst.size / 2,) * 3, 3)
    spread = case.find("hepatic metastases")
    if spread:
        places = np.random.default_rng([case.seed, 3])
        for _ in range(spread.count):
            unit = places.uniform(-0.52, 0.52, 3)
            centre = [c + u * r for c, u, r in zip(right, unit, radii_right, strict=True)]
            canvas.ellipsoid(centre, (spread.size / 2,) * 3, hu - 48)


def _liver_vessels(
    canvas: Canvas,
    case: Case,
    centre: tuple[float, float, float],
    radii: tuple[float, float, float],
    random: Random,
) -> None:
    blood = {"arterial": 85.0, "non-contrast": 42.0}.get(case.phase, _BLOOD[case.phase])
    for _ in range(5):
        end = random.uniform(-0.6, 0.6, 3)
        path = [
            [
                c + (0.5 * (1 - s) * side + s * e) * r
                for c, side, e, r in zip(centre, (1, 0.2, 0), end, radii, strict=True)
            ]
            for s in np.linspace(0, 1, 14)
        ]
        canvas.tube(path, np.linspace(5, 2.5, 14), blood)


def _gallbladder(canvas: Canvas, case: Case, size: tuple[float, float, float]) -> None:
    centre = _at(size, -0.3, -0.5, 0.22)
    canvas.ellipsoid(centre, (17, 17, 30), 10)
    if case.find("gallstones"):
        for x, z in ((-4, -14), (5, -8), (0, -19)):
            canvas.ellipsoid((centre[0] + x, centre[1] + 7, centre[2] + z), (5.5, 5.5, 5.5), 420)


def _spleen_and_stomach(canvas: Canvas, case: Case, size: tuple[float, float, float]) -> None:
    stomach = _at(size, 0.34, -0.3, 0.62)
    canvas.ellipsoid(stomach, (0.26 * size[0], 0.3 * size[1], 0.22 * size[2]), 25)
    bubble = (stomach[0], stomach[1] - 0.1 * size[1], stomach[2])
    canvas.ellipsoid(bubble, (0.2 * size[0], 0.14 * size[1], 0.15 * size[2]), -900)
    large = case.find("splenomegaly")
    length = large.size if large else 95.0
    hu = {"non-contrast": 48.0, "arterial": 130.0, "portal venous": 125.0}.get(case.phase, 100.0)
    centre = _at(size, 0.6, 0.2, 0.62 - (0.12 if large else 0))
    canvas.ellipsoid(centre, (0.26 * length, 0.42 * length, length / 2), hu)


def _kidney(
    canvas: Canvas, case: Case, size: tuple[float, float, float], side: str, sign: int
) -> None:
    centre = _at(size, sign * 0.42, 0.42, 0.18 + 0.05 * sign)
    canvas.ellipsoid(centre, (36, 36, 64), -100)
    canvas.ellipsoid(centre, (27, 27, 54), _KIDNEY[case.phase])
    pelvis = (centre[0] - sign * 8, centre[1], centre[2])
    canvas.ellipsoid(pelvis, (11, 11, 24), -40)
    dilated = case.find("hydronephrosis", side)
    if dilated:
        grow = 1 + 0.2 * _DEGREE[dilated.degree]
        canvas.ellipsoid(pelvis, (17 * grow, 17 * grow, 30 * grow), 6)
        canvas.column((pelvis[0] - sign * 8, pelvis[1] - 6), (7, 7), 6, (-0.7 * size[2], pelvis[2]))
    stone = case.find("renal stone", side)
    if stone:
        radius = max(3.5, stone.size / 2)
        canvas.ellipsoid((pelvis[0], pelvis[1], pelvis[2] - 12), (radius,) * 3, 950)
    cyst = case.find("renal cyst", side)
    if cyst:
        radius = cyst.size / 2
        height = centre[2] + (30 if cyst.at[0] > 0 else -30)
        canvas.ellipsoid((centre[0] + sign * 16, centre[1] - 6, height), (radius,) * 3, 4)


def _vessels(canvas: Canvas, case: Case, size: tuple[float, float, float]) -> None:
    w, d, h = size
    blood = _BLOOD[case.phase]
    canvas.column((0.06 * w, 0.34 * d), (10, 10), blood, (-0.3 * h, 2 * h))
    wide = case.find("abdominal aortic aneurysm")
    if wide:
        radius = wide.size / 2
        canvas.ellipsoid((0.06 * w, 0.28 * d, -0.08 * h), (radius, radius, 1.35 * radius), 45)
        canvas.ellipsoid((0.06 * w, 0.28 * d, -0.08 * h), (0.7 * radius,) * 2 + (radius,), blood)
    vein = blood * (0.5 if case.phase == "arterial" else 0.95)
    canvas.column((-0.12 * w, 0.34 * d), (11, 9), max(vein, 42.0), (-0.3 * h, 2 * h))


def _bones(canvas: Canvas, size: tuple[float, float, float]) -> None:
    w, d, h = size
    canvas.column((0, 0.58 * d), (23, 18), 190, (-2 * h, 2 * h))
    for level in np.arange(-0.85, 1.0, 0.17):
        canvas.column((0, 0.58 * d), (21, 16), 60, ((level - 0.015) * h, (level + 0.015) * h))
    canvas.column((0, 0.78 * d), (8, 8), 15, (-2 * h, 2 * h))
    canvas.column((0, 0.9 * d), (6, 10), 320, (-2 * h, 2 * h))
    for sign in (-1, 1):
        for angle in np.linspace(0.05, 0.55 * np.pi, 20):
            spot = (sign * 0.68 * w * np.cos(angle * 0.7), 0.62 * d * np.sin(angle), -0.62 * h)
            for lift in np.arange(-0.3, 0.12, 0.06):
                canvas.ellipsoid((spot[0], spot[1], spot[2] + lift * h), (7, 8, 9), 380)
        for level in np.linspace(0.42, 0.95, 4):
            for angle in np.linspace(-0.15 * np.pi, 0.42 * np.pi, 18):
                spot = (sign * 0.84 * w * np.cos(angle), 0.81 * d * np.sin(angle), level * h)
                canvas.ellipsoid(
                    (spot[0], spot[1], spot[2] + 0.1 * h * np.sin(angle)), (6, 6, 5), 420
                )
