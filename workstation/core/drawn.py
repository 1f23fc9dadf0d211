"""Measurements as a slice shows them: lines, handles and words in the slice's own mm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from workstation.core.geometry import Plane, Point
from workstation.core.measurement import Measurement, Result, SlicePlane, doubts, result_lines
from workstation.core.session import OverlayLevel, Reading
from workstation.core.volume import Volume

Flat = tuple[float, float]
Measure = Callable[[Measurement, Volume], Result]


@dataclass(frozen=True)
class DrawnMeasurement:
    """One measurement on a slice; all places are mm (right, down) from the slice's middle.

    Attributes
    ----------
    shapes : tuple of (tuple of Flat, bool)
        Lines, and whether they are closed.
    handles : tuple of Flat
        The measurement's points.
    lines : tuple of str
        What stands beside it.
    doubt : str
        Why its values are approximate; empty where they are exact.
    """

    id: str
    shapes: tuple[tuple[tuple[Flat, ...], bool], ...]
    handles: tuple[Flat, ...]
    lines: tuple[str, ...]
    doubt: str = ""
    selected: bool = False


@dataclass(frozen=True, eq=False)
class Frame:
    """A slice on screen: its middle in LPS mm, and unit vectors (2, 3) to the right and down."""

    plane: Plane
    grid_index: int
    centre: Point
    vectors: NDArray[np.float64]

    def flat(self, points: ArrayLike) -> tuple[Flat, ...]:
        """Map LPS mm (n, 3) to mm (right, down) from the slice's middle."""
        places = (np.asarray(points) - np.asarray(self.centre)) @ self.vectors.T
        return tuple((float(x), float(y)) for x, y in places)


def drawn_on_slice(
    reading: Reading, measure: Measure, frame: Frame
) -> tuple[DrawnMeasurement, ...]:
    """Measurements of one slice: of this series, drawn in this plane, within half a step."""
    volume = reading.volume
    hidden = reading.overlay is OverlayLevel.NONE and not reading.tool
    if volume is None or hidden:
        return ()
    found = []
    for measurement in reading.shown_measurements():
        if measurement.plane is not frame.plane or measurement.series_key != volume.key:
            continue
        where = SlicePlane.of(volume, frame.plane, measurement.points)
        if where is None or where.grid_index != frame.grid_index:
            continue
        result = measure(measurement, volume)
        found.append(
            DrawnMeasurement(
                measurement.id,
                tuple((frame.flat(shape.points), shape.closed) for shape in result.shapes),
                frame.flat(measurement.points),
                result_lines(result, volume),
                doubts(volume),
                measurement.id == reading.selected,
            )
        )
    return tuple(found)
