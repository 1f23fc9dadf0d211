"""The heart with its chambers, and the great vessels."""

from __future__ import annotations

from model_runtime.phantom.case import Case
from model_runtime.phantom.chest_frame import Frame, core_of, domes_of, heart_of, larger
from model_runtime.phantom.scene import Ball, Point, Scene

FAT = -95.0
# HU of the blood on its way through lungs and body.
LEFT_BLOOD = {"non-contrast": 42.0, "arterial": 320.0, "portal venous": 165.0, "delayed": 115.0}
RIGHT_BLOOD = {"non-contrast": 42.0, "arterial": 250.0, "portal venous": 155.0, "delayed": 112.0}
MUSCLE = {"non-contrast": 42.0, "arterial": 105.0, "portal venous": 100.0, "delayed": 85.0}
_RIM = {"small": 8.0, "moderate": 15.0, "large": 24.0}
# Where calcium lies: along the arteries that run down the front and around both sides.
_CORONARIES: tuple[tuple[Point, Point], ...] = (
    ((0.15, -0.72, 0.52), (0.36, -0.8, 0.3)),
    ((-0.72, -0.45, 0.35), (-0.85, -0.3, 0.12)),
    ((0.52, -0.79, 0.1), (0.66, -0.72, -0.1)),
    ((0.7, 0.1, 0.55), (0.85, 0.3, 0.3)),
    ((-0.84, -0.15, -0.2), (-0.74, 0.0, -0.45)),
    ((0.05, -0.6, 0.72), (0.12, -0.7, 0.58)),
    ((0.74, -0.62, -0.25), (0.78, -0.5, -0.42)),
)


def paint_mediastinum(scene: Scene, frame: Frame) -> None:
    """Paint the fat between the lungs, in which everything else there lies."""
    scene.add(core_of(frame), frame.cavity, hu=FAT)


def paint_heart(scene: Scene, case: Case, frame: Frame) -> None:
    """Paint fluid around the heart if there is any, fat, muscle and the four chambers."""
    hull = heart_of(frame, case)
    with scene.confined(frame.cavity):
        fluid = case.find("pericardial effusion")
        if fluid:
            with scene.showing(case.findings.index(fluid)):
                domes = [larger(dome, -6) for dome in domes_of(frame, case)]
                scene.add(larger(hull, _RIM[fluid.degree]), hu=6.0, outside=domes)
        large = case.find("cardiomegaly")
        with scene.showing(case.findings.index(large) if large else -1):
            scene.add(hull, hu=FAT)
            _chambers(scene, case, hull)
    _calcium(scene, case, hull)


def _chambers(scene: Scene, case: Case, hull: Ball) -> None:
    """Paint muscle, then blood; places are shares of the heart's outline."""
    left, right, muscle = LEFT_BLOOD[case.phase], RIGHT_BLOOD[case.phase], MUSCLE[case.phase]
    size = (hull.radii[0] * hull.radii[1] * hull.radii[2]) ** (1 / 3)

    def rod(start: Point, end: Point, radii: tuple[float, float], hu: float) -> None:
        ends = [_within(hull, start), _within(hull, end)]
        scene.tube(ends, [radius * size for radius in radii], hu)

    def ball(at: Point, radii: Point, hu: float) -> None:
        a, b, c = (share * radius for share, radius in zip(radii, hull.radii, strict=True))
        scene.ball(_within(hull, at), (a, b, c), hu)

    rod((0.0, -0.5, 0.2), (0.5, -0.6, -0.42), (0.4, 0.3), muscle)
    rod((0.28, 0.08, 0.02), (0.64, -0.24, -0.44), (0.6, 0.36), muscle)
    ball((-0.5, -0.1, 0.05), (0.43, 0.56, 0.7), muscle)
    ball((-0.02, 0.6, 0.3), (0.6, 0.36, 0.42), muscle)
    rod((0.0, -0.52, 0.2), (0.5, -0.62, -0.42), (0.33, 0.22), right)
    rod((-0.02, -0.5, 0.2), (0.0, -0.5, 0.8), (0.32, 0.28), right)
    ball((-0.5, -0.1, 0.05), (0.38, 0.5, 0.64), right)
    ball((-0.02, 0.6, 0.3), (0.55, 0.31, 0.37), left)
    rod((0.28, 0.06, 0.02), (0.6, -0.22, -0.42), (0.38, 0.15), left)
    rod((0.2, 0.08, 0.1), (-0.1, -0.08, 0.5), (0.26, 0.26), left)


def _within(hull: Ball, share: Point) -> Point:
    x, y, z = (c + u * r for c, u, r in zip(hull.centre, share, hull.radii, strict=True))
    return x, y, z


def _calcium(scene: Scene, case: Case, hull: Ball) -> None:
    calcified = case.find("coronary calcification")
    if calcified is None:
        return
    number, radius = {"mild": (2, 4.2), "moderate": (4, 5.0), "severe": (7, 6.0)}[calcified.degree]
    with scene.showing(case.findings.index(calcified)):
        for start, end in _CORONARIES[:number]:
            scene.tube((_within(hull, start), _within(hull, end)), (radius, radius), 1350.0)


def paint_great_vessels(scene: Scene, case: Case, frame: Frame) -> None:
    """Paint veins, pulmonary arteries and veins, and the aorta with its branches."""
    _veins(scene, case, frame)
    _pulmonary(scene, case, frame)
    _aorta(scene, case, frame)


def _ascending_radius(case: Case) -> float:
    wide = case.find("aortic aneurysm")
    return wide.size / 2 if wide else 15.5


def _veins(scene: Scene, case: Case, frame: Frame) -> None:
    blood = RIGHT_BLOOD[case.phase]
    aside = max(0.0, _ascending_radius(case) - 15.5)
    trunk = frame.path((-27, -10, 100), (-28 - 0.7 * aside, -10, 40), (-26 - 0.5 * aside, -16, -10))
    scene.tube(trunk, (8.0, 9.5, 9.5), blood)
    scene.tube(
        frame.path((48, -18, 116), (22, -32, 92), (-10, -26, 80), (-27, -12, 72)), (6.5,) * 4, blood
    )
    scene.tube(frame.path((-50, -14, 124), (-27, -10, 98)), (6.5, 7.5), blood)
    scene.tube(frame.path((-20, 0, -70), (-22, 4, -170)), (12, 12), 0.9 * blood)
    scene.tube(frame.path((-10, 32, -150), (-10, 30, 34), (-24, 0, 44)), (3.0, 3.0, 3.5), blood)


def _pulmonary(scene: Scene, case: Case, frame: Frame) -> None:
    blood = RIGHT_BLOOD[case.phase]
    scene.tube(frame.path((22, -46, -2), (25, -36, 22), (30, -14, 30)), (14, 14, 12), blood)
    scene.tube(frame.path((25, -22, 25), (-8, -2, 22), (-42, 2, 20)), (11, 10.5, 9), blood)
    scene.tube(frame.path((30, -14, 30), (46, 8, 26)), (11, 9), blood)
    for sign in (-1, 1):
        for height in (-2, -28):
            end = (sign * 58, 12, height)
            scene.tube(frame.path((sign * 20, 4, -20), end), (6, 5), LEFT_BLOOD[case.phase])


def _aorta(scene: Scene, case: Case, frame: Frame) -> None:
    blood, wide = LEFT_BLOOD[case.phase], case.find("aortic aneurysm")
    out = max(0.0, _ascending_radius(case) - 15.5)
    descending = frame.path((30, 36, 50), (32, 40, -20), (20, 30, -85), (8, 20, -170))
    scene.tube(descending, (12, 12, 11.5, 11), blood)
    arch = frame.path((-9, -24, 56), (3, -8, 68), (16, 14, 70), (28, 32, 58), (30, 36, 48))
    scene.tube(arch, (14.5, 13.5, 13, 12.5, 12), blood)
    for knots, radius in (
        (((-6, -12, 68), (-16, -8, 96), (-34, -6, 150)), 6.0),
        (((8, 2, 70), (14, 2, 110), (17, 0, 160)), 4.0),
        (((18, 16, 72), (30, 14, 104), (48, 6, 140)), 5.0),
    ):
        scene.tube(frame.path(*knots), (radius,) * 3, blood)
    root = frame.path((4, -20, -14), (-10 - 0.2 * out, -28 - 0.35 * out, 22), (-9, -25, 54))
    radii = (15.5 + 0.3 * out, 15.5 + out, 14.5 + 0.2 * out)
    with scene.showing(case.findings.index(wide) if wide else -1):
        scene.tube(root, radii, blood)
