"""Quiet cards at the lower right, and the log where they can be found again."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal, Slot
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from workstation.core.study import Severity
from workstation.ui import palette
from workstation.ui.panel_parts import Fold, button
from workstation.ui.theme import icon

_LOG = logging.getLogger(__name__)
_WIDTH = 380
_FADE_MILLISECONDS = 7000
_MOST = 4
SIGNS = {
    Severity.INFO: ("info", palette.ACCENT),
    Severity.WARNING: ("warning", palette.WARNING),
    Severity.ERROR: ("error", palette.ERROR),
}
"""Icon and colour by severity."""


@dataclass(frozen=True)
class Remedy:
    """What a reader can do about a notification: a button's text, and what it does."""

    text: str
    run: Callable[[], None]


@dataclass(frozen=True)
class Told:
    """One notification as the log keeps it."""

    time: datetime
    text: str
    severity: Severity
    details: str = ""


class _Card(QFrame):
    """One sentence with its stripe, a fold for details, a remedy and a close button."""

    closed = Signal(object)
    resized = Signal()

    def __init__(self, told: Told, parent: QWidget, remedy: Remedy | None) -> None:
        super().__init__(parent)
        self._remedy = remedy
        name, colour = SIGNS[told.severity]
        self.setProperty("role", "notification")
        self.setStyleSheet(f"_Card {{ border-left: 3px solid {colour}; }}")
        self.setAccessibleName(told.text)
        self.setFixedWidth(_WIDTH)
        sign = QLabel()
        sign.setPixmap(icon(name, colour).pixmap(16, 16))
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
        if remedy is not None:
            act = button(remedy.text)
            act.clicked.connect(self._act)
            whole.addWidget(act, 0, Qt.AlignmentFlag.AlignRight)
        if told.details:
            fold = Fold("Details", told.details)
            fold.toggled.connect(self.resized)
            whole.addWidget(fold)

    @Slot()
    def fade(self) -> None:
        """Go away, unless the reader has the mouse on it."""
        if self.underMouse():
            QTimer.singleShot(_FADE_MILLISECONDS, self, self.fade)
        else:
            self._close()

    @Slot()
    def _act(self) -> None:
        if self._remedy is not None:
            self._remedy.run()
        self._close()

    @Slot()
    def _close(self) -> None:
        self.closed.emit(self)


class Notifications(QObject):
    """Shows what the reader must know, without ever taking the focus.

    What is about data or the report, or has a remedy, stays until it is closed; mere
    information fades.
    """

    changed = Signal()
    fault_told = Signal(str, str)

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._cards: list[_Card] = []
        self.log: list[Told] = []
        window.installEventFilter(self)
        self.fault_told.connect(self._tell_fault, Qt.ConnectionType.QueuedConnection)

    def show(
        self,
        text: str,
        severity: Severity = Severity.INFO,
        details: str = "",
        remedy: Remedy | None = None,
    ) -> None:
        """Show a sentence; an equal one that is still on screen is not doubled."""
        told = Told(datetime.now().astimezone(), text, severity, details)
        self.log.append(told)
        self.changed.emit()
        for card in self._cards:
            if card.accessibleName() == text:
                return
        card = _Card(told, self._window, remedy)
        card.closed.connect(self._remove)
        card.resized.connect(self._place)
        self._cards.append(card)
        if severity is Severity.INFO and remedy is None:
            QTimer.singleShot(_FADE_MILLISECONDS, card, card.fade)
        self._place()

    @property
    def texts(self) -> list[str]:
        """Sentences that are not closed, oldest first; the newest four are on screen."""
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
        """Stack the newest cards from the corner up; older ones come back as these are closed."""
        shown, hidden = self._cards[-_MOST:], self._cards[:-_MOST]
        for card in hidden:
            card.hide()
        bottom = self._window.height() - 40
        for card in reversed(shown):
            card.show()
            card.adjustSize()
            bottom -= card.height()
            card.move(self._window.width() - card.width() - 14, max(0, bottom))
            card.raise_()
            bottom -= 8

    @Slot(str, str)
    def _tell_fault(self, kind: str, text: str) -> None:
        self.show(
            "Something went wrong in the program; your report is kept.",
            Severity.ERROR,
            f"{kind}: {text}",
        )


def install_excepthook(notifications: Notifications) -> None:
    """Tell an uncaught fault of any thread as a notification, never as a traceback.

    The log gets the kind of fault and where it arose, but not its text, which may name a patient.
    """

    def tell(kind: type[BaseException], fault: BaseException | None, where: object) -> None:
        _LOG.critical("uncaught %s at %s", kind.__name__, where)
        # By signal: the fault may have arisen in another thread.
        notifications.fault_told.emit(kind.__name__, str(fault))

    def hook(
        kind: type[BaseException], fault: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        tell(kind, fault, _where(trace))

    def thread_hook(given: threading.ExceptHookArgs) -> None:
        tell(given.exc_type, given.exc_value, _where(given.exc_traceback))

    sys.excepthook = hook
    threading.excepthook = thread_hook


def _where(trace: TracebackType | None) -> str:
    frames = traceback.extract_tb(trace)
    return " > ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
