"""Parts that every panel is made of: hints, cards, folds, running and failed states."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QTextOption, QWheelEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QTextEdit,
    QVBoxLayout,
    QWidget,
)

from workstation.ui import palette
from workstation.ui.theme import icon

_PAD = 3
_HIGHEST = 240


def label(text: str, role: str = "", wrap: bool = True) -> QLabel:
    """Make a plain-text label; ``role`` is the style sheet's."""
    made = QLabel(text)
    made.setTextFormat(Qt.TextFormat.PlainText)
    made.setWordWrap(wrap)
    if role:
        made.setProperty("role", role)
    return made


def button(text: str, icon_name: str = "", role: str = "", hint: str = "") -> QPushButton:
    """Make a button; its hint is also its accessible name where it has no text."""
    made = QPushButton(text)
    if icon_name:
        made.setIcon(icon(icon_name, palette.ACCENT if role == "primary" else palette.TEXT))
    if role:
        made.setProperty("role", role)
    made.setToolTip(hint)
    made.setAccessibleName(text or hint)
    made.setAutoDefault(False)
    return made


def set_role(widget: QWidget, role: str) -> None:
    """Give a widget another role of the style sheet."""
    if widget.property("role") != role:
        widget.setProperty("role", role)
        widget.style().unpolish(widget)
        widget.style().polish(widget)


def as_panel(widget: QWidget) -> None:
    """Give a dock's content the panels' background, whatever its class."""
    widget.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
    widget.setProperty("role", "panel")


class Card(QFrame):
    """A framed block in a list."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(8, 8, 8, 8)
        self.body.setSpacing(5)


class WrappedText(QTextEdit):
    """Text to read and copy, as high as it needs up to a limit; long paths break anywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setProperty("role", "wrapped")
        self.setTabChangesFocus(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.document().setDocumentMargin(2)
        self.document().documentLayout().documentSizeChanged.connect(self._fit)

    @Slot()
    def _fit(self) -> None:
        needed = round(self.document().size().height()) + 2 * _PAD
        self.setFixedHeight(min(needed, _HIGHEST))

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the list around it where all the text is in sight."""
        if self.verticalScrollBar().maximum() > 0:
            super().wheelEvent(event)
        else:
            event.ignore()


class Fold(QWidget):
    """A heading that shows and hides a text."""

    toggled = Signal()

    def __init__(self, heading: str, text: str) -> None:
        super().__init__()
        self._head = button(heading, "chevron-right", "quiet")
        self._text = WrappedText()
        self.set_text(text)
        self._text.hide()
        self._head.clicked.connect(self._toggle)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(2)
        whole.addWidget(self._head, 0, Qt.AlignmentFlag.AlignLeft)
        whole.addWidget(self._text)

    def set_text(self, text: str) -> None:
        """Put another text under the heading."""
        self._text.setPlainText(text)

    @Slot()
    def _toggle(self) -> None:
        opened = self._text.isHidden()
        self._text.setVisible(opened)
        self._head.setIcon(icon("chevron-down" if opened else "chevron-right"))
        self.toggled.emit()


class Scroll(QScrollArea):
    """A column of cards; where there are none, a hint and perhaps a button that fills it."""

    def __init__(self, hint: str, action: QWidget | None = None) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inner = QWidget()
        self._column = QVBoxLayout(inner)
        self._column.setContentsMargins(10, 10, 6, 10)
        self._column.setSpacing(8)
        self._hint = label(hint, "dim")
        self._hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._empty = QWidget()
        empty = QVBoxLayout(self._empty)
        empty.setContentsMargins(0, 12, 0, 0)
        empty.addWidget(self._hint)
        if action is not None:
            empty.addWidget(action, 0, Qt.AlignmentFlag.AlignHCenter)
        self._note = label("", "dim")
        self._note.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._note.hide()
        self._column.addWidget(self._empty)
        self._column.addWidget(self._note)
        self._column.addStretch(1)
        self.setWidget(inner)

    def cards(self) -> list[QWidget]:
        """Cards from top to bottom."""
        items = (self._column.itemAt(place) for place in range(1, self._column.count() - 2))
        widgets = (item.widget() for item in items if item is not None)
        return [widget for widget in widgets if widget is not None]

    def add(self, card: QWidget, at: int | None = None) -> None:
        """Put a card at the end, or at a place from the top."""
        self._empty.hide()
        self._column.insertWidget(self._column.count() - 2 if at is None else at + 1, card)

    def clear(self) -> None:
        """Remove all cards and show the hint again."""
        for card in self.cards():
            self._column.removeWidget(card)
            card.hide()
            card.deleteLater()
        self.show_note("")
        self._empty.show()

    def show_hint(self, text: str) -> None:
        """Say what to do next, or why there is nothing."""
        self._hint.setText(text)
        self._empty.setVisible(not self.cards())

    def hide_hint(self) -> None:
        """Show nothing while what will fill the list is under way."""
        self._empty.hide()

    def show_note(self, text: str) -> None:
        """Say something under the cards; nothing if empty."""
        self._note.setText(text)
        self._note.setVisible(bool(text))


class RunningLine(QWidget):
    """What is under way, how far, and Cancel; or why it failed, details, and what to do."""

    cancel_requested = Signal()
    retry_requested = Signal()

    def __init__(self, remedy: str = "Retry") -> None:
        super().__init__()
        self._text = label("")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._cancel = button("Cancel", "cancel", "quiet", "Stop what is under way")
        self._retry = button(remedy, "reset", "quiet")
        self._details = Fold("Details", "")
        self._cancel.clicked.connect(self._on_cancel)
        self._retry.clicked.connect(self._on_retry)
        line = QHBoxLayout()
        line.addWidget(self._text, 1)
        line.addWidget(self._retry, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(self._cancel)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(10, 4, 10, 4)
        whole.setSpacing(2)
        whole.addLayout(line)
        whole.addWidget(self._bar)
        whole.addWidget(self._details)
        self.hide()

    def run(self, text: str, fraction: float | None = None) -> None:
        """Show work; ``fraction`` None: how much is left cannot be known."""
        self._say(text, "")
        self._bar.setRange(0, 0 if fraction is None else 1000)
        if fraction is not None:
            self._bar.setValue(round(1000 * fraction))
        self._bar.show()
        self._cancel.show()
        self._retry.hide()
        self._details.hide()
        self.show()

    def fail(self, message: str, details: str = "") -> None:
        """Show why it failed."""
        self._say(message, "error")
        self._details.set_text(details)
        self._details.setVisible(bool(details))
        self._bar.hide()
        self._cancel.hide()
        self._retry.show()
        self.show()

    @property
    def text(self) -> str:
        """What is shown."""
        return self._text.text()

    def _say(self, text: str, role: str) -> None:
        self._text.setText(text)
        set_role(self._text, role)

    @Slot()
    def _on_cancel(self) -> None:
        self.cancel_requested.emit()

    @Slot()
    def _on_retry(self) -> None:
        self.hide()
        self.retry_requested.emit()
