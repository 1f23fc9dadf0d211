"""From intent to what is drawn: one pure function, :func:`resolve`.

A :class:`SliceScene` is frozen and comparable; a view redraws when its scene differs
from the one on screen. So every display fault can be written as a test without a window.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workstation.core.display import Window
from workstation.core.drawn import DrawnMeasurement, Frame, Measure, drawn_on_slice
from workstation.core.evidence import SliceEvidence, evidence_on_slice
from workstation.core.geometry import Geometry, Plane, PlaneAxes, Point, orientation_letters
from workstation.core.session import Camera, OverlayLevel, Pane, Reading
from workstation.core.volume import Volume

Corners = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[str, ...]]
_BARE: Corners = ((), (), (), ())


@dataclass(frozen=True)
class SliceScene:
    """One plane as it shall be drawn.

    Attributes
    ----------
    volume_key : str
        Which voxels.
    slice_index, slice_count : int
        Slice counted in the plane's sense (from 0).
    grid_index : int
        Index along the grid axis that runs through the plane.
    available : bool
        False: the slice is not loaded (or could not be read); nothing is drawn for it.
    centre : tuple of float
        LPS mm of the middle of the slice, which an unpanned camera puts in the middle of the pane.
    extent : tuple of float
        mm across and down the whole slice, pixel edges included; zoom 1 fits it.
    cross : tuple of float or None
        Crosshair in mm (right, down) from ``centre``.
    letters : tuple of str
        Orientation at the left, right, top and bottom edge.
    corners : tuple of tuple of str
        Lines of text: top left, top right, bottom left, bottom right.
    evidence : SliceEvidence or None
        Blocks of the model's evidence, in the same millimetres as the crosshair.
    measurements : tuple of DrawnMeasurement
        What the reader measured on this slice, in the same millimetres.
    """

    volume_key: str
    plane: Plane
    axes: PlaneAxes
    slice_index: int
    slice_count: int
    grid_index: int
    available: bool
    centre: Point
    extent: tuple[float, float]
    camera: Camera
    window: Window
    inverted: bool
    cross: tuple[float, float] | None
    letters: tuple[str, str, str, str]
    corners: Corners
    active: bool
    calibrated: bool
    synthetic: bool
    other_patient: bool
    badges: tuple[str, ...]
    evidence: SliceEvidence | None = None
    measurements: tuple[DrawnMeasurement, ...] = ()


@dataclass(frozen=True)
class VolumeScene:
    """The 3D pane as it shall be drawn; ``loaded`` lets it refine as slices arrive."""

    volume_key: str
    loaded: int
    complete: bool
    cursor: Point
    window: Window
    active: bool
    corners: Corners


@dataclass(frozen=True)
class Scene:
    """Everything on the image area. ``slices`` is empty where nothing is open."""

    slices: tuple[SliceScene, ...] = ()
    volume: VolumeScene | None = None
    maximised: Pane | None = None

    def slice(self, plane: Plane) -> SliceScene | None:
        """Scene of one plane, or None where nothing is open."""
        return next((scene for scene in self.slices if scene.plane is plane), None)


def resolve(reading: Reading, measure: Measure | None = None) -> Scene:
    """Turn what the reader wants into what is drawn; ``measure`` tells what measurements give."""
    if reading.volume is None:
        return Scene(maximised=reading.maximised)
    return Scene(
        slices=tuple(_slice_scene(reading, reading.volume, plane, measure) for plane in Plane),
        volume=_volume_scene(reading, reading.volume),
        maximised=reading.maximised,
    )


def _slice_scene(
    reading: Reading, volume: Volume, plane: Plane, measure: Measure | None
) -> SliceScene:
    geometry = volume.geometry
    axes = PlaneAxes.of(geometry, plane)
    vectors = axes.vectors(geometry)
    index = axes.slice_index(geometry, reading.cursor)
    grid_index = axes.grid_index(geometry, index)
    centre, extent = _slice_centre(geometry, axes, grid_index), _extent(geometry, axes)
    offset = np.array(reading.cursor) - np.array(centre)
    frame = Frame(plane, grid_index, centre, vectors[:2])
    shown = reading.overlay is not OverlayLevel.NONE
    return SliceScene(
        volume_key=volume.key,
        plane=plane,
        axes=axes,
        slice_index=index,
        slice_count=axes.count(geometry),
        grid_index=grid_index,
        available=_is_available(volume, axes, grid_index),
        centre=centre,
        extent=extent,
        camera=reading.cameras[plane],
        window=reading.window,
        inverted=reading.inverted,
        cross=_cross(vectors, offset) if reading.crosshair else None,
        letters=_letters(vectors) if shown else ("", "", "", ""),
        corners=_corners(reading, volume, plane, index) if shown else _BARE,
        active=reading.active.value is plane,
        calibrated=volume.calibrated,
        synthetic=volume.series.synthetic,
        other_patient=reading.other_patient,
        badges=tuple(notice.badge for notice in volume.notices if notice.badge),
        evidence=_evidence(reading, centre, vectors, extent),
        measurements=drawn_on_slice(reading, measure, frame) if measure else (),
    )


def _evidence(
    reading: Reading, centre: Point, vectors: NDArray[np.float64], extent: tuple[float, float]
) -> SliceEvidence | None:
    if reading.evidence is None:
        return None
    return evidence_on_slice(reading.evidence, centre, vectors, extent)


def _slice_centre(geometry: Geometry, axes: PlaneAxes, grid_index: int) -> Point:
    index = (np.array(geometry.shape[::-1], dtype=np.float64) - 1) / 2
    index[axes.through[0]] = grid_index
    x, y, z = (float(value) for value in geometry.to_lps(index))
    return x, y, z


def _extent(geometry: Geometry, axes: PlaneAxes) -> tuple[float, float]:
    right, down = axes.right[0], axes.down[0]
    return (
        geometry.shape[2 - right] * geometry.spacing[right],
        geometry.shape[2 - down] * geometry.spacing[down],
    )


def _is_available(volume: Volume, axes: PlaneAxes, grid_index: int) -> bool:
    if axes.through[0] == 2:
        return bool(volume.available[grid_index])
    return bool(volume.available.any())


def _cross(vectors: NDArray[np.float64], offset: NDArray[np.float64]) -> tuple[float, float]:
    return float(offset @ vectors[0]), float(offset @ vectors[1])


def _letters(vectors: NDArray[np.float64]) -> tuple[str, str, str, str]:
    right, down = vectors[0], vectors[1]
    left_letter, top_letter = orientation_letters(-right), orientation_letters(-down)
    return left_letter, orientation_letters(right), top_letter, orientation_letters(down)


def _corners(reading: Reading, volume: Volume, plane: Plane, index: int) -> Corners:
    """Patient, series, position and display, one corner each."""
    series, geometry = volume.series, volume.geometry
    axes = PlaneAxes.of(geometry, plane)
    step = geometry.spacing[axes.through[0]]
    position = float(np.array(reading.cursor) @ plane.through)
    window, zoom = reading.window, reading.cameras[plane].zoom
    unit = "mm" if volume.calibrated else "px"
    place = (
        f"Slice {index + 1}/{axes.count(geometry)}",
        f"{_side(plane, position)} {abs(position):.1f} {unit} · step {step:.2f} {unit}",
    )
    look = (f"W {window.width:.0f} · L {window.center:.0f}", f"Zoom {zoom * 100:.0f} %")
    if reading.overlay is OverlayLevel.MINIMAL:
        return (plane.label,), (), place[:1], look[:1]
    patient = series.patient
    who = (patient.name, _joined(patient.id, patient.sex, patient.age))
    what = (series.description, _joined(series.modality, series.day))
    return (plane.label, *filter(None, who)), tuple(filter(None, what)), place, look


def _side(plane: Plane, position: float) -> str:
    return orientation_letters(plane.through if position >= 0 else -plane.through)


def _joined(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _volume_scene(reading: Reading, volume: Volume) -> VolumeScene:
    return VolumeScene(
        volume_key=volume.key,
        loaded=reading.loaded,
        complete=volume.complete,
        cursor=reading.cursor,
        window=reading.window,
        active=reading.active is Pane.VOLUME,
        corners=_BARE if reading.overlay is OverlayLevel.NONE else (("3D",), (), (), ()),
    )
