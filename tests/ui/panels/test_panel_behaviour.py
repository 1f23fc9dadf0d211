"""Panels at their edges: narrow docks, keys, faults, other studies, what must not be lost."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QMainWindow, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from model_runtime import api
from workstation.actions.action import Action
from workstation.core.study import Notice, Patient, Series, Severity
from workstation.ui.answer_card import AnswerCard
from workstation.ui.ask_panel import AskPanel, ReadyQuestion
from workstation.ui.notification_log import NotificationLog
from workstation.ui.notifications import Notifications, install_excepthook
from workstation.ui.series_panel import SeriesCard, SeriesPanel
from workstation.ui.shortcuts_overlay import ShortcutsOverlay
from workstation.ui.similar_panel import SimilarPanel
from workstation.ui.status_strip import StatusStrip
from workstation.ui.theme import apply_theme

RECEIPT = api.Provenance("demo", "ab" * 32, True, api.Task.QUESTION, seconds=0.4)
QUESTIONS = [
    ReadyQuestion("Is there a pleural effusion on either side?", ("yes", "no")),
    ReadyQuestion("What is the contrast phase?"),
    ReadyQuestion("Which plane?"),
]


@pytest.fixture
def window(qtbot: QtBot, qapp: QApplication) -> Iterator[QMainWindow]:
    apply_theme(qapp)
    shown = QMainWindow()
    shown.resize(1100, 760)
    inner = QWidget()
    inner.setLayout(QHBoxLayout())
    shown.setCentralWidget(inner)
    qtbot.addWidget(shown)
    shown.show()
    qtbot.waitExposed(shown)
    yield shown
    qapp.setStyleSheet("")


def _put(window: QMainWindow, panel: QWidget) -> None:
    window.centralWidget().layout().addWidget(panel)
    QApplication.processEvents()


def _series(key: str, study: str = "one", **more: object) -> Series:
    stated = {"modality": "CT", "description": key, "size": (512, 512), "date": "2026-02-03"}
    return Series(key, study, (Path("a.dcm"),), 200, **{**stated, **more})


def _texts(widget: QWidget) -> str:
    QApplication.processEvents()
    return "\n".join(w.text() for w in widget.findChildren(QLabel) if w.isVisible())


def _push(qtbot: QtBot, widget: QWidget, text: str) -> None:
    def found() -> list[QPushButton]:
        return [b for b in widget.findChildren(QPushButton) if b.text() == text and b.isVisible()]

    qtbot.waitUntil(lambda: len(found()) == 1)
    qtbot.mouseClick(found()[0], Qt.MouseButton.LeftButton)


def test_a_late_series_joins_its_study_and_scouts_come_last(
    qtbot: QtBot, window: QMainWindow
) -> None:
    panel = SeriesPanel()
    _put(window, panel)
    panel.begin("reading")
    panel.add(_series("scout", role="localizer"))
    panel.add(_series("other", study="two", patient=Patient("SECOND^ONE")))
    panel.add(_series("thin", date="20260203"))
    panel.add(_series("thick"))
    assert [series.key for series in panel.series] == ["thin", "thick", "scout", "other"]
    assert "20260203" not in _texts(panel), "dates are written to be read"
    panel._search.setText("second one")
    shown = [card for card in panel.list.cards() if card.isVisible()]
    assert [c.series.key for c in shown if isinstance(c, SeriesCard)] == ["other"]
    assert len(shown) == 2, "the study's heading and its series"
    panel._search.setText("nowhere")
    assert "No series matches" in _texts(panel)


def test_arrows_walk_the_series_and_return_opens(qtbot: QtBot, window: QMainWindow) -> None:
    panel = SeriesPanel()
    _put(window, panel)
    for number in range(30):
        panel.add(_series(f"s{number}"))
    QApplication.processEvents()
    cards = [card for card in panel.list.cards() if isinstance(card, SeriesCard)]
    cards[0].setFocus()
    qtbot.keyClick(cards[0], Qt.Key.Key_Down)
    assert window.focusWidget() is cards[1]
    qtbot.keyClick(cards[1], Qt.Key.Key_End)
    assert window.focusWidget() is cards[29]
    assert not cards[29].visibleRegion().isEmpty(), "scrolled into sight"
    with qtbot.waitSignal(panel.series_chosen) as chosen:
        qtbot.keyClick(cards[29], Qt.Key.Key_Space)
    assert chosen.args[0].key == "s29"


def test_a_failed_scan_says_why_and_offers_to_open(qtbot: QtBot, window: QMainWindow) -> None:
    panel = SeriesPanel()
    _put(window, panel)
    panel.begin("reading")
    panel.fail("The folder cannot be read.", "permission denied")
    assert "cannot be read" in _texts(panel)
    with qtbot.waitSignal(panel.open_requested):
        _push(qtbot, panel._running, "Open …")


def test_panels_fit_a_narrow_dock(qtbot: QtBot, window: QMainWindow) -> None:
    series, ask = SeriesPanel(), AskPanel(QUESTIONS)
    for panel in (series, ask):
        panel.setFixedWidth(260)
        _put(window, panel)
    badge = Notice("x", badge="resampled (tilt 18.5°), 3 slices missing, and more to say")
    series.add(_series("a description of a series", synthetic=True, notices=(badge,)))
    ask.begin("Where is the nodule?", ("right lower lobe of the lung", "left upper lobe"))
    ask.set_choices((("right lower lobe of the lung", 0.9), ("left upper lobe", 0.1)))
    ask.finish("right lower lobe of the lung", RECEIPT)
    QApplication.processEvents()
    for scroll in (series.list, ask.history):
        for card in scroll.cards():
            assert card.geometry().right() < scroll.viewport().width()
    chips = [b for b in ask.findChildren(QPushButton) if b.property("role") == "chip"]
    assert all(chip.geometry().right() < 260 for chip in chips)
    assert len({chip.y() for chip in chips}) > 1, "in several rows"


def test_typed_keys_go_into_the_line_not_to_shortcuts(qtbot: QtBot, window: QMainWindow) -> None:
    panel = AskPanel()
    _put(window, panel)
    fired: list[str] = []
    for key in ("1", "2", "?", "I", "Space"):
        action = QAction(window)
        action.setShortcut(QKeySequence(key))
        action.triggered.connect(lambda _checked=False, key=key: fired.append(key))
        window.addAction(action)
    window.activateWindow()
    panel.focus_question()
    assert window.focusWidget() is panel._line
    qtbot.keyClicks(panel._line, "Is it 12 mm?")
    assert panel._line.text() == "Is it 12 mm?"
    assert fired == []
    # The same keys are shortcuts where nothing is typed, so the above could have failed.
    qtbot.waitUntil(window.isActiveWindow)
    panel._ask.setFocus()
    qtbot.keyClick(panel._ask, Qt.Key.Key_1)
    assert fired == ["1"]


def test_answers_stay_with_their_study(qtbot: QtBot, window: QMainWindow) -> None:
    panel = AskPanel()
    _put(window, panel)
    panel.show_study("one")
    panel.begin("First?", ())
    panel.finish("yes", RECEIPT)
    panel.begin("Unfinished?", ())
    panel.show_study("two")
    assert "First?" not in _texts(panel)
    panel.add_text("late words")
    panel.finish("late", RECEIPT)
    assert "late" not in _texts(panel)
    panel.show_study("one")
    shown = _texts(panel)
    assert "First?" in shown
    assert "Stopped." in shown
    assert "late" not in shown


def test_a_failed_question_can_be_asked_again(qtbot: QtBot, window: QMainWindow) -> None:
    panel = AskPanel()
    _put(window, panel)
    panel.begin("Is there?", ("yes", "no"))
    panel.fail("The model stopped.", "out of memory")
    with qtbot.waitSignal(panel.asked) as asked:
        _push(qtbot, panel, "Ask again")
    assert asked.args == ["Is there?", ("yes", "no")]


def test_a_stopped_answer_keeps_what_was_written(qtbot: QtBot, window: QMainWindow) -> None:
    panel = AskPanel()
    _put(window, panel)
    panel.begin("Describe the liver.", ())
    panel.add_text("The liver is")
    panel.stop()
    card = panel.history.cards()[0]
    assert isinstance(card, AnswerCard)
    assert card.answer == "The liver is"
    assert "The liver is" in _texts(panel)


def test_retry_repeats_the_search_that_failed(qtbot: QtBot, window: QMainWindow) -> None:
    panel = SimilarPanel()
    _put(window, panel)
    qtbot.keyClicks(panel._line, "renal cyst")
    qtbot.keyClick(panel._line, Qt.Key.Key_Return)
    panel.fail("The index cannot be read.", "x")
    with qtbot.waitSignal(panel.text_search_requested) as sought:
        _push(qtbot, panel, "Retry")
    assert sought.args == ["renal cyst"]
    _push(qtbot, panel, "Find similar")
    panel.fail("The index cannot be read.", "x")
    with qtbot.waitSignal(panel.similar_requested):
        _push(qtbot, panel, "Retry")


def test_warnings_wait_until_there_is_room(qtbot: QtBot, window: QMainWindow) -> None:
    notifications = Notifications(window)
    for number in range(6):
        notifications.show(f"Warning {number}.", Severity.WARNING)
    shown = _texts(window)
    assert "Warning 0." not in shown
    assert "Warning 5." in shown
    for _ in range(2):
        close = [
            b for b in window.findChildren(QPushButton)
            if b.accessibleName() == "Close notification" and b.isVisible()
        ]  # fmt: skip
        qtbot.mouseClick(close[-1], Qt.MouseButton.LeftButton)
    assert "Warning 0." in _texts(window)
    log = NotificationLog(notifications, window)
    log.toggle()
    assert "Warning 5." in _texts(log)
    notifications.show("One more.")
    assert "One more." in _texts(log)
    qtbot.keyClick(log, Qt.Key.Key_Escape)
    assert not log.isVisible()


def test_a_fault_in_any_thread_becomes_a_notification(
    qtbot: QtBot,
    window: QMainWindow,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    notifications = Notifications(window)
    install_excepthook(notifications)

    def fail() -> None:
        raise ValueError("file of TEST^PATIENT")

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: len(notifications.log) == 1)
    assert "Traceback" not in notifications.log[0].text + notifications.log[0].details
    assert "ValueError" in notifications.log[0].details
    assert "ValueError" in caplog.text
    assert "PATIENT" not in caplog.text


def test_the_model_notice_never_gives_way(qtbot: QtBot, window: QMainWindow) -> None:
    strip = StatusStrip()
    strip.setFixedWidth(900)
    _put(window, strip)
    notice = "demonstration model (synthetic phantoms) · not for clinical use"
    strip.show_model(notice, demonstration=True)
    strip.show_work("a long text about what is being done", 0.4, "41 tok/s")
    strip.show_badges(["resampled (tilt 18.5°)", "short series (20 slices)", "two gaps"])
    strip.show_saved("saved 09:41:07 · v3")
    QApplication.processEvents()
    assert strip._model.width() >= strip._model.fontMetrics().horizontalAdvance(notice)
    assert strip._badges.toolTip().endswith("two gaps")
    with qtbot.waitSignal(strip.log_requested):
        found = [b for b in strip.findChildren(QPushButton) if "Past" in b.accessibleName()]
        qtbot.mouseClick(found[0], Qt.MouseButton.LeftButton)


def test_the_key_list_shows_the_tables_and_closes(qtbot: QtBot, window: QMainWindow) -> None:
    actions = [Action(f"view.a{n}", f"Do {n}", lambda: None, (f"Ctrl+{n}",)) for n in range(9)]
    actions += [Action(f"help.b{n}", f"Help {n}", lambda: None, (f"F{n + 1}",)) for n in range(9)]
    keys = ShortcutsOverlay(actions, window)
    keys.toggle()
    shown = _texts(keys)
    assert "Ctrl+3" in shown
    assert "Help 8" in shown
    assert window.rect().contains(keys.geometry())
    qtbot.keyClick(keys, Qt.Key.Key_Escape)
    assert not keys.isVisible()
