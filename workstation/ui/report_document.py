"""The editor's document: its text, its changes and its look."""

from __future__ import annotations

from PySide6.QtGui import (
    QColor,
    QFont,
    QSyntaxHighlighter,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
)

from workstation.core.report import difference
from workstation.core.sentences import headings
from workstation.ui import palette
from workstation.ui.report_marks import LEFT, RIGHT, Utf16

_LINE_HEIGHT_PERCENT = 140


class Headings(QSyntaxHighlighter):
    """Sets the sections' titles in bold."""

    def highlightBlock(self, text: str) -> None:
        """Set a line's title in bold."""
        bold = QTextCharFormat()
        bold.setFontWeight(QFont.Weight.DemiBold)
        bold.setForeground(QColor(palette.TEXT))
        for heading in headings(text):
            self.setFormat(heading.start, heading.end - heading.start, bold)


def text_of(document: QTextDocument) -> str:
    """Give a document's text, character for character."""
    # toPlainText would turn no-break spaces into spaces.
    return document.toRawText().replace("\u2029", "\n").replace("\u2028", "\n")


def explicit(old: str, new: str, change: tuple[int, int, int]) -> tuple[int, int, str]:
    """Position, characters removed and text inserted, from what Qt says if that fits."""
    offset, removed, added = change
    before, after = Utf16(old), Utf16(new)
    start, end = before.index(offset), before.index(offset + removed)
    inserted = new[after.index(offset) : after.index(offset + added)]
    # Qt counts the document's closing mark in some changes of the whole text.
    if old[:start] + inserted + old[end:] == new:
        return start, min(end, len(old)) - start, inserted
    return difference(old, new)


def replace_text(document: QTextDocument, position: int, removed: int, inserted: str) -> None:
    """Replace characters, counted as Python does; cursors elsewhere stay where they are."""
    units = Utf16(text_of(document))
    cursor = QTextCursor(document)
    cursor.setPosition(units.offset(position))
    cursor.setPosition(units.offset(position + removed), QTextCursor.MoveMode.KeepAnchor)
    cursor.insertText(inserted)


def lay_out(document: QTextDocument) -> None:
    """Leave room for the marks beside the text, and between its lines."""
    frame = document.rootFrame().frameFormat()
    frame.setLeftMargin(LEFT)
    frame.setRightMargin(RIGHT)
    frame.setTopMargin(10)
    frame.setBottomMargin(10)
    document.rootFrame().setFrameFormat(frame)
    block = QTextBlockFormat()
    proportional = QTextBlockFormat.LineHeightTypes.ProportionalHeight.value
    block.setLineHeight(_LINE_HEIGHT_PERCENT, proportional)
    QTextCursor(document).setBlockFormat(block)
