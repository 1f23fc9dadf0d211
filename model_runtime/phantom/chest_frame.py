"""Where things are in a chest: the walls, the lungs with their lobes, the heart's outline.

Positions are told for a middling chest, in mm, and stretched to the case's own size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_runtime.phantom.case import Case
from model_runtime.phantom.scene import Ball, Half, Point, Solid

HALF = (165.0, 112.0, 150.0)
# Half width and half depth of the middling chest's cavity, within the ribs.
_CAVITY = (130.0, 80.0)
_WALL = 19.0
# Lung left over in a pneumothorax, by length.
_LEFT_OVER = {"small": 0.86, "moderate": 0.68, "large": 0.46}
# How much the heart grows: across, front to back, along the body.
_GROWTH = {"mild": (1.2, 1.1, 1.1), "moderate": (1.4, 1.18, 1.2), "severe": (1.62, 1.26, 1.3)}
_FLAT = {"mild": 6.0, "moderate": 14.0, "severe": 26.0}


@dataclass(frozen=True)
class Frame:
    """The middling chest stretched to a case: ``at`` for places, ``wide`` for radii."""

    scale: Point
    shift: float
    body: Ball
    muscle: Ball
    cavity: Ball

    def at(self, x: float, y: float, z: float) -> Point:
        """Map a place of the middling chest to LPS mm."""
        return x * self.scale[0], y * self.scale[1] + self.shift, z * self.scale[2]

    def wide(self, x: float, y: float, z: float) -> Point:
        """Stretch radii."""
        return x * self.scale[0], y * self.scale[1], z * self.scale[2]

    def ball(self, centre: Point, radii: Point, power: float = 2.0) -> Ball:
        """Stretch an ellipsoid."""
        return Ball(self.at(*centre), self.wide(*radii), power)

    def path(self, *knots: Point) -> list[Point]:
        """Map the knots of a tube."""
        return [self.at(*knot) for knot in knots]

    def front(self, x: float, z: float, of: Ball) -> float:
        """Return the y of a ball's front above a place."""
        aside = abs((x - of.centre[0]) / of.radii[0]) ** of.power
        above = abs((z - of.centre[2]) / of.radii[2]) ** of.power
        share: float = max(1 - aside - above, 0.0) ** (1 / of.power)
        return of.centre[1] - of.radii[1] * share

    def round_at(self, angle: float, z: float) -> tuple[float, float]:
        """Return x and y of the ribs at an angle from the patient's left and a height."""
        ball = self.cavity
        share = max(1 - abs((z - ball.centre[2]) / ball.radii[2]) ** ball.power, 0.02)
        size: float = share ** (1 / ball.power)
        u, v = math.cos(angle), math.sin(angle)
        size /= (abs(u) ** ball.power + abs(v) ** ball.power) ** (1 / ball.power)
        x, y = size * ball.radii[0] + 4, size * ball.radii[1] + 4
        return u * x, ball.centre[1] + v * y


@dataclass(frozen=True)
class Lung:
    """One lung: what bounds it, its hilum, and the fissures that part its lobes.

    ``space`` and ``inside`` differ by a pneumothorax; ``outside`` is what lies between the
    lung's walls and is not lung. ``air`` holds what an effusion leaves aerated.
    """

    side: str
    space: tuple[Solid, ...]
    inside: tuple[Solid, ...]
    outside: tuple[Solid, ...]
    hilum: Point
    anchor: Point
    left_over: float
    lobes: dict[str, tuple[tuple[Solid, ...], tuple[Solid, ...]]]
    centres: dict[str, Point]
    air: tuple[Solid, ...] = ()

    def moved(self, point: Sequence[float] | NDArray[np.float64]) -> Point:
        """Take a place of the whole lung to where a pneumothorax leaves it."""
        return _towards(point, self.anchor, self.left_over)

    def clearance(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return about how far inside the aerated lung points are, in mm; negative outside."""
        return clearance(points, (*self.inside, *self.air), self.outside)


def frame_of(case: Case) -> Frame:
    """Stretch the middling chest to a case; breasts take their share of the depth."""
    w, d, h = HALF[0] * case.width, HALF[1] * case.depth, HALF[2] * case.height
    bust = 8.0 if case.sex == "female" else 0.0
    deep = d - bust
    fat = (4 + 13 * case.fat, 3 + 10 * case.fat)
    body = Ball((0, bust, -110 / 150 * h), (w, deep, 310 / 150 * h), 2.6)
    muscle = Ball(body.centre, (w - fat[0], deep - fat[1], 306 / 150 * h), 2.6)
    inner = (muscle.radii[0] - _WALL, muscle.radii[1] - _WALL)
    scale = (inner[0] / _CAVITY[0], inner[1] / _CAVITY[1], case.height)
    cavity = Ball((0, bust, -90 * case.height), (*inner, 222 * case.height), 2.4)
    return Frame(scale, bust, body, muscle, cavity)


def domes_of(frame: Frame, case: Case) -> tuple[Ball, Ball]:
    """Place the right and left halves of the diaphragm; emphysema flattens them."""
    emphysema = case.find("emphysema")
    flat = _FLAT[emphysema.degree] if emphysema else 0.0
    return (
        frame.ball((-62, 5, -166), (84, 81, 96 - flat), 2.3),
        frame.ball((66, 5, -172), (76, 80, 92 - flat), 2.3),
    )


def core_of(frame: Frame) -> Ball:
    """Return the fat between the lungs, in which vessels and nodes lie."""
    return frame.ball((0, 2, 30), (31, 72, 145), 2.2)


def heart_of(frame: Frame, case: Case) -> Ball:
    """Return the outline of the heart with its fat."""
    large = case.find("cardiomegaly")
    x, y, z = _GROWTH[large.degree] if large else (1.0, 1.0, 1.0)
    return frame.ball((18 + 8 * x, -24, -36), (54 * x, 45 * y, 50 * z))


def lungs_of(frame: Frame, case: Case) -> dict[str, Lung]:
    """Place both lungs with their lobes."""
    return {side: _lung(frame, case, side) for side in ("right", "left")}


def _lung(frame: Frame, case: Case, side: str) -> Lung:
    sign = -1.0 if side == "right" else 1.0
    space: tuple[Solid, ...] = (
        frame.cavity,
        Half((sign, 0.0, 0.0), 5.0 * frame.scale[0]),
        Half((0.0, 0.0, 1.0), -136.0 * frame.scale[2]),
        frame.ball((sign * 60, 8, -90), (86, 88, 216), 2.6),
    )
    outside: tuple[Solid, ...] = (
        *domes_of(frame, case),
        core_of(frame),
        heart_of(frame, case),
    )
    collapsed = case.find("pneumothorax", side)
    k = _LEFT_OVER[collapsed.degree] if collapsed else 1.0
    anchor = frame.at(sign * 46, 38, -12)
    lobes = {
        lobe: (
            tuple(shrunk(solid, anchor, k) for solid in within),
            tuple(shrunk(solid, anchor, k) for solid in without),
        )
        for lobe, (within, without) in _lobes(frame, side).items()
    }
    return Lung(
        side,
        space,
        tuple(shrunk(solid, anchor, k) for solid in space),
        outside,
        _towards(frame.at(sign * 41, 6, 18), anchor, k),
        anchor,
        k,
        lobes,
        {lobe: _towards(at, anchor, k) for lobe, at in _centres(frame, side).items()},
        _aerated(frame, case, side),
    )


def _lobes(frame: Frame, side: str) -> dict[str, tuple[tuple[Solid, ...], tuple[Solid, ...]]]:
    """Part a lung by planes: what each lobe is inside and outside of."""
    oblique = _plane(frame.at(0, 66, 55), frame.at(0, -62, -95))
    low = Half((0.0, 0.0, -1.0), -2.0 * frame.scale[2])
    if side == "left":
        return {"upper": ((), (oblique,)), "lower": ((oblique,), ())}
    return {
        "upper": ((), (oblique, low)),
        "middle": ((low,), (oblique,)),
        "lower": ((oblique,), ()),
    }


def _centres(frame: Frame, side: str) -> dict[str, Point]:
    if side == "left":
        return {"upper": frame.at(72, -28, 58), "lower": frame.at(78, 42, -36)}
    return {
        "upper": frame.at(-72, -12, 62),
        "middle": frame.at(-78, -44, -34),
        "lower": frame.at(-76, 42, -34),
    }


def _aerated(frame: Frame, case: Case, side: str) -> tuple[Solid, ...]:
    """Return the ball that an effusion leaves of the lung: in front of it and above."""
    fluid = case.find("pleural effusion", side)
    if fluid is None:
        return ()
    depth = {"small": 21.0, "moderate": 43.0, "large": 72.0}[fluid.degree]
    sign = -1.0 if side == "right" else 1.0
    return (frame.ball((sign * 62, 2 - depth, 24 + 0.5 * depth), (84, 84, 150), 2.2),)


def _plane(back: Point, front: Point) -> Half:
    """Return the half of space below and behind a line that runs from back to front."""
    y, z = back[2] - front[2], front[1] - back[1]
    length = float(np.hypot(y, z))
    normal = (0.0, y / length, z / length)
    return Half(normal, normal[1] * back[1] + normal[2] * back[2])


def _towards(point: Sequence[float] | NDArray[np.float64], anchor: Point, share: float) -> Point:
    x, y, z = (a + share * (p - a) for p, a in zip(point, anchor, strict=True))
    return x, y, z


def larger(ball: Ball, rim: float) -> Ball:
    """Add mm to a ball's radii, or take them off."""
    a, b, c = (radius + rim for radius in ball.radii)
    return Ball(ball.centre, (a, b, c), ball.power)


def shrunk(solid: Solid, anchor: Point, share: float) -> Solid:
    """Shrink a ball or a half towards a point."""
    if share == 1.0:
        return solid
    if isinstance(solid, Half):
        there = float(np.dot(solid.normal, anchor))
        return Half(solid.normal, there + share * (solid.offset - there))
    if isinstance(solid, Ball):
        a, b, c = (share * radius for radius in solid.radii)
        return Ball(_towards(solid.centre, anchor, share), (a, b, c), solid.power)
    raise TypeError(f"expected a Ball or a Half, got {solid}")


def clearance(
    points: NDArray[np.float64], inside: Sequence[Solid], outside: Sequence[Solid] = ()
) -> NDArray[np.float64]:
    """Return about how far points (n, 3) are from leaving a region, in mm."""
    depths = [_depth(points, solid) for solid in inside]
    depths += [-_depth(points, solid) for solid in outside]
    least: NDArray[np.float64] = np.min(depths, axis=0)
    return least


def _depth(points: NDArray[np.float64], solid: Solid) -> NDArray[np.float64]:
    """Return the depth below a solid's surface, to first order."""
    if isinstance(solid, Half):
        out: NDArray[np.float64] = points @ np.array(solid.normal) - solid.offset
        return out
    if not isinstance(solid, Ball):
        raise TypeError(f"expected a Ball or a Half, got {solid}")
    radii = np.array(solid.radii)
    way = np.abs(points - np.array(solid.centre)) / radii + 1e-6
    power = solid.power
    rho = (way**power).sum(1) ** (1 / power)
    slope = np.linalg.norm(way ** (power - 1) / radii, axis=1) * rho ** (1 - power)
    depth: NDArray[np.float64] = (1 - rho) / slope
    return depth
