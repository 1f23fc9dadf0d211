"""Where things lie in a head. Coordinates are LPS mm; sides are the patient's."""

from __future__ import annotations

from dataclasses import dataclass

from model_runtime.phantom.case import Case, Finding
from model_runtime.phantom.scene import Ball, Point

HALF: Point = (76.0, 95.0, 72.0)
LOBES: dict[str, Point] = {
    "frontal": (0.42, -0.55, 0.1),
    "temporal": (0.62, -0.02, -0.3),
    "parietal": (0.45, 0.24, 0.48),
    "occipital": (0.36, 0.64, -0.02),
}
"""Middle of each lobe in half head sizes; x is positive on its own side."""
_TO_BRAIN = 15.0


@dataclass(frozen=True)
class Head:
    """The measures of one head.

    ``size`` is half of the field's size in mm, ``middle`` the centre of the skull, ``outer``
    its half axes with the scalp, ``shift`` by how many mm the midline lies to the left
    (negative: to the right).
    """

    case: Case
    size: Point
    middle: Point
    outer: Point
    shift: float

    @classmethod
    def of(cls, case: Case) -> Head:
        """Measure the head of a case."""
        w, d, h = HALF[0] * case.width, HALF[1] * case.depth, HALF[2] * case.height
        finding = case.find("midline shift")
        shift = 0.0 if finding is None else side_of(finding) * float(finding.size)
        return cls(case, (w, d, h), (0.0, 0.0, -0.12 * h), (w, d, 1.12 * h), shift)

    @property
    def brain(self) -> Ball:
        """All that the skull and its lining leave."""
        return self.within(_TO_BRAIN)

    def within(self, depth: float) -> Ball:
        """Return what lies deeper than so many mm under the skin."""
        x, y, z = self.outer
        return Ball(self.middle, (x - depth, y - depth, z - depth))

    def at(self, x: float, y: float, z: float) -> Point:
        """Turn a place in half head sizes into LPS mm."""
        return x * self.size[0], y * self.size[1], z * self.size[2]

    def lobe(self, finding: Finding, radius: float) -> Point:
        """Return the middle of a finding's lobe, so deep that a ball fits into the brain."""
        x, y, z = LOBES[finding.place.split()[1]]
        point = self.at(side_of(finding) * x, y, z)
        middle, radii = self.middle, self.brain.radii
        away = [p - m for p, m in zip(point, middle, strict=True)]
        far = sum((a / (r - radius)) ** 2 for a, r in zip(away, radii, strict=True)) ** 0.5
        x, y, z = (m + a / max(1.0, far) for m, a in zip(middle, away, strict=True))
        return x, y, z


def side_of(finding: Finding) -> int:
    """Tell the sign of x on the side of a finding: -1 is right."""
    return -1 if finding.place.startswith("right") else 1
