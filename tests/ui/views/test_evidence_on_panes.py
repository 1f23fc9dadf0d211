"""Evidence on real panes: the right pixels turn violet, the scan shines through, keys hide it."""

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

from model_runtime.api import HeatMap
from workstation.core.display import Window
from workstation.core.scene import resolve
from workstation.core.session import Camera, OverlayLevel, Pane


def shot(widget):
    """Pixels of a widget as on screen: RGB (height, width, 3)."""
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)
    return rows[:, : image.width() * 3].reshape(image.height(), image.width(), 3).astype(int)


@pytest.fixture
def heat():
    """One hot cell of 40 mm, centred on LPS (20, −20, 160)."""
    values = np.zeros((2, 3, 3), dtype=np.float32)
    values[1, 0, 2] = 1.0
    matrix = np.diag([40.0, 40.0, 40.0, 1.0])
    matrix[:3, 3] = (-60.0, -20.0, 120.0)
    return HeatMap(values, matrix)


def drawn(qtbot, area, reading):
    scene = resolve(reading)
    panes = [p for p in Pane if p is not Pane.VOLUME]
    qtbot.waitUntil(lambda: all(area.pane(p).scene == scene.slice(p.value) for p in panes))


@pytest.mark.parametrize("pane", [Pane.AXIAL, Pane.CORONAL, Pane.SAGITTAL])
def test_exactly_the_cells_pixels_turn_violet_and_the_scan_shines_through(
    area, reading, qtbot, heat, pane
):
    reading.overlay, reading.crosshair = OverlayLevel.NONE, False
    reading.window = Window(2000, 0)
    reading.point_at((20.0, -20.0, 160.0))
    drawn(qtbot, area, reading)
    before = shot(area.pane(pane))
    reading.evidence = heat
    drawn(qtbot, area, reading)
    view = area.pane(pane)
    after = shot(view)
    tinted = (after[..., 2] - after[..., 1]) > 15
    checked = {True: 0, False: 0}
    for y in range(80, view.height() - 4, 6):
        for x in range(4, view.width() - 4, 6):
            lps = np.array(view.point_at(x + 0.5, y + 0.5))
            off = np.abs(lps - (20.0, -20.0, 160.0)).max() - 20.0
            inside_volume = (before[y, x] > 0).all()
            if inside_volume and abs(off) > 2.0:
                assert tinted[y, x] == (off < 0), (x, y, lps)
                checked[bool(off < 0)] += 1
    assert min(checked.values()) > 30
    y, x = np.argwhere(tinted[90:-10])[len(np.argwhere(tinted[90:-10])) // 2] + (90, 0)
    expected = 0.6 * before[y, x] + 0.4 * np.array((167, 139, 218))
    assert np.abs(after[y, x] - expected).max() <= 3


@pytest.mark.usefixtures("keys")
def test_escape_hides_evidence_first_and_then_fits_the_views(area, reading, qtbot, heat):
    reading.evidence = heat
    plane = Pane.AXIAL.value
    reading.move_camera(plane, Camera(3.0))
    drawn(qtbot, area, reading)
    qtbot.keyClick(area.pane(Pane.AXIAL), Qt.Key.Key_Escape)
    assert reading.evidence is None
    assert reading.cameras[plane].zoom == 3.0
    qtbot.waitUntil(lambda: area.pane(Pane.AXIAL).scene.evidence is None)
    qtbot.keyClick(area.pane(Pane.AXIAL), Qt.Key.Key_Escape)
    assert reading.cameras[plane].zoom == 1.0


@pytest.mark.usefixtures("keys")
def test_fitting_the_views_leaves_evidence(area, reading, qtbot, heat):
    reading.evidence = heat
    qtbot.keyClick(area.pane(Pane.AXIAL), Qt.Key.Key_R)
    assert reading.evidence is heat
