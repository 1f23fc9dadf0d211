"""The lungs: tissue, fissures, branching vessels and airways."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model_runtime.phantom.case import Case, Random
from model_runtime.phantom.chest_frame import Frame, Lung, clearance
from model_runtime.phantom.scene import Point, Scene, Texture

Points = NDArray[np.float64]
# HU that emphysema takes from the lung as a whole, and the share of vessels it spares.
_LOST = {"mild": 30.0, "moderate": 65.0, "severe": 90.0}
_SPARED = {"mild": 1.0, "moderate": 0.75, "severe": 0.5}
_BRANCHES, _TWIGS = 12, 3
# Segmental airways of each lobe: towards where they run, in mm from the lobe's middle.
_SEGMENTS: dict[str, tuple[Point, ...]] = {
    "upper": ((0.0, 0.0, 22.0), (0.0, -28.0, 4.0), (0.0, 18.0, 12.0)),
    "middle": ((0.0, -6.0, 4.0), (8.0, 6.0, -6.0)),
    "lower": ((0.0, 12.0, 34.0), (0.0, -20.0, -16.0), (6.0, 6.0, -22.0), (-4.0, 18.0, -20.0)),
}


def paint_tissue(scene: Scene, case: Case, lungs: dict[str, Lung], random: Random) -> None:
    """Fill both lungs and draw their fissures."""
    emphysema = case.find("emphysema")
    base = random.uniform(-850, -820) - (_LOST[emphysema.degree] if emphysema else 0.0)
    for number, lung in enumerate(lungs.values()):
        hu = base + 280 * (1 - lung.left_over)
        texture = Texture(9.0, 16.0, case.seed * 2 + number)
        with scene.confined(*lung.inside, outside=lung.outside[:2]):
            scene.add(hu=hu, texture=texture)


def spared_of(case: Case) -> float:
    """Return the share of the lung's vessels that emphysema spares."""
    emphysema = case.find("emphysema")
    return _SPARED[emphysema.degree] if emphysema else 1.0


def paint_vessels(
    scene: Scene, lungs: tuple[Lung, Lung], spared: float, blood: float, random: Random
) -> None:
    """Paint a tree from the hilum to points spread over the lung, thinning on the way.

    It is drawn in the first of the two lungs, the healthy one, and moved to the second.
    """
    healthy, lung = lungs
    spots = _spots(healthy, random)
    tips = _spread(spots, np.array(healthy.hilum), _BRANCHES)
    for number, tip in enumerate(tips):
        knots = _branch(np.array(healthy.hilum), spots[tip], random)
        near = np.argsort(np.linalg.norm(spots - spots[tip], axis=1))[1 : _TWIGS + 1]
        shares = random.uniform(0.45, 0.95, _TWIGS)
        if number >= spared * _BRANCHES:
            continue
        scene.tube([lung.moved(knot) for knot in knots], (5.2, 4.0, 3.0, 1.8), blood)
        for spot, share in zip(near[: round(_TWIGS * spared)], shares, strict=False):
            start = _along(knots, float(share))
            scene.tube((lung.moved(start), lung.moved(spots[spot])), (2.7, 1.5), blood)


def _spots(lung: Lung, random: Random) -> Points:
    """Draw points all over a lung, not too near its walls."""
    middle = np.mean([np.array(centre) for centre in lung.centres.values()], axis=0)
    drawn = middle + random.uniform(-1, 1, (1500, 3)) * (75, 95, 135)
    kept: Points = drawn[clearance(drawn, lung.inside, lung.outside) > 7][:160]
    return kept


def _spread(spots: Points, start: Points, count: int) -> list[int]:
    """Choose points far from the start and from each other."""
    far = np.linalg.norm(spots - start, axis=1)
    chosen: list[int] = []
    for _ in range(count):
        chosen.append(int(np.argmax(far)))
        far = np.minimum(far, np.linalg.norm(spots - spots[chosen[-1]], axis=1))
    return chosen


def _branch(start: Points, end: Points, random: Random) -> list[Points]:
    """Bend the way from the hilum to a tip a little."""
    way = end - start
    reach = float(np.linalg.norm(way))
    bends = random.normal(0, 0.06 * reach, (2, 3))
    return [start, start + 0.35 * way + bends[0], start + 0.7 * way + bends[1], end]


def _along(knots: Sequence[Points], share: float) -> Points:
    place = share * (len(knots) - 1)
    low = min(int(place), len(knots) - 2)
    point: Points = knots[low] + (place - low) * (knots[low + 1] - knots[low])
    return point


def paint_airways(scene: Scene, frame: Frame, lungs: dict[str, Lung]) -> None:
    """Paint trachea and bronchi down to the segments: walls first, then the air in them."""
    fork = frame.at(0, 9, 36)
    ways: list[tuple[list[Point], tuple[float, ...]]] = [
        ([frame.at(0, 4, 170), frame.at(0, 8, 70), fork], (9.0, 9.0, 8.5)),
    ]
    for side, lung in lungs.items():
        sign = -1.0 if side == "right" else 1.0
        root = frame.at(sign * 26, 11, 17 if side == "right" else 13)
        ways.append(([fork, root, lung.hilum], (7.5, 7.0, 5.5)))
        for lobe, centre in lung.centres.items():
            stem = _between(lung.hilum, centre, 0.4)
            ways.append(([lung.hilum, stem], (4.8, 3.8)))
            for offset in _SEGMENTS[lobe]:
                far = _plus(centre, (sign * offset[0], offset[1], offset[2]), lung.left_over)
                ways.append(([stem, _between(stem, far, 0.75)], (3.0, 2.0)))
    for wall, hu in ((1.3, 25.0), (0.0, -995.0)):
        for knots, radii in ways:
            scene.tube(knots, [radius + wall for radius in radii], hu)


def _between(start: Point, end: Point, share: float) -> Point:
    x, y, z = (a + share * (b - a) for a, b in zip(start, end, strict=True))
    return x, y, z


def _plus(point: Point, offset: Point, share: float) -> Point:
    x, y, z = (a + share * b for a, b in zip(point, offset, strict=True))
    return x, y, z
