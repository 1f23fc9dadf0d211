"""The mouse as a measuring tool on real panes; what is drawn, chosen, moved and given up."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication

from workstation.core.geometry import Geometry, Plane
from workstation.core.session import OverlayLevel, Pane
from workstation.core.study import Notice
from workstation.render.overlay import Tone
from workstation.tools import measure

LEFT, RIGHT = Qt.MouseButton.LeftButton, Qt.MouseButton.RightButton
NONE = Qt.MouseButton.NoButton


@pytest.fixture
def axial(area, reading):
    return area.pane(Pane.AXIAL)


@pytest.fixture
def click(qtbot, move_mouse):
    """Click at places, the mouse moving from one to the next."""

    def clicks(pane, *places):
        for place in places:
            move_mouse(pane, QPoint(*place), NONE)
            qtbot.mouseClick(pane, LEFT, pos=QPoint(*place))

    return clicks


def drawn(area, pane=Pane.AXIAL):
    for _ in range(6):
        QApplication.processEvents()
    return area.pane(pane).scene.measurements


def pixel(pane, point):
    """Where an LPS point lies on a pane."""
    scene, volume = pane.scene, pane._volume
    flat = (np.array(point) - scene.centre) @ scene.axes.vectors(volume.geometry)[:2].T
    x, y = pane.mapping().to_pixel(*flat)
    return round(x), round(y)


def test_dragging_and_clicking_draw_the_same(area, reading, axial, drag, click):
    reading.tool = "length"
    drag(axial, LEFT, (120, 90), (200, 150))
    click(axial, (120, 90), (200, 150))
    one, other = reading.measurements
    assert one.points == other.points
    assert one.id != other.id
    assert one.points == (axial.point_at(120, 90), axial.point_at(200, 150))


def test_what_is_being_drawn_follows_the_mouse_with_its_value(
    area, reading, axial, qtbot, move_mouse
):
    reading.tool = "length"
    qtbot.mouseClick(axial, LEFT, pos=QPoint(120, 90))
    move_mouse(axial, QPoint(180, 170), NONE)
    (preview,) = drawn(area)
    length = math.dist(axial.point_at(120, 90), axial.point_at(180, 170))
    assert preview.lines == (f"{length:.1f}\u00a0mm",)
    assert reading.measurements == ()


def test_an_angle_takes_three_points_and_an_ellipse_two(area, reading, axial, drag, click):
    reading.tool = "angle"
    click(axial, (200, 80), (120, 150), (220, 150))
    reading.tool = "ellipse"
    drag(axial, LEFT, (150, 100), (190, 130))
    assert [len(each.points) for each in reading.measurements] == [3, 2]
    reading.tool = "angle"
    drag(axial, LEFT, (200, 80), (120, 150))
    assert len(reading.measurements) == 2, "the third point is still to come"
    click(axial, (220, 150))
    assert reading.measurements[2].points == reading.measurements[0].points


@pytest.mark.parametrize("pane", [Pane.CORONAL, Pane.SAGITTAL])
def test_other_planes_measure_in_mm_too(area, reading, drag, pane):
    reading.tool = "length"
    view = area.pane(pane)
    drag(view, LEFT, (120, 90), (200, 150))
    (made,) = reading.measurements
    assert made.plane is pane.value
    (value,) = measure(made, reading.volume).values
    pixels = math.hypot(80, 60) * view.mapping().mm_per_pixel
    assert value.number == pytest.approx(pixels)
    assert drawn(area, Pane.AXIAL) == ()


def test_the_screens_right_is_the_patients_left(area, reading, axial, click):
    volume = reading.volume
    voxels = np.zeros_like(volume.voxels)
    voxels[:, :, 40] = 777  # x = -64 + 2·40 = 16 mm: left
    reading.open(replace(volume, voxels=voxels))
    drawn(area)
    place = pixel(axial, (16.0, 0.0, reading.cursor[2]))
    assert place[0] > axial.width() / 2
    reading.tool = "probe"
    click(axial, place)
    (value,) = measure(reading.measurements[0], reading.volume).values
    assert (value.number, value.unit) == (777, "HU")
    assert reading.measurements[0].points[0][0] > 0


def test_a_handle_is_moved_and_the_other_stays(area, reading, axial, drag):
    reading.tool = "length"
    drag(axial, LEFT, (120, 90), (200, 150))
    (before,) = reading.measurements
    reading.tool = ""
    drawn(area)
    window = reading.window
    drag(axial, LEFT, (200, 150), (200, 210))
    (after,) = reading.measurements
    assert after.id == before.id
    assert after.points == (before.points[0], axial.point_at(200, 210))
    assert reading.window == window


def test_its_line_moves_the_whole(area, reading, axial, drag):
    reading.tool = "length"
    drag(axial, LEFT, (100, 100), (200, 100))
    (before,) = reading.measurements
    drawn(area)
    drag(axial, LEFT, (150, 100), (150, 130))
    (after,) = reading.measurements
    shifts = np.subtract(after.points, before.points)
    assert np.allclose(shifts[0], shifts[1])
    assert np.allclose(shifts[0], np.subtract(axial.point_at(150, 130), axial.point_at(150, 100)))


def test_a_click_chooses_and_delete_removes(area, reading, axial, drag, click):
    reading.tool = "length"
    drag(axial, LEFT, (100, 100), (200, 100))
    drag(axial, LEFT, (100, 160), (200, 160))
    first, second = reading.measurements
    reading.tool = ""
    drawn(area)
    cursor = reading.cursor
    click(axial, (150, 101))
    assert reading.selected == first.id
    assert reading.cursor == cursor
    told = []
    reading.measured.connect(lambda before, after: told.append((before, after)))
    reading.remove(reading.selected)
    assert reading.measurements == (second,)
    assert told == [(first, None)]
    assert reading.selected == ""
    click(axial, (30, 30))
    assert reading.cursor != cursor


def test_escape_gives_up_what_is_drawn_then_the_tool_then_the_choice(
    area, reading, axial, keys, qtbot, drag
):
    reading.tool = "length"
    drag(axial, LEFT, (100, 100), (200, 100))
    qtbot.mouseClick(axial, LEFT, pos=QPoint(100, 150))
    assert reading.drawing is not None
    qtbot.keyClick(axial, Qt.Key.Key_Escape)
    assert (reading.drawing, reading.tool) == (None, "length")
    qtbot.keyClick(axial, Qt.Key.Key_Escape)
    assert reading.tool == ""
    reading.selected = reading.measurements[0].id
    qtbot.keyClick(axial, Qt.Key.Key_Escape)
    assert reading.selected == ""
    assert len(reading.measurements) == 1


def test_escape_gives_up_a_move(area, reading, axial, qtbot, move_mouse, drag):
    reading.tool = "length"
    drag(axial, LEFT, (100, 100), (200, 100))
    before = reading.measurements
    drawn(area)
    qtbot.mousePress(axial, LEFT, pos=QPoint(200, 100))
    move_mouse(axial, QPoint(220, 140), LEFT)
    assert reading.drawing is not None
    reading.drawing = None
    move_mouse(axial, QPoint(240, 160), LEFT)
    qtbot.mouseRelease(axial, LEFT, pos=QPoint(240, 160))
    assert reading.measurements == before


def test_scrolling_away_gives_up_what_is_not_finished(area, reading, axial, wheel, click):
    reading.tool = "length"
    click(axial, (100, 100))
    wheel(axial, -120)
    drawn(area)
    click(axial, (150, 150), (190, 150))
    (made,) = reading.measurements
    assert made.points[0] == axial.point_at(150, 150)


def test_a_tool_in_hand_leaves_the_other_buttons_and_the_double_click(
    area, reading, axial, drag, qtbot
):
    reading.tool = "length"
    zoom = reading.cameras[Plane.AXIAL].zoom
    drag(axial, RIGHT, (100, 100), (100, 60))
    assert reading.cameras[Plane.AXIAL].zoom > zoom
    qtbot.mouseDClick(axial, LEFT, pos=QPoint(100, 100))
    assert reading.maximised is None


def test_a_length_without_length_is_not_kept(area, reading, axial, click):
    reading.tool = "length"
    click(axial, (100, 100), (100, 100))
    assert reading.measurements == ()
    assert reading.drawing is None


def test_points_stay_on_the_slice(area, reading, axial, drag):
    reading.tool = "length"
    drag(axial, LEFT, (200, 150), (2, 150))
    (made,) = reading.measurements
    left = -64 - 1  # the edge of the first pixel, 2 mm wide, centred at -64
    assert made.points[1][0] == pytest.approx(max(left, axial.point_at(2, 150)[0]))


def test_nothing_is_measured_on_a_slice_that_is_not_loaded(area, reading, axial, drag):
    available = np.zeros(reading.volume.geometry.shape[0], bool)
    reading.refresh(replace(reading.volume, available=available))
    drawn(area)
    reading.tool = "length"
    drag(axial, LEFT, (100, 100), (200, 100))
    assert reading.measurements == ()


def _colours(widget):
    image = widget.grab().toImage()
    return {image.pixelColor(x, y).getRgb()[:3] for x in range(image.width())
            for y in range(image.height())}  # fmt: skip


def test_it_reads_on_white_and_on_black_and_tells_its_doubt_in_amber(area, reading, axial, drag):
    reading.overlay = OverlayLevel.NONE
    reading.crosshair = False
    reading.tool = "length"
    drag(axial, LEFT, (60, 100), (250, 190))
    reading.selected = ""
    reading.tool = "ellipse"
    drawn(area)
    assert Tone.AMBER.value not in _colours(axial)
    assert Tone.MEASURE.value in _colours(axial)
    badge = Notice("x", badge="resampled (tilt 18.5°)")
    reading.refresh(replace(reading.volume, approximate=True, notices=(badge,)))
    (shown,) = drawn(area)
    assert shown.doubt == "resampled (tilt 18.5°)"
    assert shown.lines[0].startswith("≈ ")
    assert Tone.AMBER.value in _colours(axial)


def test_the_handles_of_an_oblique_grid_lie_under_the_mouse(area, reading, axial, drag):
    c, s = math.cos(0.3), math.sin(0.3)
    axes = ((1.0, 0.0, 0.0), (0.0, c, s), (0.0, -s, c))
    shape = reading.volume.geometry.shape
    geometry = Geometry(shape, (-64.0, -64.0, 100.0), (2.0, 1.0, 3.0), axes)
    reading.open(replace(reading.volume, geometry=geometry))
    drawn(area)
    reading.tool = "length"
    drag(axial, LEFT, (120, 90), (200, 150))
    (made,) = reading.measurements
    assert [pixel(axial, point) for point in made.points] == [(120, 90), (200, 150)]
    (value,) = measure(made, reading.volume).values
    assert value.number == pytest.approx(100 * axial.mapping().mm_per_pixel)
