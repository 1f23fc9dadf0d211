"""What a phantom is made of: an ordered list of solids in millimetres, before any voxel.

Coordinates are LPS mm with the origin in the middle of the body: x to the patient's left,
y to the back, z to the head. Later parts are painted over earlier ones. A scene is drawn by
:mod:`model_runtime.phantom.canvas` (one case, processor) or
:mod:`model_runtime.phantom.dense` (many voxels at once, in torch).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

Point = tuple[float, float, float]


@dataclass(frozen=True)
class Ball:
    """A superellipsoid: an ellipsoid of power 2, the boxier the higher the power."""

    centre: Point
    radii: Point
    power: float = 2.0


@dataclass(frozen=True)
class Column:
    """An elliptic cylinder along z: centre and radii (x, y), heights of its ends."""

    centre: tuple[float, float]
    radii: tuple[float, float]
    ends: tuple[float, float]


@dataclass(frozen=True)
class Rod:
    """A round cone between two points with round ends; its radius goes from one to the other."""

    start: Point
    end: Point
    radii: tuple[float, float]


@dataclass(frozen=True)
class Half:
    """The half of space where ``normal · point >= offset``; the normal has length 1."""

    normal: Point
    offset: float


Solid = Ball | Column | Rod | Half


@dataclass(frozen=True)
class Texture:
    """Smooth random variation: spread in HU, grain in mm, and the number that draws it."""

    spread: float
    grain: float
    seed: int


@dataclass(frozen=True)
class Part:
    """A region of one material.

    Attributes
    ----------
    inside, outside : tuple of Solid
        The region lies in all of the first and in none of the second.
    hu : float
        Hounsfield units, or a change of what is there already where ``adds`` is true.
    texture : Texture or None
        Added to ``hu``.
    finding : int
        Index of the case's finding that this part shows; -1 is anatomy.
    edge : float
        Width in mm over which the region fades out (0: as sharp as the voxels are).
    """

    inside: tuple[Solid, ...]
    hu: float
    outside: tuple[Solid, ...] = ()
    texture: Texture | None = None
    finding: int = -1
    edge: float = 0.0
    adds: bool = False


@dataclass
class Scene:
    """Parts in the order in which they are painted."""

    parts: list[Part] = field(default_factory=list)
    _finding: int = field(default=-1, repr=False)
    _within: tuple[Solid, ...] = field(default=(), repr=False)
    _outside: tuple[Solid, ...] = field(default=(), repr=False)

    @contextmanager
    def showing(self, finding: int) -> Iterator[None]:
        """Count everything painted inside the block as the finding of this index."""
        before, self._finding = self._finding, finding
        yield
        self._finding = before

    @contextmanager
    def confined(self, *within: Solid, outside: Sequence[Solid] = ()) -> Iterator[None]:
        """Cut everything painted inside the block to these solids and away from others."""
        before = self._within, self._outside
        self._within, self._outside = (*self._within, *within), (*self._outside, *outside)
        yield
        self._within, self._outside = before

    def add(
        self,
        *inside: Solid,
        hu: float,
        outside: Sequence[Solid] = (),
        texture: Texture | None = None,
        edge: float = 0.0,
        adds: bool = False,
    ) -> None:
        """Paint where all the solids overlap; see :class:`Part`."""
        self.parts.append(
            Part(
                (*inside, *self._within),
                hu,
                (*outside, *self._outside),
                texture,
                self._finding,
                edge,
                adds,
            )
        )

    def ball(self, centre: Sequence[float], radii: Sequence[float] | float, hu: float) -> None:
        """Paint an ellipsoid, or a ball where one radius is given."""
        x, y, z = centre
        a, b, c = (radii,) * 3 if isinstance(radii, (int, float)) else radii
        self.add(Ball((x, y, z), (a, b, c)), hu=hu)

    def column(
        self, centre: Sequence[float], radii: Sequence[float], hu: float, ends: Sequence[float]
    ) -> None:
        """Paint an elliptic cylinder along z between two heights."""
        solid = Column((centre[0], centre[1]), (radii[0], radii[1]), (min(ends), max(ends)))
        self.add(solid, hu=hu)

    def tube(self, points: Iterable[Sequence[float]], radii: Iterable[float], hu: float) -> None:
        """Paint rods from point to point; the radius of each point is given."""
        knots = [(float(x), float(y), float(z)) for x, y, z in points]
        thick = [float(radius) for radius in radii]
        for place in range(len(knots) - 1):
            rod = Rod(knots[place], knots[place + 1], (thick[place], thick[place + 1]))
            self.add(rod, hu=hu)
