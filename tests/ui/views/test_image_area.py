import os
import subprocess
import sys
import time

import numpy as np
import pytest
from PySide6.QtGui import QImage

from workstation.core.display import Window, window_table
from workstation.core.geometry import Geometry, Plane
from workstation.core.scene import resolve
from workstation.core.session import OverlayLevel, Pane, Reading
from workstation.core.study import Series
from workstation.core.volume import Volume
from workstation.ui.image_area import EmptyHint


def shot(widget):
    """Pixels of a widget as on screen: RGB (height, width, 3)."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).copy()


def wait_for_scene(qtbot, area, reading):
    """Wait until every visible plane shows what the reading wants."""

    def drawn():
        scene = resolve(reading)
        panes = [area.pane(Pane(plane)) for plane in Plane]
        return all(p.scene == scene.slice(p.pane.value) for p in panes if p.isVisible())

    qtbot.waitUntil(drawn)


def test_an_empty_area_says_what_to_do(area):
    hint = area.findChild(EmptyHint)
    assert hint.isVisible()
    picture = shot(area)
    middle = picture[250:350, 100:700]
    assert 80 < middle.max() < 200
    assert not picture[:200].any()


def test_opening_shows_the_panes_and_closing_the_hint(area, reading, qtbot):
    assert area.pane(Pane.AXIAL).isVisible()
    reading.open(None)
    assert area.findChild(EmptyHint).isVisible()
    assert not area.pane(Pane.AXIAL).isVisible()
    wait_for_scene(qtbot, area, reading)


def test_the_screen_shows_the_voxels_grey(area, reading, qtbot):
    reading.overlay, reading.crosshair = OverlayLevel.NONE, False
    wait_for_scene(qtbot, area, reading)
    pane = area.pane(Pane.AXIAL)
    picture = shot(pane)
    for x, y in ((120, 80), (200, 149), (280, 200)):
        value = reading.volume.value_at(pane.point_at(x + 0.5, y + 0.5))
        grey = int(window_table(reading.window)[32768 + value])
        assert np.abs(picture[y, x].astype(int) - grey).max() <= 3


def test_many_changes_in_one_turn_are_one_drawing(area, reading, qtbot):
    wait_for_scene(qtbot, area, reading)
    qtbot.wait(50)
    pane = area.pane(Pane.AXIAL)
    painted = []
    pane.painted.connect(lambda: painted.append(1))
    for _ in range(15):
        reading.scroll(Plane.AXIAL, 1)
    wait_for_scene(qtbot, area, reading)
    qtbot.wait(50)
    assert len(painted) == 1


def test_a_moved_crosshair_does_not_draw_the_other_planes_pixels_again(area, reading, qtbot):
    wait_for_scene(qtbot, area, reading)
    coronal = area.pane(Pane.CORONAL)
    drawings = []
    view = coronal._view
    original = view.picture
    view.picture = lambda *arguments: drawings.append(1) or original(*arguments)
    for _ in range(5):
        reading.scroll(Plane.AXIAL, 1)
        wait_for_scene(qtbot, area, reading)
    assert not drawings
    reading.window = Window(80, 40)
    wait_for_scene(qtbot, area, reading)
    qtbot.waitUntil(lambda: len(drawings) == 1)


def test_slices_appear_as_they_arrive(area, a_volume, qtbot):
    whole = a_volume()
    voxels, available = np.zeros_like(whole.voxels), np.zeros(40, bool)
    volume = Volume(whole.series, voxels, whole.geometry, available, Window(350, 100))
    reading = area.reading
    voxels[0], available[0] = 200, True
    reading.open(volume)
    reading.overlay, reading.crosshair = OverlayLevel.NONE, False
    reading.go_to_slice(Plane.AXIAL, 20)
    wait_for_scene(qtbot, area, reading)
    axial, coronal = area.pane(Pane.AXIAL), area.pane(Pane.CORONAL)
    assert shot(axial)[75, 200].max() == 0
    before = (shot(coronal) > 100).mean()
    voxels[:25], available[:25] = 200, True
    reading.refresh(volume)
    wait_for_scene(qtbot, area, reading)
    qtbot.waitUntil(lambda: shot(axial)[75, 200].max() > 150)
    qtbot.waitUntil(lambda: (shot(coronal) > 100).mean() > before + 0.2)


def test_the_3d_picture_comes_without_stopping_the_event_loop(area, reading, qtbot):
    view = area.pane(Pane.VOLUME)
    gaps, last = [], time.perf_counter()
    end = last + 20
    while view.picture is None and time.perf_counter() < end:
        qtbot.wait(1)
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    assert view.picture is not None
    assert view.picture.pixels.max() > 0
    assert np.percentile(gaps, 99) < 0.1


def test_the_3d_view_says_so_when_its_process_dies_and_comes_back(area, reading, qtbot):
    view = area.pane(Pane.VOLUME)
    qtbot.waitUntil(lambda: view.picture is not None, timeout=20000)
    view._supply._process._process.kill()
    view._supply._process._process.join()
    view.set_preset(view._presets[1])
    qtbot.waitUntil(lambda: "graphics driver" in view.state())
    view.restart()
    assert view.picture is None
    qtbot.waitUntil(lambda: view.picture is not None, timeout=20000)
    assert view.state() == ""


def another_patient(a_volume, slices=80):
    reading = Reading(other_patient=True)
    reading.open(a_volume("prior", slices))
    return reading


def test_a_prior_stands_beside_under_a_banner(area, reading, a_volume, qtbot):
    prior = another_patient(a_volume)
    area.show_beside(prior)
    pane = area.beside.panes[Pane.AXIAL]
    qtbot.waitUntil(lambda: pane.isVisible() and pane.scene is not None and pane.width() > 300)
    red, green, blue = shot(pane)[10, 20].astype(int)
    assert red > 200
    assert green > 150
    assert blue < 100
    grey = shot(area.pane(Pane.AXIAL))[10, 100]
    assert grey.max() == grey.min()
    area.close_beside()
    assert area.beside is None
    qtbot.waitUntil(lambda: area.pane(Pane.SAGITTAL).isVisible())


def test_both_scroll_to_the_same_relative_place_until_told_not_to(area, reading, a_volume):
    prior = another_patient(a_volume)
    area.show_beside(prior)
    reading.go_to_slice(Plane.AXIAL, 10)
    assert resolve(prior).slice(Plane.AXIAL).slice_index == round(10 / 39 * 79)
    prior.go_to_slice(Plane.AXIAL, 79)
    assert resolve(reading).slice(Plane.AXIAL).slice_index == 39
    area.set_synchronised(False)
    reading.go_to_slice(Plane.AXIAL, 0)
    assert resolve(prior).slice(Plane.AXIAL).slice_index == 79


def test_a_4k_screen_gets_every_device_pixel(repository):
    code = """
import sys
sys.path[:0] = ["tests/ui/views", "."]
from conftest import make_volume
from pathlib import Path
from PySide6.QtWidgets import QApplication
from PySide6.QtTest import QTest
from workstation.core.session import Pane, Reading
from workstation.ui.image_area import ImageArea
app = QApplication([])
area = ImageArea(Reading(), Path("resources/volume_presets.toml"))
area.resize(502, 402); area.show()
QTest.qWaitForWindowExposed(area)
area.reading.open(make_volume())
QTest.qWait(200)
pane = area.pane(Pane.AXIAL)
rows, columns = pane._picture.pixels.shape
print(pane.devicePixelRatioF(), rows, pane.height())
area.shut_down()
"""
    environment = os.environ | {"QT_SCALE_FACTOR": "2"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=repository, env=environment, check=False,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ratio, rows, height = done.stdout.split()
    assert float(ratio) == 2.0
    assert int(rows) == 2 * int(height)


@pytest.mark.real_data
def test_a_real_scan_lies_the_right_way_round(area, shared_data, qtbot):
    import SimpleITK

    image = SimpleITK.ReadImage(str(shared_data / "example_ct.nii.gz"))
    voxels = np.ascontiguousarray(SimpleITK.GetArrayFromImage(image), dtype=np.int16)
    axes = np.array(image.GetDirection()).reshape(3, 3).T
    direction = tuple(map(tuple, axes))
    geometry = Geometry(voxels.shape, image.GetOrigin(), image.GetSpacing(), direction)
    series = Series("real", "study", (), len(voxels), modality="CT")
    reading = area.reading
    reading.open(Volume(series, voxels, geometry, np.ones(len(voxels), bool)))
    reading.overlay, reading.crosshair = OverlayLevel.NONE, False
    reading.window = Window(200, 350)
    wait_for_scene(qtbot, area, reading)
    # The spine lies behind the belly: most bone is in the back half of both planes.
    axial = shot(area.pane(Pane.AXIAL))[2:-2, 2:-2].max(axis=2) > 100
    assert axial[148:].sum() > 2 * axial[:148].sum() > 0
    sagittal = shot(area.pane(Pane.SAGITTAL))[2:-2, 2:-2].max(axis=2) > 100
    assert sagittal[:, 198:].sum() > 2 * sagittal[:, :198].sum()


def test_a_3d_view_that_was_hidden_shows_what_came_meanwhile(area, reading, a_volume, qtbot):
    view = area.pane(Pane.VOLUME)
    qtbot.waitUntil(lambda: view.picture is not None, timeout=20000)
    reading.toggle_maximised(Pane.AXIAL)
    qtbot.waitUntil(lambda: not view.isVisible())
    first = view.picture
    reading.open(a_volume("another", 20))
    qtbot.waitUntil(lambda: view.picture is None)
    reading.toggle_maximised(Pane.AXIAL)
    qtbot.waitUntil(lambda: view.picture is not None, timeout=20000)
    assert view.picture is not first
