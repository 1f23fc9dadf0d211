"""The frame in which the abdomen is laid out, and how dense its tissues are in each phase.

Organs are placed in the millimetres of a reference body whose peritoneal cavity has
half axes of 132 and 92 mm; :class:`Frame` moves them into the patient's own cavity, which
the fat under the skin makes smaller. z is 0 at the lower third lumbar vertebra.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model_runtime.phantom.case import PHASES, Case
from model_runtime.phantom.scene import Ball, Half, Point

HALF = (165.0, 115.0, 195.0)
LONG = 4000.0
FAT = -100.0
GAS = -900.0
WATER = 6.0


def _by_phase(plain: float, arterial: float, portal: float, delayed: float) -> dict[str, float]:
    return dict(zip(PHASES, (plain, arterial, portal, delayed), strict=True))


ARTERY = _by_phase(42, 320, 165, 115)
VEIN = _by_phase(40, 75, 165, 115)
PORTAL = _by_phase(40, 120, 185, 120)
LIVER = _by_phase(58, 76, 114, 96)
SPLEEN = _by_phase(48, 125, 124, 102)
PANCREAS = _by_phase(40, 105, 95, 80)
CORTEX = _by_phase(34, 180, 195, 165)
MEDULLA = _by_phase(32, 80, 175, 165)
URINE = _by_phase(4, 4, 6, 600)
BOWEL_WALL = _by_phase(42, 80, 90, 70)
UTERUS = _by_phase(48, 85, 110, 105)
MUSCLE = _by_phase(54, 58, 64, 64)
DEGREES = {"": 0, "mild": 0, "moderate": 1, "severe": 2, "small": 0, "large": 2}


@dataclass(frozen=True)
class Frame:
    """Where the reference millimetres lie in a patient.

    Attributes
    ----------
    case : Case
        The patient.
    size : tuple of float
        Half body size in mm (x, y, z).
    fat : tuple of float
        Thickness in mm of the fat under the skin: sides, front, back.
    """

    case: Case
    size: Point
    fat: tuple[float, float, float]

    @classmethod
    def of(cls, case: Case) -> Frame:
        """Lay the frame into a patient."""
        factors = (case.width, case.depth, case.height)
        size = tuple(half * factor for half, factor in zip(HALF, factors, strict=True))
        share = case.fat
        fat = (8 + 15 * share, 8 + 18 * share, 6 + 9 * share)
        return cls(case, (size[0], size[1], size[2]), fat)

    @property
    def wall(self) -> tuple[float, float, float]:
        """Half width, front and back (y) of the muscle under the fat."""
        side, front, back = self.fat
        return self.size[0] - side, -self.size[1] + front, self.size[1] - back

    @property
    def scale(self) -> Point:
        """Patient's mm for one reference mm along x, y and z."""
        half, front, back = self.wall
        x, y = (half - 11) / 132, ((back - front) / 2 - 9) / 92
        return min(1.14, x), min(1.14, y), self.case.height

    @property
    def grow(self) -> float:
        """How much larger than in the reference body organs are."""
        x, y, z = self.scale
        return float(np.cbrt(x * y * z))

    def at(self, x: float, y: float, z: float) -> Point:
        """Return where a reference point lies."""
        scale = self.scale
        return x * scale[0], y * scale[1], z * scale[2]

    def points(self, knots: Sequence[Sequence[float]]) -> list[Point]:
        """Return where several reference points lie."""
        return [self.at(x, y, z) for x, y, z in knots]

    def ball(
        self, centre: Sequence[float], radii: Sequence[float], power: float = 2.0, less: float = 0
    ) -> Ball:
        """Return a reference ellipsoid, by ``less`` mm thinner."""
        x, y, z = self.at(centre[0], centre[1], centre[2])
        a, b, c = self.at(radii[0], radii[1], radii[2])
        return Ball((x, y, z), (a - less, b - less, c - less), power)

    def cavity(self, inset: float = 0.0) -> Ball:
        """Return the inside of the abdominal wall, by ``inset`` mm smaller."""
        half, front, back = self.wall
        return self._tube(half - 11 - inset, front + 10 + inset, back - 8 - inset)

    def muscle(self, inset: float = 0.0) -> Ball:
        """Return the outside of the abdominal wall's muscles, by ``inset`` mm smaller."""
        half, front, back = self.wall
        return self._tube(half - inset, front + inset, back - inset)

    def skin(self, inset: float = 0.0) -> Ball:
        """Return the body's outline, by ``inset`` mm smaller."""
        return self._tube(self.size[0] - inset, -self.size[1] + inset, self.size[1] - inset)

    @staticmethod
    def _tube(half: float, front: float, back: float) -> Ball:
        return Ball((0.0, (front + back) / 2, 0.0), (half, (back - front) / 2, LONG), 2.35)

    def above(self, *corners: Sequence[float]) -> Half:
        """Return the space above the plane through three reference points."""
        first, second, third = (np.array(point) for point in self.points(corners))
        normal = np.cross(second - first, third - first)
        normal *= np.sign(normal[2]) / np.linalg.norm(normal)
        x, y, z = (float(part) for part in normal)
        return Half((x, y, z), float(normal @ first))


def level(y: float) -> Half:
    """Return the space in front of a height in mm: where gas gathers in a patient on the back."""
    return Half((0.0, -1.0, 0.0), -y)


def smooth(knots: Sequence[Sequence[float]], step: float) -> list[Point]:
    """Return points about ``step`` mm apart on a curve through the knots."""
    points = np.array(knots, float)
    padded = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    out: list[Point] = []
    for n in range(1, len(padded) - 2):
        a, b, c, d = padded[n - 1 : n + 3]
        count = max(1, int(np.ceil(np.linalg.norm(c - b) / step)))
        for t in np.arange(count) / count:
            spot = 2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2
            spot = 0.5 * (spot + (3 * b - a - 3 * c + d) * t**3)
            out.append((float(spot[0]), float(spot[1]), float(spot[2])))
    return [*out, (float(points[-1][0]), float(points[-1][1]), float(points[-1][2]))]
