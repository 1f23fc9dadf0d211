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
from psygnal import SignalGroupDescriptor

from model_runtime.api import HeatMap
from workstation.core.display import Window
from workstation.core.geometry import Plane, PlaneAxes, Point
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
    """

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

    def open(self, volume: Volume | None, window: Window | None = None) -> None:
        """Put a volume on screen: cursor at its centre, cameras fitted, its own window."""
        self.evidence = None
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
