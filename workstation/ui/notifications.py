"""Quiet cards at the lower right, and the log where they can be found again."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from workstation.core.study import Severity
from workstation.ui import palette
from workstation.ui.theme import icon

_LOG = logging.getLogger(__name__)
_WIDTH = 380
_FADE_MILLISECONDS = 7000
_MOST = 4
_STRIPES = {
    Severity.INFO: palette.ACCENT,
    Severity.WARNING: palette.WARNING,
    Severity.ERROR: palette.ERROR,
}
_ICONS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.ERROR: "warning"}


@dataclass(frozen=True)
class Told:
    """One notification as the log keeps it."""

    time: datetime
    text: str
    severity: Severity
    details: str = ""


class _Card(QFrame):
    """One sentence with its stripe, a fold for details and a close button."""

    closed = Signal(object)
    resized = Signal()

    def __init__(self, told: Told, parent: QWidget) -> None:
        super().__init__(parent)
        self.setProperty("role", "notification")
        self.setStyleSheet(f"_Card {{ border-left: 3px solid {_STRIPES[told.severity]}; }}")
        self.setAccessibleName(told.text)
        self.setFixedWidth(_WIDTH)
        sign = QLabel()
        sign.setPixmap(icon(_ICONS[told.severity], _STRIPES[told.severity]).pixmap(16, 16))
        text = QLabel(told.text)
        text.setTextFormat(Qt.TextFormat.PlainText)
        text.setWordWrap(True)
        close = QPushButton(icon("close", palette.DIM), "")
        close.setProperty("role", "quiet")
        close.setAccessibleName("Close notification")
        close.clicked.connect(self._close)
        line = QHBoxLayout()
        line.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(text, 1)
        line.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(10, 8, 6, 8)
        whole.addLayout(line)
        if told.details:
            self._add_fold(whole, told.details)

    def _add_fold(self, whole: QVBoxLayout, details: str) -> None:
        self._details = QLabel(details)
        self._details.setProperty("role", "dim")
        self._details.setTextFormat(Qt.TextFormat.PlainText)
        self._details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._details.setWordWrap(True)
        self._details.hide()
        self._fold = QPushButton(icon("chevron-right", palette.DIM), "Details")
        self._fold.setProperty("role", "quiet")
        self._fold.clicked.connect(self._toggle)
        whole.addWidget(self._fold, 0, Qt.AlignmentFlag.AlignLeft)
        whole.addWidget(self._details)

    @Slot()
    def _toggle(self) -> None:
        shown = self._details.isHidden()
        self._details.setVisible(shown)
        self._fold.setIcon(icon("chevron-down" if shown else "chevron-right", palette.DIM))
        self.resized.emit()

    @Slot()
    def _close(self) -> None:
        self.closed.emit(self)


class Notifications(QObject):
    """Shows what the reader must know, without ever taking the focus.

    What is about data or the report stays until it is closed; mere information fades.
    """

    changed = Signal()

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._cards: list[_Card] = []
        self.log: list[Told] = []
        window.installEventFilter(self)

    def show(self, text: str, severity: Severity = Severity.INFO, details: str = "") -> None:
        """Show a sentence; an equal one that is still on screen is not doubled."""
        told = Told(datetime.now().astimezone(), text, severity, details)
        self.log.append(told)
        self.changed.emit()
        for card in self._cards:
            if card.accessibleName() == text:
                return
        card = _Card(told, self._window)
        card.closed.connect(self._remove)
        card.resized.connect(self._place)
        self._cards.append(card)
        if severity is Severity.INFO:
            QTimer.singleShot(_FADE_MILLISECONDS, card, card._close)
        while len(self._cards) > _MOST:
            self._remove(self._cards[0])
        card.show()
        self._place()

    @property
    def texts(self) -> list[str]:
        """Sentences on screen now, oldest first."""
        return [card.accessibleName() for card in self._cards]

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Keep the cards in their corner when the window changes size."""
        if watched is self._window and event.type() == QEvent.Type.Resize:
            self._place()
        return False

    @Slot(object)
    def _remove(self, card: _Card) -> None:
        if card in self._cards:
            self._cards.remove(card)
            card.hide()
            card.deleteLater()
        self._place()

    @Slot()
    def _place(self) -> None:
        bottom = self._window.height() - 40
        for card in reversed(self._cards):
            card.adjustSize()
            bottom -= card.height()
            card.move(self._window.width() - _WIDTH - 14, max(0, bottom))
            card.raise_()
            bottom -= 8


def install_excepthook(notifications: Notifications) -> None:
    """Tell an uncaught fault as a notification; the log keeps where, never the reader's screen."""

    def hook(
        kind: type[BaseException], fault: BaseException, trace: TracebackType | None
    ) -> None:
        _LOG.critical("uncaught fault", exc_info=(kind, fault, trace))
        notifications.show(
            "Something went wrong in the program; your report is kept.",
            Severity.ERROR,
            f"{kind.__name__}: {fault}",
        )

    sys.excepthook = hook
