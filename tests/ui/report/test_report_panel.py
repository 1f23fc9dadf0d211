"""The report panel as a radiologist uses it: typing, drafts, undo, clipboard, saving."""

from __future__ import annotations

import math

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QAction, QHelpEvent, QTextCursor
from PySide6.QtWidgets import QApplication, QMainWindow, QPushButton, QToolTip

from model_runtime.api import Provenance, Stage, Task
from workstation.archive.report_session import ReportSession
from workstation.core.authorship import Origin
from workstation.core.errors import StorageError
from workstation.ui import palette
from workstation.ui.ask_panel import AnswerCard
from workstation.ui.report_clipboard import model_clip
from workstation.ui.report_marks import rows

RECEIPT = Provenance("demo", "ab" * 32, True, Task.REPORT)
DRAFT = ("Findings:\n", "No pleural", " effusion.", "\nA 14 mm", " nodule.")


def draft(panel, tokens=DRAFT, run_id="run-1"):
    panel.begin_draft(run_id)
    for token in tokens:
        panel.add_text(token, [math.log(0.8)])
    panel.finish_draft(RECEIPT)


def origins(session):
    return [(s.text, s.origin) for s in session.report.sentences]


def put_cursor(panel, text, after=False):
    place = panel.editor.text().index(text) + (len(text) if after else 0)
    cursor = panel.editor.textCursor()
    cursor.setPosition(place)
    panel.editor.setTextCursor(cursor)


def select(panel, text):
    put_cursor(panel, text)
    cursor = panel.editor.textCursor()
    cursor.setPosition(cursor.position() + len(text), QTextCursor.MoveMode.KeepAnchor)
    panel.editor.setTextCursor(cursor)


def button_named(panel, text):
    return next(b for b in panel.findChildren(QPushButton) if b.text() == text)


def test_typing_goes_into_the_report_as_the_persons(qtbot, a_panel, a_session):
    qtbot.keyClicks(a_panel.editor, "Lungs 1 clear? `yes")
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Return)
    qtbot.keyClicks(a_panel.editor, "Done.")
    assert a_session.report.text == "Lungs 1 clear? `yes\nDone."
    assert {origin for _, origin in origins(a_session)} == {Origin.HUMAN}


def test_no_break_spaces_and_wide_characters_are_kept(qtbot, a_panel, a_session):
    QApplication.clipboard().setText("14\u00a0mm \U0001f4a1 here")
    a_panel.editor.paste()
    qtbot.keyClicks(a_panel.editor, " x")
    put_cursor(a_panel, "14")
    qtbot.keyClicks(a_panel.editor, "y")
    assert a_session.report.text == "y14\u00a0mm \U0001f4a1 here x"


def test_typing_after_a_wide_character_lands_where_the_cursor_is(qtbot, a_panel, a_session):
    QApplication.clipboard().setText("\U0001f4a1a\U0001f4a1b")
    a_panel.editor.paste()
    a_panel.editor.moveCursor(QTextCursor.MoveOperation.Left)
    qtbot.keyClicks(a_panel.editor, "z")
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Backspace)
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Backspace)
    assert a_session.report.text == "\U0001f4a1ab"
    assert a_panel.editor.text() == a_session.report.text


def test_a_draft_arrives_sentence_by_sentence_as_the_models(a_panel, a_session):
    a_panel.begin_draft("run-1")
    for token in DRAFT[:2]:
        a_panel.add_text(token, [math.log(0.5)])
    (dimmed,) = a_panel.editor.extraSelections()
    assert dimmed.cursor.selectedText() == "No pleural"
    assert dimmed.format.foreground().color().name() == palette.DIM
    a_panel.add_text(DRAFT[2], [math.log(0.9)])
    assert a_panel.editor.extraSelections() == []
    a_panel.finish_draft(RECEIPT)
    (sentence,) = a_session.report.sentences
    assert (sentence.text, sentence.origin) == ("No pleural effusion.", Origin.MODEL)
    assert sentence.confidence == pytest.approx(0.7)
    assert a_session.report.run("run-1").provenance == RECEIPT


def test_typing_while_the_model_writes_disturbs_neither(qtbot, a_panel, a_session):
    qtbot.keyClicks(a_panel.editor, "Mine")
    a_panel.begin_draft("run-1")
    put_cursor(a_panel, "Mine", after=True)
    for letter, token in zip(" too.", DRAFT, strict=True):
        qtbot.keyClicks(a_panel.editor, letter)
        a_panel.add_text(token)
    a_panel.finish_draft(RECEIPT)
    assert a_session.report.text == "Mine too.\n" + "".join(DRAFT) + "\n"
    assert [o for _, o in origins(a_session)] == [Origin.HUMAN, Origin.MODEL, Origin.MODEL]
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert a_session.report.text == "Mine \n" + "".join(DRAFT) + "\n"


def test_undo_and_redo_keep_authorship(qtbot, a_panel, a_session):
    draft(a_panel)
    before = a_session.report
    select(a_panel, "No ")
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Delete)
    assert origins(a_session)[0] == ("pleural effusion.", Origin.EDITED)
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert a_session.report == before
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Y, Qt.KeyboardModifier.ControlModifier)
    assert origins(a_session)[0] == ("pleural effusion.", Origin.EDITED)
    assert a_panel.editor.text() == a_session.report.text


def test_cut_and_paste_move_the_models_words_as_the_models(qtbot, a_panel, a_session):
    draft(a_panel)
    select(a_panel, "A 14 mm nodule.")
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_X, Qt.KeyboardModifier.ControlModifier)
    put_cursor(a_panel, "Findings")
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Return)
    assert origins(a_session) == [
        ("A 14 mm nodule.", Origin.MODEL),
        ("No pleural effusion.", Origin.MODEL),
    ]


def test_words_pasted_into_another_study_are_still_the_models(a_panel, journal):
    draft(a_panel)
    a_panel.editor.selectAll()
    a_panel.editor.copy()
    other = ReportSession(journal, "study-2", "Dr. Test")
    a_panel.show_session(other)
    a_panel.editor.paste()
    assert [o for _, o in origins(other)] == [Origin.MODEL, Origin.MODEL]
    assert other.report.run("run-1").provenance == RECEIPT


def test_an_answer_copied_and_pasted_is_still_the_models(a_panel, a_session):
    QApplication.clipboard().setMimeData(model_clip("There is no fracture.", RECEIPT))
    assert QApplication.clipboard().text() == "There is no fracture."
    a_panel.editor.paste()
    assert origins(a_session) == [("There is no fracture.", Origin.MODEL)]
    assert a_session.report.cited_runs()[0].provenance == RECEIPT


def test_copy_of_an_answer_card_knows_its_author(qtbot, a_panel, a_session):
    card = AnswerCard("Is there a fracture?", ())
    qtbot.addWidget(card)
    card.finish("There is no fracture.", RECEIPT)
    qtbot.mouseClick(button_named(card, "Copy"), Qt.MouseButton.LeftButton)
    a_panel.editor.paste()
    assert origins(a_session) == [("There is no fracture.", Origin.MODEL)]


def test_a_forged_clipboard_is_taken_as_plain_text(a_panel, a_session):
    data = model_clip("Words.", RECEIPT)
    data.setData(data.formats()[-1], b"{")
    QApplication.clipboard().setMimeData(data)
    a_panel.editor.paste()
    assert origins(a_session) == [("Words.", Origin.HUMAN)]


def test_a_sentence_is_accepted_by_key_and_by_menu(qtbot, a_panel, a_session):
    draft(a_panel)
    put_cursor(a_panel, "pleural")
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert [s.accepted for s in a_session.report.sentences] == [True, False]
    assert a_session.report.text == "".join(DRAFT) + "\n"
    put_cursor(a_panel, "nodule")
    point = a_panel.editor.cursorRect().center()
    accept = a_panel.editor.context_menu(point).actions()[0]
    accept.trigger()
    assert [s.accepted for s in a_session.report.sentences] == [True, True]
    a_panel.editor.context_menu(point).actions()[0].trigger()
    assert [s.accepted for s in a_session.report.sentences] == [True, False]


def test_an_answer_comes_in_as_the_models_on_a_line_of_its_own(qtbot, a_panel, a_session):
    qtbot.keyClicks(a_panel.editor, "One line.")
    put_cursor(a_panel, "line")
    a_panel.insert_answer("There is no fracture.", RECEIPT)
    assert origins(a_session) == [
        ("One line.", Origin.HUMAN),
        ("There is no fracture.", Origin.MODEL),
    ]
    assert a_session.report.cited_runs()[0].provenance == RECEIPT
    a_panel.insert_answer("It is.", RECEIPT, "Is it clear?")
    assert ("Is it clear?", Origin.HUMAN) in origins(a_session)
    assert ("It is.", Origin.MODEL) in origins(a_session)


def test_late_text_of_another_study_is_dropped(a_panel, a_session, journal):
    a_panel.begin_draft("run-1")
    a_panel.add_text("No ")
    other = ReportSession(journal, "study-2", "Dr. Test")
    a_panel.show_session(other)
    a_panel.add_text("effusion.")
    a_panel.finish_draft(RECEIPT)
    assert other.report.text == ""
    assert "effusion" not in a_session.report.text
    assert not a_session.report.writing


def test_a_failed_draft_keeps_the_text_and_can_be_tried_again(qtbot, a_panel, a_session):
    a_panel.begin_draft("run-1")
    a_panel.add_text("No effusion.")
    a_panel.fail_draft("The model ran out of memory. Close another program.", "MemoryError")
    assert "No effusion." in a_session.report.text
    again = button_named(a_panel, "Try again")
    assert again.isVisible()
    with qtbot.waitSignal(a_panel.draft_requested):
        qtbot.mouseClick(again, Qt.MouseButton.LeftButton)


def test_progress_has_a_cancel(qtbot, a_panel):
    a_panel.begin_draft("run-1")
    a_panel.set_progress(Stage.ENCODE, 0.5)
    cancel = button_named(a_panel, "Cancel")
    assert cancel.isVisible()
    assert not button_named(a_panel, "Draft report").isEnabled()
    with qtbot.waitSignal(a_panel.cancel_requested):
        qtbot.mouseClick(cancel, Qt.MouseButton.LeftButton)
    a_panel.finish_draft()
    assert not cancel.isVisible()
    assert button_named(a_panel, "Draft report").isEnabled()


def test_the_windows_one_key_shortcuts_do_not_steal_typing(qtbot, a_panel, a_session):
    window = QMainWindow()
    qtbot.addWidget(window)
    window.setCentralWidget(a_panel)
    stolen = []
    for key in ("1", "0", "`", "?", "Ctrl+Z", "Ctrl+Return"):
        action = QAction(key, window)
        action.setShortcut(key)
        action.triggered.connect(lambda _=False, key=key: stolen.append(key))
        window.addAction(action)
    window.show()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    a_panel.editor.setFocus()
    qtbot.keyClicks(a_panel.editor, "10`?")
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert a_session.report.text == "10`?"
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    assert stolen == []
    window.takeCentralWidget()


def test_save_keeps_a_version_and_says_so(qtbot, a_panel, archive):
    qtbot.keyClicks(a_panel.editor, "Clear.")
    qtbot.waitUntil(lambda: a_panel.status.startswith("unsaved · journal "))
    qtbot.mouseClick(button_named(a_panel, "Save"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: a_panel.status.endswith("· v1"))
    assert archive.latest("study-1").report.text == "Clear."
    qtbot.keyClicks(a_panel.editor, " More.")
    qtbot.waitUntil(lambda: a_panel.status.startswith("unsaved"))


def test_export_asks_for_a_format(qtbot, a_panel):
    menu = button_named(a_panel, "Export").menu()
    assert [action.text() for action in menu.actions()] == ["Markdown", "PDF", "Plain text"]
    with qtbot.waitSignal(a_panel.export_requested) as asked:
        menu.actions()[1].trigger()
    assert asked.args == ["pdf"]


def test_a_disk_fault_is_said_once_and_a_copy_can_be_saved(
    qtbot, a_panel, a_session, *, archive, monkeypatch, tmp_path
):
    def full(*_):
        raise StorageError("The disk is full. Free some space.", "SQLITE_FULL")

    monkeypatch.setattr(archive, "write_journal", full)
    with qtbot.waitSignal(a_panel.save_failed) as failed:
        qtbot.keyClicks(a_panel.editor, "Typed on a full disk.")
    assert failed.args == ["The disk is full. Free some space.", "SQLITE_FULL"]
    assert button_named(a_panel, "Save a copy …").isVisible()
    copy = tmp_path / "copy.json"
    a_panel.save_copy(copy)
    monkeypatch.undo()
    qtbot.waitUntil(lambda: a_panel.status.startswith("unsaved · journal"), timeout=4000)
    assert archive.journal("study-1").text == "Typed on a full disk."
    a_panel.editor.selectAll()
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Delete)
    a_session.restore_copy(copy)
    assert a_panel.editor.text() == "Typed on a full disk."


def test_bars_stand_beside_model_sentences_only(qtbot, a_panel, a_session):
    draft(a_panel)
    qtbot.keyClicks(a_panel.editor, "Mine.")
    image = a_panel.editor.viewport().grab().toImage()
    ratio = image.devicePixelRatio()
    colours = {}
    for row in rows(a_panel.editor.document(), a_session.report):
        x, y = (row.box.left() - 5.5) * ratio, row.box.center().y() * ratio
        colours[row.sentence.text] = image.pixelColor(int(x), int(y)).name()
    assert colours["No pleural effusion."] == palette.MODEL
    assert colours["Mine."] == palette.BACKGROUND


def test_the_hover_says_what_the_model_wrote(qtbot, a_panel):
    draft(a_panel)
    select(a_panel, "No ")
    qtbot.keyClick(a_panel.editor, Qt.Key.Key_Delete)
    put_cursor(a_panel, "effusion")
    point = a_panel.editor.cursorRect().center()
    place = a_panel.editor.viewport().mapToGlobal(point)
    event = QHelpEvent(QEvent.Type.ToolTip, QPoint(point), place)
    QApplication.sendEvent(a_panel.editor.viewport(), event)
    assert "The model wrote: No pleural effusion." in QToolTip.text()
    QToolTip.hideText()


def test_what_was_recovered_is_said(qtbot, a_panel, a_session, journal, archive):
    qtbot.keyClicks(a_panel.editor, "Unsaved.")
    qtbot.waitUntil(lambda: archive.journal("study-1") is not None)
    a_panel.show_session(ReportSession(journal, "study-1", "Dr. Test"))
    assert a_panel.editor.text() == "Unsaved."
    assert a_panel._notice.isVisible()
