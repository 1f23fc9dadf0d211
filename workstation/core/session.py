"""What the reader has open and how they look at it: the mutable intent of the window.

Only frozen values stand in the evented fields; views never read this, they receive
what :func:`workstation.core.scene.resolve` makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import ClassVar

import numpy as np
from psygnal import Signal, SignalGroupDescriptor

from model_runtime.api import HeatMap
from workstation.core.display import Window
from workstation.core.geometry import Plane, PlaneAxes, Point
from workstation.core.measurement import Measurement
from workstation.core.volume import Volume

_DEFAULT_WINDOW = Window(400, 40)


class OverlayLevel(Enum):
    """How much text stands on the images."""

    ALL = "all"
    MINIMAL = "minimal"
    NONE = "none"

    def next(self) -> OverlayLevel:
        """Level after this one, round and round."""
        levels = list(OverlayLevel)
        return levels[(levels.index(self) + 1) % len(levels)]


class Pane(Enum):
    """The four panes of the reading layout."""

    AXIAL = Plane.AXIAL
    CORONAL = Plane.CORONAL
    SAGITTAL = Plane.SAGITTAL
    VOLUME = "3D"


@dataclass(frozen=True)
class Camera:
    """Zoom relative to fitting the pane, and the shift of the image in mm (right, down)."""

    zoom: float = 1.0
    pan: tuple[float, float] = (0.0, 0.0)


_CAMERAS: Mapping[Plane, Camera] = MappingProxyType({plane: Camera() for plane in Plane})


@dataclass
class Reading:
    """One volume on screen, with where and how it is looked at.

    Attributes
    ----------
    cursor : tuple of float
        The crosshair, LPS mm.
    loaded : int
        Slices available so far; changes as a series arrives.
    other_patient : bool
        True for a prior case of somebody else, which stands under a banner.
    evidence : HeatMap or None
        Where the model's words come from, drawn over the slices; goes with the volume.
    tool : str
        Name of the measuring tool in hand; empty: the left button changes the window.
    measurements : tuple of Measurement
        What stands on this series.
    drawing : Measurement or None
        One that is being drawn or moved, not yet among them as it is.
    selected : str
        Id of the measurement that keys act on.

    ``measured`` tells each change that the reader made: the measurement before and after it,
    None where there was or is none.
    """

    measured: ClassVar[Signal] = Signal(object, object)

    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    volume: Volume | None = None
    loaded: int = 0
    cursor: Point = (0.0, 0.0, 0.0)
    window: Window = _DEFAULT_WINDOW
    inverted: bool = False
    cameras: Mapping[Plane, Camera] = field(default_factory=lambda: _CAMERAS)
    active: Pane = Pane.AXIAL
    maximised: Pane | None = None
    overlay: OverlayLevel = OverlayLevel.ALL
    crosshair: bool = True
    other_patient: bool = False
    evidence: HeatMap | None = None
    tool: str = ""
    measurements: tuple[Measurement, ...] = ()
    drawing: Measurement | None = None
    selected: str = ""

    def open(self, volume: Volume | None, window: Window | None = None) -> None:
        """Put a volume on screen: cursor at its centre, cameras fitted, its own window."""
        self.evidence = None
        self.drawing = None
        self.selected = ""
        self.measurements = ()
        self.volume = volume
        self.cameras = _CAMERAS
        self.inverted = False
        if volume is None:
            self.loaded = 0
            return
        self.cursor = volume.geometry.centre
        self.window = window or volume.window or _DEFAULT_WINDOW
        self.loaded = int(volume.available.sum())

    def refresh(self, volume: Volume) -> None:
        """Take a fuller state of the volume on screen; the reader's view stays as it is."""
        self.volume = volume
        self.loaded = int(volume.available.sum())

    def scroll(self, plane: Plane, slices: int) -> None:
        """Move the cursor by slices along a plane, stopping at the ends."""
        if self.volume is None:
            return
        axes = PlaneAxes.of(self.volume.geometry, plane)
        here = axes.slice_index(self.volume.geometry, self.cursor)
        self.go_to_slice(plane, here + slices)

    def go_to_slice(self, plane: Plane, slice_index: int) -> None:
        """Move the cursor onto a slice of a plane, clamped to the volume."""
        if self.volume is None:
            return
        geometry = self.volume.geometry
        axes = PlaneAxes.of(geometry, plane)
        wanted = int(np.clip(slice_index, 0, axes.count(geometry) - 1))
        index = geometry.to_index(self.cursor)
        index[axes.through[0]] = axes.grid_index(geometry, wanted)
        x, y, z = (float(value) for value in geometry.to_lps(index))
        self.cursor = (x, y, z)

    def point_at(self, lps: Point) -> None:
        """Move the crosshair to an LPS point in mm, clamped to the volume."""
        if self.volume is None:
            return
        geometry = self.volume.geometry
        top = np.array(geometry.shape[::-1], dtype=np.float64) - 1
        index = np.clip(geometry.to_index(lps), 0, top)
        x, y, z = (float(value) for value in geometry.to_lps(index))
        self.cursor = (x, y, z)

    def move_camera(self, plane: Plane, camera: Camera) -> None:
        """Set one plane's camera; zoom is kept between 0.2 and 40."""
        kept = replace(camera, zoom=float(np.clip(camera.zoom, 0.2, 40.0)))
        self.cameras = MappingProxyType({**self.cameras, plane: kept})

    def toggle_maximised(self, pane: Pane) -> None:
        """Give one pane the whole area, or all panes theirs; window and cameras stay."""
        self.active = pane
        self.maximised = None if self.maximised is not None else pane

    def reset_cameras(self) -> None:
        """Fit all planes again; the window stays."""
        self.cameras = _CAMERAS

    def shown_measurements(self) -> tuple[Measurement, ...]:
        """Measurements as they stand, the one in hand as it is being drawn or moved."""
        drawing = self.drawing
        if drawing is None:
            return self.measurements
        return (*(each for each in self.measurements if each.id != drawing.id), drawing)

    def measurement(self, key: str) -> Measurement | None:
        """Measurement of an id."""
        return next((each for each in self.measurements if each.id == key), None)

    def keep(self, measurement: Measurement) -> None:
        """Add a measurement of the reader, or put it in the place of the one with its id."""
        before = self.measurement(measurement.id)
        self.drawing = None
        self.put(before, measurement)
        self.selected = measurement.id
        self.measured.emit(before, measurement)

    def remove(self, key: str) -> None:
        """Remove a measurement, as the reader wants."""
        before = self.measurement(key)
        if before is not None:
            self.put(before, None)
            self.measured.emit(before, None)

    def put(self, before: Measurement | None, after: Measurement | None) -> None:
        """Change what stands on the series without telling that the reader did."""
        gone = {each.id for each in (before, after) if each is not None}
        kept = [each for each in self.measurements if each.id not in gone]
        if after is not None:
            old = [each.id in gone for each in self.measurements]
            kept.insert(old.index(True) if any(old) else len(kept), after)
        self.measurements = tuple(kept)
        if after is None and self.selected in gone:
            self.selected = ""

    def show_measurement(self, key: str) -> None:
        """Go to the slice of a measurement and select it."""
        found = self.measurement(key)
        if found is None:
            return
        self.selected = key
        self.active = Pane(found.plane)
        middle = np.asarray(found.points).mean(axis=0)
        self.point_at((float(middle[0]), float(middle[1]), float(middle[2])))
