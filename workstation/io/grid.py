"""From slice positions to a regular grid, and what must be said when they do not make one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from workstation.core.geometry import Geometry, Point, Vector
from workstation.core.study import Notice, Severity, SliceSource
from workstation.io.grid_notices import (
    NO_POSITIONS,
    NO_SPACING,
    cosine_notices,
    missing_notice,
    resampled_notices,
    thickness_notices,
)

SHORT_SERIES = 30
_MOST_MISSING = 0.5
_MOST_DRIFT = 0.5  # pixels that slices may shift sideways over the whole volume


@dataclass(frozen=True)
class Blend:
    """One slice of a resampled grid: ``(1 - weight) · lower + weight · upper``."""

    lower: int
    upper: int
    weight: float


@dataclass(frozen=True, eq=False)
class GridPlan:
    """How the slices of a series fill a grid.

    Attributes
    ----------
    slices : tuple of SliceSource
        In order along the grid's third axis.
    geometry : Geometry
        The grid of the volume.
    targets : tuple of int
        Direct plans: the grid slice that each source fills.
    blends : tuple of (Blend or None), one for each grid slice
        Resampled plans: what each grid slice is made of; None where nothing near was scanned.
        Empty for direct plans.
    shifts : ndarray of float64, shape (slices, 2)
        Resampled plans: pixels (rows, columns) by which each source lies further along.
    """

    slices: tuple[SliceSource, ...]
    geometry: Geometry
    targets: tuple[int, ...]
    blends: tuple[Blend | None, ...] = ()
    shifts: NDArray[np.float64] | None = None
    notices: tuple[Notice, ...] = ()
    approximate: bool = False
    calibrated: bool = True

    @property
    def resampled(self) -> bool:
        """Tell whether grid slices are computed from several sources."""
        return bool(self.blends)

    @property
    def missing(self) -> int:
        """Count the grid slices for which nothing was scanned."""
        if self.blends:
            return sum(blend is None for blend in self.blends)
        return self.geometry.shape[0] - len(set(self.targets))


def slice_axes(source: SliceSource) -> NDArray[np.float64] | None:
    """Find unit vectors (3, 3): LPS directions of columns, rows and the normal; None if unknown."""
    return None if source.orientation is None else _axes(source.orientation)


@lru_cache(maxsize=256)
def _axes(orientation: tuple[float, ...]) -> NDArray[np.float64] | None:
    axes = np.array(orientation, dtype=np.float64).reshape(2, 3)
    lengths = np.linalg.norm(axes, axis=1)
    if not (np.isfinite(lengths).all() and (lengths > 0.1).all()):
        return None
    first = axes[0] / lengths[0]
    second = axes[1] - (axes[1] @ first) * first
    if (length := np.linalg.norm(second)) < 0.1:
        return None
    second = second / length
    axes = np.array((first, second, np.cross(first, second)))
    axes.flags.writeable = False
    return axes


def has_positions(slices: Sequence[SliceSource]) -> bool:
    """Tell whether every slice says where it lies."""
    return all(one.position is not None and slice_axes(one) is not None for one in slices)


def along_normal(slices: Sequence[SliceSource]) -> NDArray[np.float64]:
    """Position (n,) in mm of every slice along the common normal."""
    axes = slice_axes(slices[0])
    if axes is None:
        return np.arange(len(slices), dtype=np.float64)
    positions = np.array([one.position for one in slices], dtype=np.float64)
    return np.asarray(positions @ axes[2])


def plan_grid(
    slices: Sequence[SliceSource], size: tuple[int, int], min_short: int = SHORT_SERIES
) -> GridPlan:
    """Find the grid of one series whose slices share orientation and size (rows, columns).

    Regular positions are used as they are. Missing slices leave their places empty. Tilted
    or unevenly spaced slices are resampled to a regular, right-angled grid.
    """
    plan = _placed(slices, size) if has_positions(slices) else _stacked(slices, size)
    extra: list[Notice] = []
    if slices[0].pixel_spacing is None:
        extra.append(NO_SPACING)
    if 1 < len(slices) < min_short:
        extra.append(Notice(f"This is a short series: {len(slices)} slices.", Severity.INFO))
    calibrated = slices[0].pixel_spacing is not None
    return replace(plan, notices=(*plan.notices, *extra), calibrated=calibrated)


def _in_plane(slices: Sequence[SliceSource]) -> tuple[float, float]:
    """Mm along (columns i, rows j)."""
    rows, columns = slices[0].pixel_spacing or (1.0, 1.0)
    return columns, rows


def _default_step(slices: Sequence[SliceSource]) -> float:
    return next((abs(v) for v in (slices[0].step, slices[0].thickness) if v), 1.0)


def _stacked(slices: Sequence[SliceSource], size: tuple[int, int]) -> GridPlan:
    count = len(slices)
    return GridPlan(
        slices=tuple(slices),
        geometry=Geometry(
            shape=(count, *size), spacing=(*_in_plane(slices), _default_step(slices))
        ),
        targets=tuple(range(count)),
        notices=(NO_POSITIONS,),
        approximate=True,
    )


def _placed(slices: Sequence[SliceSource], size: tuple[int, int]) -> GridPlan:
    order = np.argsort(along_normal(slices), kind="stable")
    ordered = [slices[index] for index in order]
    heights = along_normal(ordered)
    if len(ordered) == 1:
        return _direct(ordered, size, heights, np.zeros(1, int), _default_step(ordered))
    drift = _drift(ordered)
    pixel = min(_in_plane(ordered))
    straight = float(np.abs(drift - drift[0]).max()) <= _MOST_DRIFT * pixel
    step, places = _regular_places(heights)
    if straight and places is not None:
        return _direct(ordered, size, heights, places, step)
    return _resampled(ordered, size, heights, drift, even=places is not None)


def _drift(slices: Sequence[SliceSource]) -> NDArray[np.float64]:
    """Sideways position (n, 2) in mm of every slice along its (rows, columns) axes."""
    axes = slice_axes(slices[0])
    positions = np.array([one.position for one in slices], dtype=np.float64)
    return np.asarray(positions @ np.asarray(axes)[[1, 0]].T)


def _regular_places(heights: Vector) -> tuple[float, NDArray[np.int64] | None]:
    """Step in mm and the grid slice of each height; None if no regular grid fits."""
    gaps = np.diff(heights)
    step = float(np.median(gaps))
    if step <= 0:
        return 1.0, None
    for _ in range(2):  # refine the step from the whole extent
        places = np.rint((heights - heights[0]) / step).astype(np.int64)
        if places[-1] <= 0:
            return step, None
        step = float((heights[-1] - heights[0]) / places[-1])
    error = np.abs(heights - heights[0] - places * step)
    missing = 1 - len(heights) / (places[-1] + 1)
    fits = error.max() <= max(0.01, 0.05 * step) and (np.diff(places) > 0).all()
    return step, places if fits and missing <= _MOST_MISSING else None


def _direct(
    slices: list[SliceSource],
    size: tuple[int, int],
    heights: Vector,
    places: NDArray[np.int64],
    step: float,
) -> GridPlan:
    axes = np.asarray(slice_axes(slices[0]))
    count = int(places[-1]) + 1
    missing = sorted(set(range(count)) - set(places.tolist()))
    notices = [missing_notice(missing, heights[0], step, axes[2])] if missing else []
    notices += thickness_notices(slices, step) if len(slices) > 1 else []
    squint = cosine_notices(slices[0])
    return GridPlan(
        slices=tuple(slices),
        geometry=Geometry(
            shape=(count, *size),
            origin=_point(slices[0].position),
            spacing=(*_in_plane(slices), step),
            direction=(_point(axes[0]), _point(axes[1]), _point(axes[2])),
        ),
        targets=tuple(int(place) for place in places),
        notices=(*notices, *squint),
        approximate=bool(missing or squint),
    )


def _resampled(
    slices: list[SliceSource],
    size: tuple[int, int],
    heights: Vector,
    drift: NDArray[np.float64],
    *,
    even: bool,
) -> GridPlan:
    axes = np.asarray(slice_axes(slices[0]))
    columns_mm, rows_mm = _in_plane(slices)
    step = _resampled_step(slices, heights)
    first = drift.min(axis=0)
    shifts = (drift - first) / (rows_mm, columns_mm)
    grown = np.ceil(shifts.max(axis=0) - 1e-3).astype(int)
    count = round(float(heights[-1] - heights[0]) / step) + 1
    origin = first[0] * axes[1] + first[1] * axes[0] + heights[0] * axes[2]
    blends = _blends(heights, heights[0] + np.arange(count) * step, _widest_gap(slices, heights))
    angle = _tilt_angle(heights, drift)
    return GridPlan(
        slices=tuple(slices),
        geometry=Geometry(
            shape=(count, size[0] + int(grown[0]), size[1] + int(grown[1])),
            origin=_point(origin),
            spacing=(columns_mm, rows_mm, step),
            direction=(_point(axes[0]), _point(axes[1]), _point(axes[2])),
        ),
        targets=(),
        blends=blends,
        shifts=shifts,
        notices=resampled_notices(
            heights, step, angle, even=even, empty=sum(blend is None for blend in blends)
        ),
        approximate=True,
    )


def _resampled_step(slices: list[SliceSource], heights: Vector) -> float:
    gaps = np.diff(heights)
    gaps = gaps[gaps > 1e-3]
    typical = float(np.median(gaps)) if gaps.size else 1.0
    known = [one.thickness for one in slices if one.thickness and one.thickness > 0]
    return max(min(typical, float(np.median(known))) if known else typical, 0.1)


def _widest_gap(slices: list[SliceSource], heights: Vector) -> float:
    """Largest distance in mm across which two slices may be blended."""
    known = [one.thickness for one in slices if one.thickness and one.thickness > 0]
    return 2.0 * max(known) if known else 1.5 * float(np.median(np.diff(heights)))


def _blends(heights: Vector, wanted: Vector, widest: float) -> tuple[Blend | None, ...]:
    last = len(heights) - 1
    blends: list[Blend | None] = []
    for height in wanted:
        upper = int(np.clip(np.searchsorted(heights, height), 1, last))
        lower = upper - 1
        gap = float(heights[upper] - heights[lower])
        weight = float(np.clip((height - heights[lower]) / gap, 0, 1)) if gap > 1e-6 else 0.0
        if gap <= widest:
            blends.append(Blend(lower, upper, weight))
            continue
        near = lower if weight < 0.5 else upper
        reach = abs(float(heights[near] - height))
        blends.append(Blend(near, near, 0.0) if reach <= widest / 4 else None)
    return tuple(blends)


def _tilt_angle(heights: Vector, drift: NDArray[np.float64]) -> float:
    """Angle in degrees between the slice normal and the line on which the slices lie."""
    sideways = float(np.linalg.norm(drift[-1] - drift[0]))
    return float(np.degrees(np.arctan2(sideways, heights[-1] - heights[0])))


def _point(values: object) -> Point:
    x, y, z = (float(value) for value in np.asarray(values, dtype=np.float64))
    return x, y, z
