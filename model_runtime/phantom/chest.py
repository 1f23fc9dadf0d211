"""Anatomy and findings of the chest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from model_runtime.phantom.canvas import Canvas, Field
from model_runtime.phantom.case import Case, Finding, Random

HALF = (165.0, 112.0, 150.0)
_BLOOD = {"non-contrast": 42.0, "arterial": 300.0, "portal venous": 160.0, "delayed": 110.0}
# Centre of each lobe in its lung's unit frame (x toward the patient's left).
_LOBE_CENTRES = {
    "upper": (0.0, -0.05, 0.52),
    "middle": (0.05, -0.55, -0.12),
    "lower": (0.0, 0.32, -0.42),
}


@dataclass(frozen=True)
class Lung:
    """One lung as an ellipsoid: centre and radii in mm."""

    side: str
    centre: tuple[float, float, float]
    radii: tuple[float, float, float]

    def at(self, unit: tuple[float, float, float]) -> tuple[float, float, float]:
        """Map a point of the unit frame to LPS mm."""
        x, y, z = (c + u * r for c, u, r in zip(self.centre, unit, self.radii, strict=True))
        return x, y, z


def lungs_of(case: Case) -> dict[str, Lung]:
    """Place both lungs."""
    w, d, h = HALF[0] * case.width, HALF[1] * case.depth, HALF[2] * case.height
    return {
        "right": Lung("right", (-0.46 * w, 0.02 * d, 0.06 * h), (0.37 * w, 0.72 * d, 0.94 * h)),
        "left": Lung("left", (0.49 * w, 0.05 * d, 0.08 * h), (0.34 * w, 0.70 * d, 0.92 * h)),
    }


def paint_chest(canvas: Canvas, case: Case, random: Random) -> None:
    """Paint from the skin inwards, then what is wrong."""
    w, d, h = HALF[0] * case.width, HALF[1] * case.depth, HALF[2] * case.height
    lungs = lungs_of(case)
    _wall(canvas, w, d, h)
    shares = _paint_lungs(canvas, case, lungs, random)
    _paint_vessels(canvas, case, lungs, random)
    canvas.ellipsoid((-0.48 * w, -0.02 * d, -1.02 * h), (0.44 * w, 0.72 * d, 0.46 * h), 62)
    canvas.ellipsoid((0.5 * w, 0.1 * d, -1.08 * h), (0.38 * w, 0.6 * d, 0.4 * h), 48)
    _heart(canvas, case, w, d, h)
    _great_vessels(canvas, case, w, d, h)
    _airways(canvas, lungs, d, h)
    for finding in case.findings:
        _paint_finding(canvas, case, finding, lungs, shares, random)
    _bones(canvas, w, d, h)


def _wall(canvas: Canvas, w: float, d: float, h: float) -> None:
    tall = (0.0, 0.0, 0.0)
    canvas.column(tall[:2], (w, d), -100, (-2 * h, 2 * h))
    canvas.column(tall[:2], (0.93 * w, 0.9 * d), 52, (-2 * h, 2 * h))
    canvas.column((0, 0.02 * d), (0.16 * w, 0.55 * d), -60, (-2 * h, 2 * h))


def _paint_lungs(
    canvas: Canvas, case: Case, lungs: dict[str, Lung], random: Random
) -> dict[str, Field]:
    emphysema = case.find("emphysema")
    base, grain = -865.0, 12.0
    if emphysema:
        base -= {"mild": 35, "moderate": 60, "severe": 85}[emphysema.degree]
    texture = base + grain * canvas.noise(random, 18)
    shares = {}
    for side, lung in lungs.items():
        shares[side] = canvas.share_of(lung.centre, lung.radii, 2.3)
        canvas.blend((slice(None),) * 3, shares[side], texture)
    if emphysema:
        number = {"mild": 8, "moderate": 20, "severe": 36}[emphysema.degree]
        for lung in lungs.values():
            for _ in range(number):
                unit = (
                    random.uniform(-0.6, 0.6),
                    random.uniform(-0.6, 0.6),
                    random.uniform(-0.2, 0.8),
                )
                radius = random.uniform(6, 13)
                canvas.ellipsoid(lung.at(unit), (radius,) * 3, -985, shares[lung.side])
    return shares


def _paint_vessels(canvas: Canvas, case: Case, lungs: dict[str, Lung], random: Random) -> None:
    """Branching vessels from each hilum to the periphery, thinning on the way."""
    blood = _BLOOD[case.phase] * 0.8
    for lung in lungs.values():
        inward = 0.75 if lung.side == "right" else -0.75
        for _ in range(16):
            way = random.standard_normal(3)
            way /= np.linalg.norm(way)
            start, end = np.array((inward, 0.1, 0.0)), 0.85 * way
            bend = 0.15 * random.standard_normal(3)
            steps = np.linspace(0.05, 1, 22)[:, None]
            path = start * (1 - steps) + end * steps + bend * steps * (1 - steps)
            radii = np.linspace(4.2, 1.2, len(path))
            canvas.tube([lung.at(tuple(unit)) for unit in path], radii, blood)


def _heart(canvas: Canvas, case: Case, w: float, d: float, h: float) -> None:
    grow = 1.38 if case.find("cardiomegaly") else 1.0
    centre = (0.13 * w, -0.2 * d, -0.36 * h)
    radii = (0.33 * w * grow, 0.4 * d * grow, 0.34 * h * (1 + (grow - 1) / 2))
    fluid = case.find("pericardial effusion")
    if fluid:
        rim = {"small": 8, "moderate": 14, "large": 22}[fluid.degree]
        canvas.ellipsoid(centre, tuple(r + rim for r in radii), 8)
    canvas.ellipsoid(centre, radii, 48)
    chamber = _BLOOD[case.phase]
    canvas.ellipsoid((centre[0] + 8, centre[1], centre[2]), tuple(0.72 * r for r in radii), chamber)
    calcified = case.find("coronary calcification")
    if calcified:
        number = {"mild": 2, "moderate": 4, "severe": 7}[calcified.degree]
        for angle in np.linspace(-2.4, -0.6, number):
            spot = (
                centre[0] + 0.9 * radii[0] * np.cos(angle),
                centre[1] + 0.9 * radii[1] * np.sin(angle),
                centre[2] + 0.35 * radii[2],
            )
            canvas.ellipsoid(spot, (4.5, 4.5, 6.5), 800)


def _great_vessels(canvas: Canvas, case: Case, w: float, d: float, h: float) -> None:
    blood = _BLOOD[case.phase]
    wide = case.find("aortic aneurysm")
    ascending = wide.size / 2 if wide else 16.0
    arch = [
        (
            0.22 * w * np.sin(a) - 0.04 * w + 0.1 * w,
            0.12 * d - 0.3 * d * np.cos(a),
            (0.42 + 0.1 * np.sin(a)) * h,
        )
        for a in np.linspace(0, np.pi, 24)
    ]
    canvas.tube(arch, [13.0] * len(arch), blood)
    canvas.column((0.06 * w, -0.18 * d), (ascending,) * 2, blood, (-0.12 * h, 0.42 * h))
    canvas.column((0.06 * w, 0.42 * d), (12.5, 12.5), blood, (-2 * h, 0.42 * h))
    canvas.column((-0.13 * w, -0.1 * d), (9, 9), blood * 0.9, (-0.1 * h, 2 * h))


def _airways(canvas: Canvas, lungs: dict[str, Lung], d: float, h: float) -> None:
    canvas.column((0, 0.14 * d), (9, 9), -990, (0.2 * h, 2 * h))
    for lung in lungs.values():
        inward = 0.8 if lung.side == "right" else -0.8
        start, end = (
            np.array((0.0, 0.14 * d, 0.2 * h)),
            np.array(lung.at((inward * 0.6, 0.12, -0.05))),
        )
        path = [tuple(start + (end - start) * step) for step in np.linspace(0, 1, 14)]
        canvas.tube(path, np.linspace(7.5, 4, 14), -985)


def _bones(canvas: Canvas, w: float, d: float, h: float) -> None:
    canvas.column((0, 0.66 * d), (19, 17), 190, (-2 * h, 2 * h))
    for level in np.arange(-1.0, 1.0, 0.165):
        canvas.column((0, 0.66 * d), (17, 15), 60, ((level - 0.012) * h, (level + 0.012) * h))
    canvas.column((0, 0.86 * d), (8, 8), 15, (-2 * h, 2 * h))
    canvas.column((0, 0.96 * d), (6, 10), 320, (-2 * h, 2 * h))
    canvas.ellipsoid((0, -0.86 * d, 0.15 * h), (17, 6, 0.62 * h), 260)
    for spot in _ribs(w, d, h):
        canvas.ellipsoid(spot, (6.5, 6.5, 5.0), 420)


def _ribs(w: float, d: float, h: float) -> Iterator[tuple[float, float, float]]:
    """Centres of the balls that make the ribs, sloping down to the front."""
    for level in np.linspace(-0.95, 0.95, 9):
        for angle in np.linspace(-0.38 * np.pi, 0.46 * np.pi, 26):
            slope = 0.18 * np.sin(angle)
            for sign in (-1, 1):
                yield sign * 0.85 * w * np.cos(angle), 0.83 * d * np.sin(angle), (level + slope) * h


def _paint_finding(  # noqa: PLR0917
    canvas: Canvas,
    case: Case,
    finding: Finding,
    lungs: dict[str, Lung],
    shares: dict[str, Field],
    random: Random,
) -> None:
    if finding.kind in ("nodule", "mass"):
        lung, centre = _lobe_point(finding, lungs)
        radius = finding.size / 2
        canvas.ellipsoid(lung.at(centre), (radius,) * 3, 45 + 0.15 * _BLOOD[case.phase])
    elif finding.kind in ("consolidation", "ground glass"):
        lung, centre = _lobe_point(finding, lungs)
        radii = tuple(0.42 * r for r in (lung.radii[0] * 1.5, lung.radii[1], lung.radii[2] * 0.8))
        dense = finding.kind == "consolidation"
        hu = (30.0 if dense else -560.0) + (25.0 if dense else 45.0) * canvas.noise(random, 12)
        box = canvas.box(lung.at(centre), radii)
        soft = np.clip(1.35 - canvas.radius(box, lung.at(centre), radii), 0, 0.45) / 0.45
        canvas.blend(box, (soft * shares[lung.side][box]).astype(np.float32), hu[box])
    elif finding.kind == "pleural effusion":
        _layer(canvas, finding, lungs[finding.place], shares, back=True)
    elif finding.kind == "pneumothorax":
        _layer(canvas, finding, lungs[finding.place], shares, back=False)
    elif finding.kind == "lymphadenopathy":
        w, d, h = HALF[0] * case.width, HALF[1] * case.depth, HALF[2] * case.height
        for x, y, z in (
            (-0.13, 0.02, 0.34),
            (-0.1, 0.06, 0.22),
            (0.02, 0.26, 0.1),
            (-0.17, -0.06, 0.46),
        ):
            canvas.ellipsoid((x * w, y * d, z * h), (12, 12, 14), 58)


def _lobe_point(
    finding: Finding, lungs: dict[str, Lung]
) -> tuple[Lung, tuple[float, float, float]]:
    side, lobe, _ = finding.place.split()
    spread = 0.35 if finding.kind == "nodule" else 0.15
    x, y, z = (c + spread * a for c, a in zip(_LOBE_CENTRES[lobe], finding.at, strict=True))
    return lungs[side], (x, y, z)


def _layer(
    canvas: Canvas, finding: Finding, lung: Lung, shares: dict[str, Field], back: bool
) -> None:
    """Fluid behind and below, or air in front: the lung beyond an oblique plane."""
    level = {"small": 0.62, "moderate": 0.36, "large": 0.08}[finding.degree]
    y = ((canvas.y - lung.centre[1]) / lung.radii[1])[None, :, None]
    z = ((canvas.z - lung.centre[2]) / lung.radii[2])[:, None, None]
    depth = 0.8 * y - 0.45 * z if back else -0.9 * y + 0.25 * z
    share = np.clip(0.5 + (depth - level) * lung.radii[1] / canvas.edge, 0, 1) * shares[lung.side]
    canvas.blend((slice(None),) * 3, share.astype(np.float32), 12.0 if back else -998.0)
