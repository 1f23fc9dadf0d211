"""A real image area with a volume in it."""

from __future__ import annotations

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QAction, QKeySequence, QWheelEvent
from PySide6.QtWidgets import QApplication

from workstation.actions.view_actions import view_actions
from workstation.core.display import Window, read_window_presets
from workstation.core.geometry import Geometry
from workstation.core.session import Pane, Reading
from workstation.core.study import Series
from workstation.core.volume import Volume
from workstation.ui.image_area import ImageArea


def make_volume(key="scan", slices=40, side=64):
    """A ramp of HU along every axis, one slice per 3 mm."""
    k, j, i = np.indices((slices, side, side))
    voxels = np.ascontiguousarray(k * 10 + j - i, dtype=np.int16)
    geometry = Geometry(voxels.shape, (-64.0, -64.0, 100.0), (2.0, 2.0, 3.0))
    series = Series(key, "study", (), slices, modality="CT", description="Ramp")
    return Volume(series, voxels, geometry, np.ones(slices, bool), Window(350, 100))


@pytest.fixture
def a_volume():
    return make_volume


@pytest.fixture
def area(qtbot, repository):
    """An image area with nothing open, ended properly afterwards."""
    area = ImageArea(Reading(), repository / "resources" / "volume_presets.toml")
    qtbot.addWidget(area)
    area.resize(802, 602)
    area.show()
    qtbot.waitExposed(area)
    yield area
    area.shut_down()


@pytest.fixture
def reading(area, qtbot):
    """The area's reading with a volume open and drawn."""
    area.reading.open(make_volume())
    qtbot.waitUntil(lambda: all(area.pane(p).scene for p in (Pane.AXIAL, Pane.SAGITTAL)))
    area.activateWindow()
    area.pane(Pane.AXIAL).setFocus()
    return area.reading


@pytest.fixture
def keys(area, reading, repository):
    """The viewing actions with their shortcuts, bound as the window binds them."""
    presets = read_window_presets(repository / "resources" / "window_presets.toml")
    actions = {action.key: action for action in view_actions(reading, presets)}
    for action in actions.values():
        bound = QAction(action.text, area)
        bound.setShortcuts([QKeySequence(text) for text in action.shortcuts])
        bound.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        bound.triggered.connect(action.run)
        area.addAction(bound)
    return actions


@pytest.fixture
def wheel():
    """Turn the wheel over a widget; angles in eighths of a degree."""

    def turn(widget, angle, modifiers=Qt.KeyboardModifier.NoModifier):
        place = QPointF(widget.rect().center())
        event = QWheelEvent(
            place, widget.mapToGlobal(place), QPoint(), QPoint(0, angle),
            Qt.MouseButton.NoButton, modifiers, Qt.ScrollPhase.NoScrollPhase, False,
        )  # fmt: skip
        QApplication.postEvent(widget, event)
        QApplication.sendPostedEvents(widget)

    return turn


@pytest.fixture
def drag(qtbot):
    """Drag with a button from one place to another, in two steps."""

    def move(widget, button, start, end):
        start, end = QPoint(*start), QPoint(*end)
        qtbot.mousePress(widget, button, pos=start)
        for place in ((start + end) / 2, end):
            send_move(widget, place, button)
        qtbot.mouseRelease(widget, button, pos=end)

    return move


def send_move(widget, place, buttons, modifiers=Qt.KeyboardModifier.NoModifier):
    """Move the mouse with buttons held, which QTest cannot."""
    from PySide6.QtCore import QEvent
    from PySide6.QtGui import QMouseEvent

    where = QPointF(place)
    event = QMouseEvent(
        QEvent.Type.MouseMove, where, widget.mapToGlobal(where),
        Qt.MouseButton.NoButton, buttons, modifiers,
    )  # fmt: skip
    QApplication.sendEvent(widget, event)


@pytest.fixture
def move_mouse():
    return send_move
