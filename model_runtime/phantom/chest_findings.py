"""What is wrong in the lungs and around them."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from model_runtime.phantom.case import Case, Finding, Random
from model_runtime.phantom.chest_frame import Frame, Lung, larger, shrunk
from model_runtime.phantom.chest_heart import FAT
from model_runtime.phantom.scene import Ball, Point, Scene, Solid, Texture

_LESION = {"non-contrast": 38.0, "arterial": 62.0, "portal venous": 72.0, "delayed": 66.0}
_NODES = {"non-contrast": 42.0, "arterial": 78.0, "portal venous": 92.0, "delayed": 80.0}
_BULLAE = {"mild": (14, 7.0, 10.0), "moderate": (26, 9.0, 14.0), "severe": (36, 12.0, 19.0)}


def draws_of(case: Case, finding: Finding) -> Random:
    """Return the finding's own generator: neither anatomy nor other findings depend on it."""
    name = crc32(f"{finding.kind} {finding.place}".encode())
    return np.random.default_rng([case.seed, name])


def paint_emphysema(scene: Scene, case: Case, lungs: dict[str, Lung]) -> None:
    """Paint holes in the lung, most of them high up where it is mild."""
    finding = case.find("emphysema")
    if finding is None:
        return
    number, least, most = _BULLAE[finding.degree]
    random = draws_of(case, finding)
    low = {"mild": 30.0, "moderate": -5.0, "severe": -60.0}[finding.degree]
    with scene.showing(case.findings.index(finding)):
        for lung in lungs.values():
            radii = random.uniform(least, most, number) * max(lung.left_over, 0.6)
            for centre, radius in zip(_bullae(lung, low, number, random), radii, strict=False):
                with scene.confined(*lung.inside):
                    scene.ball(centre, float(radius), -1000.0)


def _bullae(lung: Lung, low: float, number: int, random: Random) -> list[tuple[float, ...]]:
    middle = np.mean([np.array(centre) for centre in lung.centres.values()], axis=0)
    reach = np.array((70, 90, 130)) * lung.left_over
    drawn = middle + random.uniform(-1, 1, (1200, 3)) * reach
    clear = lung.clearance(drawn) > 4
    high = drawn[:, 2] > lung.anchor[2] + lung.left_over * (low - lung.anchor[2])
    return [tuple(map(float, spot)) for spot in drawn[clear & high][:number]]


def paint_air(scene: Scene, case: Case, lungs: dict[str, Lung]) -> None:
    """Fill the space of a collapsed lung with air; the lung is painted after it."""
    for finding in case.findings:
        if finding.kind == "pneumothorax":
            lung = lungs[finding.place]
            with scene.showing(case.findings.index(finding)):
                scene.add(*lung.space, outside=lung.outside[:2], hu=-1000.0)


def paint_ground_glass(scene: Scene, case: Case, lungs: dict[str, Lung]) -> None:
    """Cloud most of a lobe; its vessels are painted after it."""
    for finding in case.findings:
        if finding.kind == "ground glass":
            texture = Texture(55.0, 12.0, case.seed + 11)
            _cloud(scene, case, finding, lungs, -500.0, texture, 14.0)


def paint_consolidations(scene: Scene, case: Case, lungs: dict[str, Lung]) -> None:
    """Fill most of a lobe and leave the air in its bronchi."""
    for finding in case.findings:
        if finding.kind != "consolidation":
            continue
        hu = 0.75 * _LESION[case.phase] + 8
        centre = _cloud(scene, case, finding, lungs, hu, Texture(14.0, 9.0, case.seed + 12), 5.0)
        lung = lungs[finding.place.split()[0]]
        hilum, middle = np.array(lung.hilum), np.array(centre)
        random = draws_of(case, finding)
        with scene.showing(case.findings.index(finding)):
            for _ in range(5):
                tip = middle + random.normal(0, 15, 3) * lung.left_over
                stem = hilum + 0.55 * (middle - hilum)
                scene.tube((stem, stem + 0.85 * (tip - stem)), (3.2, 2.0), -940.0)


def _cloud(  # noqa: PLR0917
    scene: Scene,
    case: Case,
    finding: Finding,
    lungs: dict[str, Lung],
    hu: float,
    texture: Texture,
    edge: float,
) -> Point:
    """Fill the part of a lobe around its middle, up to the fissures; return its centre."""
    side, lobe, _ = finding.place.split()
    lung = lungs[side]
    centre = spot_of(lung, finding, 26.0 * lung.left_over, 10.0, draws_of(case, finding))
    within, without = lung.lobes[lobe]
    a, b, c = (radius * max(lung.left_over, 0.7) for radius in (46.0, 42.0, 40.0))
    with (
        scene.showing(case.findings.index(finding)),
        scene.confined(*lung.inside, *within, outside=(*lung.outside, *without)),
    ):
        scene.add(Ball(centre, (a, b, c), 2.4), hu=hu, texture=texture, edge=edge)
    return centre


def paint_fluid(scene: Scene, case: Case, lungs: dict[str, Lung]) -> None:
    """Paint a crescent of fluid behind and below the lung, and the lung it presses flat."""
    for finding in case.findings:
        if finding.kind != "pleural effusion":
            continue
        lung = lungs[finding.place]
        (air,) = lung.air
        # A little into the wall: no film of lung may be left between.
        space = [larger(solid, 2.5) if isinstance(solid, Ball) else solid for solid in lung.space]
        with scene.confined(*space):
            scene.add(hu=75.0, outside=(_pressed(air), *lung.outside[:2]), edge=4.0)
            with scene.showing(case.findings.index(finding)):
                scene.add(hu=6.0, outside=(air, *lung.outside[:2]))


def _pressed(air: Solid) -> Solid:
    if not isinstance(air, Ball):
        raise TypeError(f"expected a Ball, got {air}")
    return shrunk(air, air.centre, 0.93)


def spot_of(lung: Lung, finding: Finding, radius: float, spread: float, random: Random) -> Point:
    """Find the place nearest to the drawn one in the lobe where a ball of aerated lung fits."""
    lobe = finding.place.split()[1]
    wanted = np.array(lung.centres[lobe]) + spread * np.array(finding.at) * lung.left_over
    drawn = wanted + random.uniform(-1, 1, (500, 3)) * 42 * lung.left_over
    points = np.concatenate([wanted[None], drawn])
    lack = np.clip(radius + 2 - lung.clearance(points), 0, None)
    best = points[int(np.argmin(np.linalg.norm(points - wanted, axis=1) + 8 * lack))]
    return float(best[0]), float(best[1]), float(best[2])


def paint_lesions(scene: Scene, case: Case, lungs: dict[str, Lung]) -> None:
    """Paint nodules and masses, after everything that could hide them."""
    for finding in case.findings:
        if finding.kind not in ("nodule", "mass"):
            continue
        lung = lungs[finding.place.split()[0]]
        random = draws_of(case, finding)
        spread = 60.0 if finding.kind == "nodule" else 26.0
        centre = spot_of(lung, finding, finding.size / 2, spread, random)
        with scene.showing(case.findings.index(finding)), scene.confined(*lung.space):
            scene.ball(centre, finding.size / 2, _LESION[case.phase])
            if finding.kind == "mass":
                _spicules(scene, np.array(centre), finding.size / 2, _LESION[case.phase], random)


def _spicules(
    scene: Scene, centre: NDArray[np.float64], radius: float, hu: float, random: Random
) -> None:
    """Paint strands that run from a mass into the lung."""
    for drawn in random.standard_normal((14, 3)):
        way = drawn / np.linalg.norm(drawn)
        ends = (centre + 0.8 * radius * way, centre + random.uniform(1.3, 1.6) * radius * way)
        scene.tube(ends, (4.0, 1.2), hu)


def paint_nodes(scene: Scene, case: Case, frame: Frame) -> None:
    """Paint enlarged lymph nodes with the fat around them, the largest beside the trachea."""
    finding = case.find("lymphadenopathy")
    if finding is None:
        return
    random = draws_of(case, finding)
    shares = [1.0, *random.uniform(0.75, 0.95, 3)][: finding.count]
    radii = [max(float(share) * finding.size / 2, 6.0) for share in shares]
    nodes = list(zip(_stations(frame, case, radii), radii, strict=False))
    for centre, radius in nodes:
        scene.add(Ball(centre, (radius + 6,) * 3), frame.cavity, hu=FAT)
    with scene.showing(case.findings.index(finding)):
        for centre, radius in nodes:
            scene.ball(centre, (0.95 * radius, 0.95 * radius, 1.1 * radius), _NODES[case.phase])


def _stations(frame: Frame, case: Case, radii: Sequence[float]) -> list[Point]:
    """Beside the trachea, before the arch, in the aortopulmonary window, below the fork."""
    sizes = [*radii, *[0.0] * 4]
    before = 92 if case.find("aortic aneurysm") else 72
    x, y, z = frame.at(-13, 12, 66)
    beside = (x - sizes[0], y, z)
    x, y, z = frame.at(12, -42, before)
    prevascular = (x, y - 0.8 * sizes[1], z)
    x, y, z = frame.at(34, -6, 46)
    window = (x + 0.8 * sizes[2], y, z)
    return [beside, prevascular, window, frame.at(2, 20, 2)]
