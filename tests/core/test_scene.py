"""From intent to picture, without a window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workstation.core.display import Window
from workstation.core.geometry import Geometry, Plane
from workstation.core.scene import Scene, resolve
from workstation.core.session import Camera, OverlayLevel, Pane, Reading
from workstation.core.study import Notice, Patient, Series
from workstation.core.volume import Volume


@pytest.fixture
def volume() -> Volume:
    series = Series(
        "key", "study", (), 10, modality="CT", description="Chest", date="2026-01-02",
        patient=Patient("TEST^PATIENT", "42", sex="F", age="050Y"),
    )  # fmt: skip
    geometry = Geometry((10, 20, 30), (-30, -20, 100), (2, 2, 5))
    voxels = np.arange(6000, dtype=np.int16).reshape(10, 20, 30)
    return Volume(series, voxels, geometry, np.ones(10, bool), window=Window(350, 50))


@pytest.fixture
def reading(volume: Volume) -> Reading:
    opened = Reading()
    opened.open(volume)
    return opened


def test_nothing_open_is_an_empty_scene() -> None:
    assert resolve(Reading()) == Scene()


def test_opening_centres_and_takes_the_headers_window(reading: Reading) -> None:
    assert reading.window == Window(350, 50)
    axial = resolve(reading).slice(Plane.AXIAL)
    assert axial is not None
    assert axial.letters == ("R", "L", "A", "P")
    assert axial.extent == (60, 40)
    assert resolve(reading).slice(Plane.CORONAL).letters == ("R", "L", "S", "I")
    assert resolve(reading).slice(Plane.SAGITTAL).letters == ("A", "P", "S", "I")


def test_equal_intent_is_an_equal_scene(reading: Reading, volume: Volume) -> None:
    other = Reading()
    other.open(volume)
    assert resolve(reading) == resolve(other)
    other.scroll(Plane.AXIAL, 1)
    assert resolve(reading) != resolve(other)


def test_scrolling_moves_whole_slices_and_stops_at_the_ends(reading: Reading) -> None:
    reading.go_to_slice(Plane.AXIAL, 0)
    reading.scroll(Plane.AXIAL, 3)
    axial = resolve(reading).slice(Plane.AXIAL)
    assert axial.slice_index == axial.grid_index == 3
    assert axial.corners[2][0] == "Slice 4/10"
    assert "S 115.0 mm" in axial.corners[2][1]
    reading.scroll(Plane.AXIAL, 99)
    assert resolve(reading).slice(Plane.AXIAL).slice_index == 9


def test_the_crosshair_links_the_planes(reading: Reading) -> None:
    reading.point_at((-10.0, 0.0, 120.0))
    scene = resolve(reading)
    assert scene.slice(Plane.SAGITTAL).slice_index == 10
    assert scene.slice(Plane.CORONAL).slice_index == 10
    assert scene.slice(Plane.AXIAL).slice_index == 4
    centre = np.array(scene.slice(Plane.AXIAL).centre)
    assert scene.slice(Plane.AXIAL).cross == pytest.approx((-10 - centre[0], 0 - centre[1]))
    reading.point_at((9999.0, 0.0, 0.0))
    assert reading.cursor[0] == pytest.approx(28)


def test_a_slice_that_is_not_loaded_is_not_drawn(volume: Volume) -> None:
    available = np.zeros(10, bool)
    available[5] = True
    reading = Reading()
    reading.open(replace(volume, available=available))
    reading.go_to_slice(Plane.AXIAL, 5)
    assert resolve(reading).slice(Plane.AXIAL).available
    reading.scroll(Plane.AXIAL, 1)
    assert not resolve(reading).slice(Plane.AXIAL).available
    assert reading.volume.value_at(reading.cursor) is None


def test_overlays_go_in_three_steps(reading: Reading) -> None:
    full = resolve(reading).slice(Plane.AXIAL)
    assert "TEST^PATIENT" in full.corners[0]
    reading.overlay = reading.overlay.next()
    assert "TEST^PATIENT" not in resolve(reading).slice(Plane.AXIAL).corners[0]
    reading.overlay = reading.overlay.next()
    assert resolve(reading).slice(Plane.AXIAL).corners == ((), (), (), ())
    assert reading.overlay.next() is OverlayLevel.ALL


def test_maximising_and_resetting_keep_the_window(reading: Reading) -> None:
    reading.window = Window(80, 40)
    reading.move_camera(Plane.AXIAL, Camera(3, (5, 5)))
    reading.toggle_maximised(Pane.CORONAL)
    assert resolve(reading).maximised is Pane.CORONAL
    reading.toggle_maximised(Pane.CORONAL)
    reading.reset_cameras()
    assert reading.window == Window(80, 40)
    assert resolve(reading).slice(Plane.AXIAL).camera == Camera()


def test_badges_and_units_reach_the_picture(volume: Volume) -> None:
    reading = Reading()
    notices = (Notice("Tilted.", badge="resampled (tilt 18.5°)"), Notice("Quiet."))
    reading.open(replace(volume, notices=notices, calibrated=False))
    axial = resolve(reading).slice(Plane.AXIAL)
    assert axial.badges == ("resampled (tilt 18.5°)",)
    assert "px" in axial.corners[2][1]
    assert "mm" not in axial.corners[2][1]


def test_value_under_a_point_is_the_nearest_voxel(volume: Volume) -> None:
    assert volume.value_at((-30, -20, 100)) == 0
    assert volume.value_at((-28, -20, 100)) == 1
    assert volume.value_at((-30, -18, 105)) == 600 + 30
    assert volume.value_at((500, 0, 0)) is None
