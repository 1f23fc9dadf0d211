import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest

from workstation.core.display import Window
from workstation.core.geometry import Plane
from workstation.core.scene import resolve
from workstation.core.session import OverlayLevel, Pane

LEFT, MIDDLE, RIGHT = (
    Qt.MouseButton.LeftButton,
    Qt.MouseButton.MiddleButton,
    Qt.MouseButton.RightButton,
)


def slice_of(reading, plane=Plane.AXIAL):
    return resolve(reading).slice(plane).slice_index


@pytest.mark.parametrize("pane", [Pane.AXIAL, Pane.CORONAL, Pane.SAGITTAL])
def test_the_wheel_scrolls_the_pane_under_it(area, reading, wheel, pane):
    before = slice_of(reading, pane.value)
    wheel(area.pane(pane), -120)
    assert slice_of(reading, pane.value) == before + 1
    wheel(area.pane(pane), 240)
    assert slice_of(reading, pane.value) == before - 1
    assert reading.active is pane


def test_a_fine_wheel_adds_up_and_forgets_when_turned_round(area, reading, wheel):
    before = slice_of(reading)
    for _ in range(7):
        wheel(area.pane(Pane.AXIAL), -20)
    assert slice_of(reading) == before + 1
    for _ in range(6):
        wheel(area.pane(Pane.AXIAL), 20)
    assert slice_of(reading) == before


@pytest.mark.parametrize(
    "modifier", [Qt.KeyboardModifier.ShiftModifier, Qt.KeyboardModifier.ControlModifier]
)
def test_shift_or_ctrl_scrolls_ten_times_as_far(area, reading, wheel, modifier):
    before = slice_of(reading)
    wheel(area.pane(Pane.AXIAL), -120, modifier)
    assert slice_of(reading) == before + 10


def test_a_left_drag_changes_the_window_only(area, reading, drag):
    cursor, camera = reading.cursor, reading.cameras[Plane.AXIAL]
    before = reading.window
    drag(area.pane(Pane.AXIAL), LEFT, (100, 100), (150, 100))
    assert reading.window.width > before.width
    assert reading.window.center == before.center
    wide = reading.window
    drag(area.pane(Pane.AXIAL), LEFT, (100, 100), (100, 60))
    assert reading.window.width == wide.width
    assert reading.window.center < wide.center
    assert (reading.cursor, reading.cameras[Plane.AXIAL]) == (cursor, camera)


def test_a_middle_drag_moves_the_image_with_the_mouse(area, reading, drag, qtbot):
    pane = area.pane(Pane.CORONAL)
    under = pane.point_at(120, 90)
    drag(pane, MIDDLE, (120, 90), (160, 70))
    qtbot.waitUntil(lambda: pane.scene.camera.pan != (0.0, 0.0))
    assert pane.point_at(160, 70) == pytest.approx(under)
    assert reading.cameras[Plane.AXIAL].pan == (0.0, 0.0)


@pytest.mark.parametrize(("to", "larger"), [((120, 40), True), ((120, 190), False)])
def test_a_right_drag_zooms_about_the_place_pressed(reading, area, drag, qtbot, to, larger):
    pane = area.pane(Pane.AXIAL)
    under = pane.point_at(120, 90)
    drag(pane, RIGHT, (120, 90), to)
    qtbot.waitUntil(lambda: pane.scene.camera.zoom != 1.0)
    assert (pane.scene.camera.zoom > 1) is larger
    assert pane.point_at(120, 90) == pytest.approx(under)


def test_a_click_sets_the_crosshair_in_all_planes(area, reading, qtbot):
    pane = area.pane(Pane.AXIAL)
    wanted = pane.point_at(150, 110)
    qtbot.mouseClick(pane, LEFT, pos=QPoint(150, 110))
    assert reading.cursor == pytest.approx(wanted)
    expected = [resolve(reading).slice(p).slice_index for p in (Plane.CORONAL, Plane.SAGITTAL)]
    coronal, sagittal = area.pane(Pane.CORONAL), area.pane(Pane.SAGITTAL)
    qtbot.waitUntil(
        lambda: [coronal.scene.slice_index, sagittal.scene.slice_index] == expected
    )


def test_shift_and_moving_carries_the_crosshair(area, reading, move_mouse):
    pane = area.pane(Pane.SAGITTAL)
    wanted = pane.point_at(170, 130)
    move_mouse(pane, QPoint(170, 130), Qt.MouseButton.NoButton, Qt.KeyboardModifier.ShiftModifier)
    assert reading.cursor == pytest.approx(wanted)


def test_a_double_click_maximises_and_restores_and_changes_nothing_else(area, reading, qtbot):
    reading.window = Window(1500, -600)
    before = reading.cursor, reading.window, dict(reading.cameras)
    pane = area.pane(Pane.CORONAL)
    for maximised in (Pane.CORONAL, None):
        # As a real double click arrives: press, release, double click, release.
        qtbot.mouseClick(pane, LEFT, pos=QPoint(60, 60))
        QTest.mouseDClick(pane, LEFT, pos=QPoint(60, 60))
        assert reading.maximised is maximised
        qtbot.waitUntil(lambda: area.pane(Pane.AXIAL).isVisible() is (reading.maximised is None))
    assert (reading.cursor, reading.window, dict(reading.cameras)) == before


def test_a_maximised_pane_fills_the_area(area, reading, qtbot):
    reading.toggle_maximised(Pane.SAGITTAL)
    qtbot.waitUntil(lambda: area.pane(Pane.SAGITTAL).width() > 790)
    assert area.pane(Pane.SAGITTAL).height() > 590
    reading.toggle_maximised(Pane.SAGITTAL)
    qtbot.waitUntil(lambda: area.pane(Pane.SAGITTAL).width() < 410)


@pytest.mark.parametrize(
    ("key", "modifier", "slices"),
    [
        (Qt.Key.Key_Down, Qt.KeyboardModifier.NoModifier, 1),
        (Qt.Key.Key_Up, Qt.KeyboardModifier.NoModifier, -1),
        (Qt.Key.Key_Down, Qt.KeyboardModifier.ShiftModifier, 10),
        (Qt.Key.Key_Up, Qt.KeyboardModifier.ShiftModifier, -10),
    ],
)
@pytest.mark.usefixtures("keys")
def test_arrows_scroll_the_active_pane(area, reading, qtbot, key, modifier, slices):
    area.pane(Pane.CORONAL).setFocus()
    before = slice_of(reading, Plane.CORONAL)
    qtbot.keyClick(area.pane(Pane.CORONAL), key, modifier)
    assert slice_of(reading, Plane.CORONAL) == before + slices


@pytest.mark.usefixtures("keys")
def test_home_and_end_go_to_the_ends(area, reading, qtbot):
    qtbot.keyClick(area.pane(Pane.AXIAL), Qt.Key.Key_End)
    assert slice_of(reading) == 39
    qtbot.keyClick(area.pane(Pane.AXIAL), Qt.Key.Key_Home)
    assert slice_of(reading) == 0


@pytest.mark.usefixtures("keys")
def test_letters_and_space_switch_what_is_shown(area, reading, qtbot):
    pane = area.pane(Pane.AXIAL)
    qtbot.keyClick(pane, Qt.Key.Key_I)
    qtbot.keyClick(pane, Qt.Key.Key_X)
    qtbot.keyClick(pane, Qt.Key.Key_Space)
    assert (reading.inverted, reading.crosshair) == (True, False)
    assert reading.overlay is OverlayLevel.MINIMAL


@pytest.mark.parametrize("key", [Qt.Key.Key_R, Qt.Key.Key_Escape])
@pytest.mark.usefixtures("keys")
def test_reset_fits_the_views_and_keeps_the_window(area, reading, drag, qtbot, key):
    reading.window = Window(80, 40)
    drag(area.pane(Pane.AXIAL), RIGHT, (50, 50), (50, 10))
    qtbot.keyClick(area.pane(Pane.AXIAL), key)
    assert reading.cameras[Plane.AXIAL].zoom == 1.0
    assert reading.window == Window(80, 40)


@pytest.mark.parametrize(
    ("key", "window"),
    [
        (Qt.Key.Key_1, Window(400, 40)),
        (Qt.Key.Key_2, Window(1500, -600)),
        (Qt.Key.Key_3, Window(2000, 350)),
        (Qt.Key.Key_4, Window(80, 40)),
        (Qt.Key.Key_5, Window(350, 40)),
        (Qt.Key.Key_6, Window(150, 90)),
        (Qt.Key.Key_7, Window(600, 200)),
        (Qt.Key.Key_8, Window(350, 40)),
        (Qt.Key.Key_9, Window(40, 40)),
        (Qt.Key.Key_QuoteLeft, Window(350, 100)),
    ],
)
@pytest.mark.usefixtures("keys")
def test_number_keys_set_the_reading_rooms_windows(area, reading, qtbot, key, window):
    reading.window = Window(777, 7)
    qtbot.keyClick(area.pane(Pane.AXIAL), key)
    assert reading.window == window


@pytest.mark.usefixtures("keys")
def test_zero_takes_the_window_from_the_pixels(area, reading, qtbot):
    qtbot.keyClick(area.pane(Pane.AXIAL), Qt.Key.Key_0)
    values = reading.volume.voxels
    assert values.min() < reading.window.low < reading.window.high < values.max()


def test_tab_goes_from_pane_to_pane(area, reading, qtbot):
    for pane in (Pane.SAGITTAL, Pane.CORONAL, Pane.VOLUME):
        qtbot.keyClick(area.focusWidget(), Qt.Key.Key_Tab)
        assert reading.active is pane


def test_nothing_can_be_done_without_a_volume(area, reading, keys):
    reading.open(None)
    assert not any(action.enabled() for action in keys.values())
    for action in keys.values():
        action.run()
