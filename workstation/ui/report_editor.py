"""The text of the report, in which every character keeps its author."""

from __future__ import annotations

from typing import cast

from PySide6.QtCore import QEvent, QMimeData, QPoint, Qt, Signal, Slot
from PySide6.QtGui import (
    QAction,
    QColor,
    QContextMenuEvent,
    QHelpEvent,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QTextCursor,
)
from PySide6.QtWidgets import QMenu, QTextEdit, QToolTip, QWidget

from workstation.archive.report_session import ReportSession
from workstation.core.authorship import NOTHING, Fragment, Run
from workstation.core.claim import Claim, claim_of
from workstation.core.report import Report, Sentence, difference
from workstation.ui import palette
from workstation.ui.report_clipboard import clip, unclip
from workstation.ui.report_document import Headings, explicit, lay_out, replace_text, text_of
from workstation.ui.report_marks import Utf16, explanation, paint_marks

_HINT = "No report yet. Draft one from the scan, or just start typing."


class ReportEditor(QTextEdit):
    """Shows a session's report and turns typing into edits of it.

    Undo, redo and the clipboard go through the session, so that authorship follows.

    Signals
    -------
    evidence_requested()
        The reader wants the evidence of the sentence with the cursor.
    """

    evidence_requested = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session: ReportSession | None = None
        self._syncing = False
        self._pasted: tuple[Fragment, tuple[Run, ...]] = (NOTHING, ())
        self._grounded: dict[tuple[str, str], bool] = {}
        self.setObjectName("reportEditor")
        self.setAccessibleName("Report")
        self.setAcceptRichText(False)
        self.setUndoRedoEnabled(False)
        self.setTabChangesFocus(True)
        self.setAccessibleDescription(_HINT)
        self.setStyleSheet("QTextEdit#reportEditor { font-size: 15px; padding: 0; }")
        lay_out(self.document())
        self._headings = Headings(self.document())
        self.document().contentsChange.connect(self._on_contents_change)
        self.setReadOnly(True)

    def show_session(self, session: ReportSession | None) -> None:
        """Show another study's report."""
        if self._session is not None:
            self._session.changed.disconnect(self._on_report_changed)
        self._session = session
        self._grounded.clear()
        self.setReadOnly(session is None)
        if session is not None:
            session.changed.connect(self._on_report_changed)
        self._sync()
        self.moveCursor(QTextCursor.MoveOperation.End)

    @property
    def report(self) -> Report:
        """The report that is shown."""
        return Report() if self._session is None else self._session.report

    def text(self) -> str:
        """Give the document's text, character for character."""
        return text_of(self.document())

    def sentence_here(self) -> Sentence | None:
        """Sentence with the cursor."""
        return self.sentence_at(self.textCursor().position())

    def sentence_at(self, offset: int) -> Sentence | None:
        """Sentence at a position of Qt's counting, its end included."""
        index = Utf16(self.report.text).index(offset)
        found = [s for s in self.report.sentences if s.start <= index <= s.end]
        return found[-1] if found else None

    @Slot()
    def accept_sentence(self) -> None:
        """Accept the sentence with the cursor, or take that back."""
        sentence = self.sentence_here()
        if self._session is not None and sentence is not None:
            self._session.accept(sentence)

    @Slot()
    def undo_step(self) -> None:
        """Take the last step back."""
        if self._session is not None:
            self._session.undo()

    @Slot()
    def redo_step(self) -> None:
        """Do the last undone step again."""
        if self._session is not None:
            self._session.redo()

    def mark_grounded(self, claim: Claim, grounded: bool) -> None:
        """Mark the sentence of a claim by whether the image has a part in it."""
        self._grounded[claim.target, claim.context] = grounded
        self.viewport().update()

    def is_grounded(self, sentence: Sentence) -> bool | None:
        """Whether the image has a part in a sentence; None where that was not looked for."""
        if all(target != sentence.text for target, _ in self._grounded):
            return None
        return self._grounded.get((sentence.text, claim_of(self.report, sentence).context))

    def insert_place(self) -> int:
        """Character at the cursor."""
        return Utf16(self.report.text).index(self.textCursor().position())

    # --- from the person to the session -----------------------------------------------

    @Slot(int, int, int)
    def _on_contents_change(self, offset: int, removed: int, added: int) -> None:
        if self._syncing or self._session is None:
            return
        old, new = self._session.report.text, self.text()
        if old == new:
            return
        position, gone, inserted = explicit(old, new, (offset, removed, added))
        fragment, runs = self._pasted
        if fragment.text == inserted:
            self._session.edit(position, gone, fragment, runs)
        else:
            self._session.edit(position, gone, inserted)

    def createMimeDataFromSelection(self) -> QMimeData:
        """Give the selection with its authorship to the clipboard."""
        cursor, units = self.textCursor(), Utf16(self.report.text)
        start, end = units.index(cursor.selectionStart()), units.index(cursor.selectionEnd())
        fragment = self.report.content.part(start, end)
        return clip(fragment, self.report.runs)

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        """Take text only."""
        return source.hasText()

    def insertFromMimeData(self, source: QMimeData) -> None:
        """Take text; with its authorship where it comes from a report."""
        self._pasted = unclip(source)
        cursor = self.textCursor()
        cursor.beginEditBlock()  # replacing a selection is one change
        cursor.insertText(self._pasted[0].text)
        cursor.endEditBlock()
        self._pasted = (NOTHING, ())
        self.ensureCursorVisible()

    def event(self, event: QEvent) -> bool:
        """Keep our own keys from the window's shortcuts; explain a sentence on hover."""
        if event.type() == QEvent.Type.ShortcutOverride and _accepts(cast("QKeyEvent", event)):
            event.accept()
            return True
        return super().event(event)

    def viewportEvent(self, event: QEvent) -> bool:
        """Explain the sentence under the pointer."""
        if event.type() == QEvent.Type.ToolTip:
            self._explain(cast("QHelpEvent", event))
            return True
        return super().viewportEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Undo, redo and accept; everything else is typing."""
        if event.matches(QKeySequence.StandardKey.Undo):
            self.undo_step()
        elif event.matches(QKeySequence.StandardKey.Redo) or _is_control(event, Qt.Key.Key_Y):
            self.redo_step()
        elif _accepts(event):
            self.accept_sentence()
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer what can be done with the sentence and the text."""
        menu = self.context_menu(event.pos())
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.popup(event.globalPos())

    def context_menu(self, point: QPoint) -> QMenu:
        """Menu for a point of the viewport."""
        menu = QMenu(self)
        offset = self.cursorForPosition(point).position()
        if not self.textCursor().hasSelection():
            self.setTextCursor(self.cursorForPosition(point))
        sentence = self.sentence_at(offset)
        text = "Take acceptance back" if sentence and sentence.accepted else "Accept sentence"
        accept = _add(menu, text, "Ctrl+Return", self.accept_sentence)
        accept.setEnabled(sentence is not None and bool(sentence.run_id))
        evidence = _add(menu, "Show evidence", "Ctrl+I", self.evidence_requested)
        evidence.setEnabled(sentence is not None)
        menu.addSeparator()
        _add(menu, "Undo", "Ctrl+Z", self.undo_step)
        _add(menu, "Redo", "Ctrl+Shift+Z", self.redo_step)
        menu.addSeparator()
        _add(menu, "Cut", "Ctrl+X", self.cut)
        _add(menu, "Copy", "Ctrl+C", self.copy)
        _add(menu, "Paste", "Ctrl+V", self.paste)
        _add(menu, "Select all", "Ctrl+A", self.selectAll)
        return menu

    # --- from the session to the screen -----------------------------------------------

    def _on_report_changed(self, _report: Report) -> None:
        self._sync()

    def _sync(self) -> None:
        old, new = self.text(), self.report.text
        if old != new:
            self._syncing = True
            bar = self.verticalScrollBar()
            at_end = bar.value() >= bar.maximum() - 4
            replace_text(self.document(), *difference(old, new))
            self._syncing = False
            if at_end and self._session is not None and self._session.drafting:
                bar.setValue(bar.maximum())
        self._dim_unfinished()
        self.viewport().update()

    def _dim_unfinished(self) -> None:
        """Show the sentence that is being written in a dim colour."""
        anchors = {run.anchor for run in self.report.runs if run.anchor is not None}
        unfinished = [
            s for s in self.report.sentences if s.end in anchors and s.text[-1] not in ".!?"
        ]
        self.setExtraSelections([self._dimmed(sentence) for sentence in unfinished])

    def _dimmed(self, sentence: Sentence) -> QTextEdit.ExtraSelection:
        units, cursor = Utf16(self.report.text), QTextCursor(self.document())
        cursor.setPosition(units.offset(sentence.start))
        cursor.setPosition(units.offset(sentence.end), QTextCursor.MoveMode.KeepAnchor)
        selection = QTextEdit.ExtraSelection()
        selection.cursor = cursor
        selection.format.setForeground(QColor(palette.DIM))
        return selection

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the text, then the marks beside it."""
        super().paintEvent(event)
        painter = QPainter(self.viewport())
        top = self.verticalScrollBar().value()
        paint_marks(painter, self.document(), self.report, top, self.is_grounded)
        if not self.report.text:
            # Qt's own placeholder would ignore the margins.
            painter.setPen(QColor(palette.DIM))
            space = self.viewport().rect().adjusted(24, 24, -24, -24)
            wrap = Qt.TextFlag.TextWordWrap
            painter.drawText(space, Qt.AlignmentFlag.AlignHCenter | wrap, _HINT)
        painter.end()

    def _explain(self, event: QHelpEvent) -> None:
        sentence = self.sentence_at(self.cursorForPosition(event.pos()).position())
        if sentence is None:
            QToolTip.hideText()
        else:
            QToolTip.showText(event.globalPos(), explanation(sentence), self)


def _accepts(event: QKeyEvent) -> bool:
    return _is_control(event, Qt.Key.Key_Return) or _is_control(event, Qt.Key.Key_Enter)


def _is_control(event: QKeyEvent, key: Qt.Key) -> bool:
    modifiers = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
    return event.key() == key and modifiers == Qt.KeyboardModifier.ControlModifier


def _add(menu: QMenu, text: str, shortcut: str, slot: object) -> QAction:
    action = menu.addAction(text)
    action.setShortcut(QKeySequence(shortcut))
    action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
    action.triggered.connect(slot)
    return action
