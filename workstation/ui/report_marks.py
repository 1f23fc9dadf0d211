"""The quiet marks beside a report's sentences: bars at the left, numbers at the right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QTextBlock, QTextDocument

from workstation.core.authorship import Origin
from workstation.core.report import Report, Sentence
from workstation.ui import palette

LEFT = 16
"""Pixels at the left of the text, for the bars."""
RIGHT = 58
"""Pixels at the right of the text, for confidences, evidence and ticks."""

Grounded = Callable[[Sentence], bool | None]

_BAR = 3.0


@dataclass(frozen=True)
class Row:
    """The part of a sentence on one line of the screen: its box, and if it is the last."""

    sentence: Sentence
    box: QRectF
    last: bool


def rows(document: QTextDocument, report: Report) -> Iterator[Row]:
    """Lines of the screen that each sentence takes, in document coordinates."""
    units = Utf16(report.text)
    for sentence in report.sentences:
        start, end = units.offset(sentence.start), units.offset(sentence.end)
        block = document.findBlock(start)
        boxes = list(_boxes(document, block, start - block.position(), end - block.position()))
        for index, box in enumerate(boxes):
            yield Row(sentence, box, index == len(boxes) - 1)


def paint_marks(
    painter: QPainter,
    document: QTextDocument,
    report: Report,
    top: float,
    grounded: Grounded,
) -> None:
    """Paint the marks of what is in sight.

    Parameters
    ----------
    top : float
        How far the text is scrolled, in pixels.
    grounded : callable
        Tells whether the image has a part in a sentence; None where that was not looked for.
    """
    sight = QRectF(painter.viewport())
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    notes: dict[float, list[Sentence]] = {}
    for row in rows(document, report):
        box = row.box.translated(0, -top)
        if row.sentence.origin is Origin.HUMAN or not box.intersects(sight):
            continue
        _paint_bar(painter, row.sentence, box)
        if row.last:
            notes.setdefault(box.top(), []).append(row.sentence)
            column = QRectF(sight.right() - RIGHT, box.top(), RIGHT - 8, box.height())
            painter.fillRect(column, QColor(palette.BACKGROUND))
            _paint_note(painter, notes[box.top()], column, grounded)


def explanation(sentence: Sentence) -> str:
    """Whose a sentence is, for the hover."""
    if sentence.origin is Origin.HUMAN:
        return "Written by a person."
    state = "Accepted." if sentence.accepted else "Not accepted yet (Ctrl+Return)."
    confidence = (
        ""
        if sentence.confidence is None
        else f" Mean probability of its words: {sentence.confidence:.2f}."
    )
    if sentence.origin is Origin.MODEL:
        return f"Written by the model, untouched. {state}{confidence}"
    edited = f"Written by the model, edited. {state}{confidence}"
    return f"{edited}\nThe model wrote: {sentence.original}"


class Utf16:
    """Positions of a text as Qt counts them (UTF-16 units) and as Python does."""

    def __init__(self, text: str) -> None:
        self._wide: list[int] = []
        if max(text, default="") > "\uffff":  # rare, and dear to look for
            self._wide = [index for index, letter in enumerate(text) if ord(letter) > 0xFFFF]

    def offset(self, index: int) -> int:
        """Qt's position of a character."""
        return index + sum(1 for wide in self._wide if wide < index)

    def index(self, offset: int) -> int:
        """Character at Qt's position; the character itself where that is inside one."""
        index = offset
        for seen, wide in enumerate(self._wide):
            if wide + seen < offset:
                index = max(offset - seen - 1, wide)
        return index


def _boxes(document: QTextDocument, block: QTextBlock, start: int, end: int) -> Iterator[QRectF]:
    layout = block.layout()
    origin = document.documentLayout().blockBoundingRect(block).topLeft()
    for number in range(layout.lineCount()):
        line = layout.lineAt(number)
        first = max(start, line.textStart())
        last = min(end, line.textStart() + line.textLength())
        if first >= last:
            continue
        # PySide returns the position together with the cursor.
        left, right = _x(line.cursorToX(first)), _x(line.cursorToX(last))
        yield QRectF(origin.x() + left, origin.y() + line.y(), right - left, line.height())


def _x(found: object) -> float:
    return float(found[0] if isinstance(found, tuple) else found)  # type: ignore[arg-type]


def _paint_bar(painter: QPainter, sentence: Sentence, box: QRectF) -> None:
    bar = QRectF(box.left() - _BAR - 4, box.top() + 2, _BAR, box.height() - 4)
    if box.left() > LEFT + 2:
        # Inside a line there is only the space before the sentence.
        bar = QRectF(box.left() - 3, box.top() + 3, 2, box.height() - 6)
    colour = QColor(palette.DIM if sentence.accepted else palette.MODEL)
    if sentence.origin is Origin.EDITED:
        painter.setPen(QPen(colour, 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(bar.adjusted(0, 0.5, 0, -0.5))
    else:
        painter.fillRect(bar, colour)


def note_of(ending: Sequence[Sentence], grounded: Grounded) -> str:
    """Word for the sentences that end in a line: the lowest confidence, or said from habit.

    A circle stands only where the evidence of all of them is known.
    """
    unread = [sentence for sentence in ending if not sentence.accepted]
    known = [sentence.confidence for sentence in unread if sentence.confidence is not None]
    found = {grounded(sentence) for sentence in unread}
    if found == {False}:
        return "○ habit"
    more = "≥ " if len(known) > 1 else ""
    number = f"{more}{min(known):.2f}" if known else ""
    return f"◎ {number}".strip() if found == {True} else number


def _paint_note(
    painter: QPainter, ending: list[Sentence], column: QRectF, grounded: Grounded
) -> None:
    """Write the note of the sentences that end here, or a tick if all are read."""
    painter.setPen(QPen(QColor(palette.DIM), 1.4))
    if all(sentence.accepted for sentence in ending):
        middle, right = column.center().y(), column.right()
        tick = ((-12.0, 0.0), (-8.0, 4.0), (-1.0, -4.0))
        painter.drawPolyline([QPointF(right + x, middle + y) for x, y in tick])
        return
    font = QFont(painter.font())
    font.setPixelSize(11)
    painter.setFont(font)
    place = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
    painter.drawText(column, place, note_of(ending, grounded))
