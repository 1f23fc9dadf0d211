"""Measure in the real window, with the mouse and keys, and find it again."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from model_runtime.api import Engine
from workstation.app import Workstation
from workstation.archive import records
from workstation.core.authorship import Origin
from workstation.core.errors import ModelError
from workstation.core.session import Pane
from workstation.settings import Settings
from workstation.tools import measure
from workstation.ui.slice_pane import SlicePane

_LEFT = Qt.MouseButton.LeftButton
_CTRL = Qt.KeyboardModifier.ControlModifier
_NONE = Qt.KeyboardModifier.NoModifier


def _no_model() -> Engine:
    raise ModelError("These tests need no model.")


@pytest.fixture
def another(
    qtbot: QtBot, workstation_of: Callable[..., Workstation], settings: Settings
) -> Callable[[], Workstation]:
    """Open a window with the bundled study in it."""

    def make(**more: object) -> Workstation:
        workstation = workstation_of(engine=_no_model, **more)
        with qtbot.waitSignal(workstation.opening.loaded, timeout=60_000):
            workstation.opening.open_paths([settings.study])
        journal = workstation.journal
        qtbot.waitUntil(lambda: journal is None or workstation.report.session is not None)
        qtbot.waitUntil(lambda: _pane(workstation).scene is not None)
        _pane(workstation).setFocus()
        return workstation

    return make


@pytest.fixture
def window(another: Callable[[], Workstation]) -> Workstation:
    return another()


def _pane(workstation: Workstation, pane: Pane = Pane.AXIAL) -> SlicePane:
    found = workstation.images.pane(pane)
    assert isinstance(found, SlicePane)
    return found


def _move(pane: SlicePane, place: QPoint, buttons: Qt.MouseButton) -> None:
    where = QPointF(place)
    event = QMouseEvent(
        QEvent.Type.MouseMove, where, pane.mapToGlobal(where), Qt.MouseButton.NoButton, buttons,
        _NONE,
    )  # fmt: skip
    QApplication.sendEvent(pane, event)


def _drag(qtbot: QtBot, pane: SlicePane, start: tuple[int, int], end: tuple[int, int]) -> None:
    one, other = QPoint(*start), QPoint(*end)
    qtbot.mousePress(pane, _LEFT, pos=one)
    for place in ((one + other) / 2, other):
        _move(pane, place, _LEFT)
    qtbot.mouseRelease(pane, _LEFT, pos=other)


def _click(qtbot: QtBot, pane: SlicePane, *places: tuple[int, int]) -> None:
    for place in places:
        _move(pane, QPoint(*place), Qt.MouseButton.NoButton)
        qtbot.mouseClick(pane, _LEFT, pos=QPoint(*place))


def _key(
    qtbot: QtBot, workstation: Workstation, key: Qt.Key,
    modifiers: Qt.KeyboardModifier = _NONE,
) -> None:  # fmt: skip
    qtbot.keyClick(workstation.images.focusWidget() or _pane(workstation), key, modifiers)


def _lines(workstation: Workstation, pane: Pane = Pane.AXIAL) -> list[tuple[str, ...]]:
    qapp = QApplication.instance()
    assert qapp is not None
    for _ in range(5):
        qapp.processEvents()
    scene = _pane(workstation, pane).scene
    assert scene is not None
    return [drawn.lines for drawn in scene.measurements]


def _rows(workstation: Workstation) -> list[str]:
    rows = workstation.measured.rows
    return [rows.item(index).text() for index in range(rows.count())]


def test_a_length_is_drawn_with_the_key_and_the_mouse(qtbot: QtBot, window: Workstation) -> None:
    pane = _pane(window)
    cursor, look = window.reading.cursor, window.reading.window
    _key(qtbot, window, Qt.Key.Key_L)
    assert window.reading.tool == "length"
    _drag(qtbot, pane, (150, 120), (210, 200))
    (made,) = window.reading.measurements
    expected = math.dist(pane.point_at(150, 120), pane.point_at(210, 200))
    (value,) = measure(made, window.reading.volume).values
    assert value.number == pytest.approx(expected, abs=1e-9)
    assert (window.reading.cursor, window.reading.window) == (cursor, look)
    assert _lines(window) == [(f"{expected:.1f}\u00a0mm",)]
    assert _rows(window)[0].startswith(f"Length {expected:.1f}\u00a0mm (axial ")
    _key(qtbot, window, Qt.Key.Key_Escape)
    assert window.reading.tool == ""
    _drag(qtbot, pane, (20, 20), (60, 20))
    assert len(window.reading.measurements) == 1, "left is window and level again"
    assert window.reading.window != look


def _archived(workstation: Workstation) -> list[records.StoredMeasurement]:
    volume = workstation.reading.volume
    assert volume is not None
    workstation.measuring._log.read(volume.series.study_key).result(20)
    return list(records.measurements(workstation.archive.archive, volume.series.study_key))


def _measure(qtbot: QtBot, workstation: Workstation, key: Qt.Key, *places: tuple[int, int]) -> None:
    _key(qtbot, workstation, key)
    _click(qtbot, _pane(workstation), *places)
    _key(qtbot, workstation, Qt.Key.Key_Escape)


def test_undo_and_redo_take_every_step_back_and_do_it_again(
    qtbot: QtBot, window: Workstation
) -> None:
    reading = window.reading
    _measure(qtbot, window, Qt.Key.Key_L, (150, 120), (210, 200))
    (drawn,) = reading.measurements
    assert len(_lines(window)) == 1
    _drag(qtbot, _pane(window), (210, 200), (230, 160))
    (moved,) = reading.measurements
    assert moved != drawn
    _key(qtbot, window, Qt.Key.Key_Delete)
    assert reading.measurements == ()
    for expected in ((moved,), (drawn,), ()):
        _key(qtbot, window, Qt.Key.Key_Z, _CTRL)
        assert reading.measurements == expected
    _key(qtbot, window, Qt.Key.Key_Z, _CTRL)
    shift = _CTRL | Qt.KeyboardModifier.ShiftModifier
    for expected in ((drawn,), (moved,)):
        _key(qtbot, window, Qt.Key.Key_Z, shift)
        assert reading.measurements == expected
    assert [one.value["key"] for one in _archived(window)] == [moved.id]
    assert not window.report.session.report.text


def test_the_ellipse_tells_the_stored_values_under_it(qtbot: QtBot, window: Workstation) -> None:
    _measure(qtbot, window, Qt.Key.Key_E, (150, 150), (200, 190))
    (made,) = window.reading.measurements
    volume = window.reading.volume
    index = volume.geometry.to_index(made.points)
    k = round(float(index[0, 2]))
    j, i = np.indices(volume.voxels.shape[1:])
    middle, half = index.mean(axis=0), np.abs(index[1] - index[0]) / 2
    inside = ((i - middle[0]) / half[0]) ** 2 + ((j - middle[1]) / half[1]) ** 2 <= 1
    values = volume.voxels[k][inside].astype(float)
    assert _lines(window)[0][0] == (
        f"mean {values.mean():.1f}\u00a0HU  SD {values.std():.1f}\u00a0HU".replace("-", "\u2212")
    )


def test_a_measurement_goes_into_the_report_as_the_readers_words(
    qtbot: QtBot, window: Workstation, tmp_path: Path
) -> None:
    qtbot.keyClicks(window.report.editor, "A nodule.")
    _pane(window).setFocus()
    _measure(qtbot, window, Qt.Key.Key_L, (150, 120), (210, 200))
    assert window.report.session.report.text == "A nodule.", "only by a person's act"
    row = _rows(window)[0]
    _key(qtbot, window, Qt.Key.Key_M, _CTRL)
    assert window.report.session.report.text == f"A nodule. {row}."
    origins = {sentence.origin for sentence in window.report.session.report.sentences}
    assert origins == {Origin.HUMAN}
    with qtbot.waitSignal(window.exporting.exported):
        window.exporting.export(tmp_path / "out.txt", "text")
    assert f"[human]   {row}." in " ".join((tmp_path / "out.txt").read_text().split(" ")).replace(
        "[human]                   ", "[human]   "
    )


def test_the_list_goes_to_the_slice(qtbot: QtBot, window: Workstation) -> None:
    _measure(qtbot, window, Qt.Key.Key_L, (150, 120), (210, 200))
    _key(qtbot, window, Qt.Key.Key_Home)
    assert _lines(window) == []
    _measure(qtbot, window, Qt.Key.Key_A, (150, 120), (170, 190), (260, 200))
    window.window.raise_dock("measured")
    rows = window.measured.rows
    qtbot.mouseClick(rows.viewport(), _LEFT, pos=rows.visualItemRect(rows.item(0)).center())
    assert [line[0].endswith("mm") for line in _lines(window)] == [True]
    _pane(window).setFocus()
    _key(qtbot, window, Qt.Key.Key_N)
    assert [line[0].endswith("°") for line in _lines(window)] == [True]
    _key(qtbot, window, Qt.Key.Key_N, Qt.KeyboardModifier.ShiftModifier)
    assert [line[0].endswith("mm") for line in _lines(window)] == [True]


def test_keys_in_the_report_are_typing(qtbot: QtBot, window: Workstation) -> None:
    window.window.raise_dock("report")
    window.report.editor.setFocus()
    qtbot.keyClicks(window.report.editor, "lab ped")
    assert window.reading.tool == ""
    assert window.report.session.report.text == "lab ped"


def test_it_is_there_again_when_the_study_is_opened_again(
    qtbot: QtBot, window: Workstation, another: Callable[[], Workstation]
) -> None:
    _measure(qtbot, window, Qt.Key.Key_L, (150, 120), (210, 200))
    _measure(qtbot, window, Qt.Key.Key_P, (250, 150))
    made = window.reading.measurements
    window.window.close()
    again = another()
    qtbot.waitUntil(lambda: again.reading.measurements == made, timeout=20_000)
    assert len(_lines(again)) == 2


def test_two_windows_show_each_others(
    qtbot: QtBot, window: Workstation, another: Callable[[], Workstation]
) -> None:
    _measure(qtbot, window, Qt.Key.Key_L, (150, 120), (210, 200))
    other = another()
    _measure(qtbot, other, Qt.Key.Key_P, (250, 150))
    for each in (window, other):
        qtbot.waitUntil(lambda each=each: len(each.reading.measurements) == 2, timeout=20_000)
    assert set(window.reading.measurements) == set(other.reading.measurements)


def test_without_an_archive_they_last_as_long_as_the_window(
    qtbot: QtBot, another: Callable[..., Workstation], settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    blocked = settings.model_copy(update={"data_folder": tmp_path / "file" / "data"})
    window = another(settings=blocked)
    _measure(qtbot, window, Qt.Key.Key_L, (150, 120), (210, 200))
    made = window.reading.measurements
    series = window.reading.volume.series
    qtbot.waitUntil(lambda: window.measuring._log.state.error is not None, timeout=10_000)
    window.reading.open(None)
    with qtbot.waitSignal(window.opening.loaded, timeout=60_000):
        window.opening.open_series(series)
    assert window.reading.measurements == made
    window.window.close()
    assert window.window.isVisible(), "it is said once that they are kept nowhere"
    assert any("Close again" in told for told in window.notifications.texts)
    window.window.close()
    assert not window.window.isVisible()


_KILLED = """
import os, sys
from pathlib import Path
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from model_runtime.api import Engine
from workstation.app import Workstation
from workstation.archive import records
from workstation.core.authorship import Origin
from workstation.core.errors import ModelError
from workstation.core.session import Pane
from workstation.settings import Settings

def no_model():
    raise ModelError("none")

application = QApplication([])
workstation = Workstation(Settings(data_folder=Path(sys.argv[1])), engine=no_model)
workstation.window.show()
workstation.opening.open_paths([Settings().study])
pane = workstation.images.pane(Pane.AXIAL)
while not (workstation.reading.volume and workstation.reading.volume.complete and pane.scene):
    QTest.qWait(50)
workstation.reading.tool = "length"
for x in (100, 140, 180):
    QTest.mouseClick(pane, Qt.LeftButton, pos=QPoint(x, 100))
    QTest.mouseClick(pane, Qt.LeftButton, pos=QPoint(x + 60, 160))
    QTest.qWait(30)
os.write(1, b"drawn\\n")
application.exec()
"""


@pytest.mark.long
def test_a_kill_of_the_window_leaves_what_was_drawn(
    qtbot: QtBot, another: Callable[..., Workstation], settings: Settings, repository: Path
) -> None:
    command = [sys.executable, "-c", _KILLED, str(settings.data_folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=repository) as drawing:
        assert drawing.stdout is not None
        assert drawing.stdout.readline() == b"drawn\n"
        time.sleep(0.5)
        drawing.kill()
    again = another()
    qtbot.waitUntil(lambda: len(again.reading.measurements) == 3, timeout=20_000)
