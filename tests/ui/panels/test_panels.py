"""Panels in a real window: what they show in each state, and what they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QHBoxLayout, QLabel, QPushButton, QTextEdit, QWidget
from pytestqt.qtbot import QtBot

from model_runtime import api
from workstation.core.similar import SimilarCase
from workstation.core.study import Notice, Patient, Series, Severity
from workstation.ui.ask_panel import AskPanel, ReadyQuestion
from workstation.ui.notifications import Notifications
from workstation.ui.series_panel import SeriesPanel
from workstation.ui.similar_panel import SimilarPanel
from workstation.ui.status_strip import StatusStrip
from workstation.ui.theme import apply_theme, icon

RECEIPT = api.Provenance(
    "demo", "ab" * 32, True, api.Task.QUESTION, prompt="Is there?", series="Chest 1.0 mm",
    region="chest", window=api.HuWindow(-1350, 150), grid=(48, 96, 96),
    decimation=(3.9, 2.7, 2.7), slices=(11, 186), slice_count=200, seconds=0.41, tokens=12,
    notes=("short series: 20 slices",),
)  # fmt: skip


@pytest.fixture
def window(qtbot: QtBot, qapp: QApplication) -> Iterator[QWidget]:
    apply_theme(qapp)
    shown = QWidget()
    shown.resize(1100, 760)
    shown.setLayout(QHBoxLayout())
    qtbot.addWidget(shown)
    shown.show()
    qtbot.waitExposed(shown)
    yield shown
    qapp.setStyleSheet("")


def _series(key: str, **more: object) -> Series:
    stated = {
        "modality": "CT", "description": f"Series {key}", "size": (512, 512), "date": "2026-02-03",
        "spacing": (0.7, 0.7, 1.0), "patient": Patient("TEST^ONE", "1", sex="F", age="061Y"),
        "thumbnail": np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1)),
    }  # fmt: skip
    return Series(key, "study", (Path("a.dcm"),), 200, **{**stated, **more})


def _texts(widget: QWidget) -> str:
    QApplication.processEvents()  # a layout shows its new widgets at the next turn
    labels = [label.text() for label in widget.findChildren(QLabel) if label.isVisible()]
    texts = [text.toPlainText() for text in widget.findChildren(QTextEdit) if text.isVisible()]
    return "\n".join(labels + texts).replace("\u00a0", " ").replace("\u2011", "-")


def _push(qtbot: QtBot, widget: QWidget, text: str) -> None:
    def found() -> list[QPushButton]:
        buttons = widget.findChildren(QPushButton)
        return [b for b in buttons if b.text() == text and b.isVisible()]

    qtbot.waitUntil(lambda: len(found()) == 1)
    qtbot.mouseClick(found()[0], Qt.MouseButton.LeftButton)


def test_series_are_listed_searched_and_chosen(qtbot: QtBot, window: QWidget) -> None:
    panel = SeriesPanel()
    window.layout().addWidget(panel)
    assert "Drop a folder" in _texts(panel)
    with qtbot.waitSignal(panel.open_requested):
        _push(qtbot, panel, "Open …")
    panel.begin("reading …")
    panel.add(_series("a", synthetic=True))
    panel.add(_series("b", description="Bone", notices=(Notice("x", badge="resampled"),)))
    panel.finish([("bad.dcm", "it is empty")])
    shown = _texts(panel)
    for expected in ("TEST^ONE", "Series a", "SYNTHETIC", "⚠ resampled", "200 slices × 1 mm"):
        assert expected in shown
    assert "Drop a folder" not in shown
    _push(qtbot, panel, "1 file skipped")
    assert "bad.dcm: it is empty" in _texts(panel)
    with qtbot.waitSignal(panel.series_chosen) as chosen:
        qtbot.keyClick(panel.list.cards()[2], Qt.Key.Key_Return)
    assert chosen.args[0].key == "b"
    panel.mark_open("b")
    panel._search.setText("bone")
    assert [card.isVisible() for card in panel.list.cards()] == [True, False, True]
    panel.begin("again")
    panel.finish([])
    assert "No scan was found" in _texts(panel)


def test_a_question_is_asked_answered_and_inserted(qtbot: QtBot, window: QWidget) -> None:
    panel = AskPanel([ReadyQuestion("Is there an effusion?", ("yes", "no"))])
    window.layout().addWidget(panel)
    with qtbot.waitSignal(panel.asked) as asked:
        qtbot.keyClicks(panel._line, "Where is the nodule?")
        qtbot.keyClick(panel._line, Qt.Key.Key_Return)
    assert asked.args == ["Where is the nodule?", ()]
    panel.begin(*asked.args)
    panel.add_text("right ")
    panel.add_text("lower lobe")
    panel.finish("right lower lobe", RECEIPT)
    shown = _texts(panel)
    assert "slices 12–187 of 200" in shown
    assert "3.9×" in shown
    assert "−1350…150 HU" in shown
    assert "short series" in shown
    with qtbot.waitSignal(panel.insert_requested) as inserted:
        _push(qtbot, panel, "Insert")
    assert inserted.args[0] == "right lower lobe"
    assert inserted.args[2] == "Where is the nodule?"
    assert inserted.args[1] is RECEIPT


def test_choices_show_their_probability(qtbot: QtBot, window: QWidget) -> None:
    panel = AskPanel([ReadyQuestion("Is there an effusion?", ("yes", "no"))])
    window.layout().addWidget(panel)
    with qtbot.waitSignal(panel.asked) as asked:
        _push(qtbot, panel, "Is there an effusion")
    assert asked.args == ["Is there an effusion?", ("yes", "no")]
    panel.begin(*asked.args)
    panel.set_choices((("yes", 0.83), ("no", 0.17)))
    panel.finish("yes", RECEIPT)
    assert "83 %" in _texts(panel)
    assert "17 %" in _texts(panel)
    panel.clear()
    assert "Answers stay here" in _texts(panel)


def test_a_failed_question_says_why_and_the_next_can_be_asked(
    qtbot: QtBot, window: QWidget
) -> None:
    panel = AskPanel()
    window.layout().addWidget(panel)
    panel.begin("Is there?", ())
    assert not panel._ask.isEnabled()
    panel.fail("The model reads CT only; this series is MR.")
    assert "MR" in _texts(panel)
    assert panel._ask.isEnabled()


def test_similar_cases_are_under_a_banner(qtbot: QtBot, window: QWidget) -> None:
    panel = SimilarPanel()
    window.layout().addWidget(panel)
    with qtbot.waitSignal(panel.similar_requested):
        _push(qtbot, panel, "Find similar")
    panel.run("searching …")
    cases = [
        SimilarCase(
            f"case-{n}", 0.9 - n / 10, "Chest CT", "2025-01-01", "61", "F", "chest",
            ("right lower lobe nodule", "emphysema"), "Findings: a nodule <3 mm.\nImpression: x",
            np.full((80, 60), 90, np.uint8), synthetic=True,
        )
        for n in range(3)
    ]  # fmt: skip
    panel.show_cases("3 of 240 cases", cases, bold=("emphysema",))
    shown = _texts(panel)
    assert shown.count("OTHER PATIENT") == 3
    assert "<b>emphysema</b>" in shown
    assert "0.90" in shown
    first = panel.cases.cards()[0]
    with qtbot.waitSignal(panel.open_beside_requested) as opened:
        _push(qtbot, first, "Open beside")
    assert opened.args == ["case-0"]
    _push(qtbot, first, "Report")
    assert "&lt;3 mm" in _texts(first)
    with qtbot.waitSignal(panel.text_search_requested) as sought:
        qtbot.keyClicks(panel._line, "renal cyst")
        qtbot.keyClick(panel._line, Qt.Key.Key_Return)
    assert sought.args == ["renal cyst"]


def test_the_strip_shows_model_work_and_badges(qtbot: QtBot, window: QWidget) -> None:
    strip = StatusStrip()
    window.layout().addWidget(strip)
    strip.show_model("demonstration model · not for clinical use", demonstration=True)
    strip.show_work("encoding", 0.4, "41 tok/s")
    strip.show_badges(["resampled (tilt 18.5°)"])
    shown = _texts(strip)
    for text in ("not for clinical use", "encoding", "41 tok/s", "⚠ resampled (tilt 18.5°)"):
        assert text in shown
    with qtbot.waitSignal(strip.cancel_requested):
        _push(qtbot, strip, "Cancel")
    strip.end_work()
    assert "encoding" not in _texts(strip)


def test_notifications_stack_fold_and_stay_in_the_log(qtbot: QtBot, window: QWidget) -> None:
    notifications = Notifications(window)
    notifications.show("Two files were skipped.", Severity.WARNING, "a.dcm: empty")
    notifications.show("Saved as version 3.")
    notifications.show("Two files were skipped.", Severity.WARNING)
    assert notifications.texts == ["Two files were skipped.", "Saved as version 3."]
    _push(qtbot, window, "Details")
    assert "a.dcm: empty" in _texts(window)
    for card in window.findChildren(QWidget):
        if card.accessibleName() == "Close notification" and card.isVisible():
            qtbot.mouseClick(card, Qt.MouseButton.LeftButton)
    assert notifications.texts == []
    assert len(notifications.log) == 3


def test_every_icon_draws(qapp: QApplication, repository: Path) -> None:
    for path in sorted((repository / "resources" / "icons").glob("*.svg")):
        image = icon(path.stem).pixmap(24, 24).toImage()
        drawn = [image.pixelColor(x, y).alpha() for x in range(24) for y in range(24)]
        assert max(drawn) > 100, path.name
