"""What has been told since the start, newest first; over the window until it is closed."""

from __future__ import annotations

from PySide6.QtCore import Qt, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from workstation.core.study import Severity
from workstation.ui.notifications import SIGNS, Notifications, Told
from workstation.ui.panel_parts import Card, Fold, Scroll, button, label
from workstation.ui.theme import icon

_WIDTH = 460
_HEIGHT = 520
_MARGIN = 14
_STRIP = 40
_ROLES = {Severity.INFO: "", Severity.WARNING: "warning", Severity.ERROR: "error"}


class _Entry(Card):
    def __init__(self, told: Told) -> None:
        super().__init__()
        sign = QLabel()
        sign.setPixmap(icon(*SIGNS[told.severity]).pixmap(16, 16))
        line = QHBoxLayout()
        line.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        line.addWidget(label(told.text, _ROLES[told.severity]), 1)
        time = label(f"{told.time:%H:%M:%S}", "dim", wrap=False)
        line.addWidget(time, 0, Qt.AlignmentFlag.AlignTop)
        self.body.addLayout(line)
        if told.details:
            self.body.addWidget(Fold("Details", told.details))


class NotificationLog(QFrame):
    """The list of past notifications.

    Parameters
    ----------
    notifications : Notifications
        Whose log it is; an open list follows it.
    window : QWidget
        Over whose lower right corner it stands.
    """

    def __init__(self, notifications: Notifications, window: QWidget) -> None:
        super().__init__(window)
        self._notifications = notifications
        self.setProperty("role", "sheet")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Past notifications")
        self._entries = Scroll("Nothing has been told yet.")
        close = button("", "close", "quiet", "Close the list (Esc)")
        close.clicked.connect(self.hide)
        line = QHBoxLayout()
        line.setContentsMargins(12, 6, 6, 0)
        line.addWidget(label("Notifications", "title"), 1)
        line.addWidget(close)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(1, 1, 1, 1)
        whole.addLayout(line)
        whole.addWidget(self._entries, 1)
        notifications.changed.connect(self._refresh)
        self.hide()

    @Slot()
    def toggle(self) -> None:
        """Open in the window's lower right corner, or close."""
        if self.isVisible():
            self.hide()
            return
        window = self.parentWidget()
        if window is not None:
            width = min(_WIDTH, window.width() - 2 * _MARGIN)
            height = min(_HEIGHT, window.height() - 2 * _STRIP)
            self.setGeometry(
                window.width() - width - _MARGIN, window.height() - height - _STRIP, width, height
            )
        self.show()
        self._refresh()
        self.raise_()
        self.setFocus(Qt.FocusReason.PopupFocusReason)

    @Slot()
    def _refresh(self) -> None:
        if self.isVisible():
            self._entries.clear()
            for told in reversed(self._notifications.log):
                self._entries.add(_Entry(told))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close with Escape."""
        if event.key() == Qt.Key.Key_Escape:
            self.hide()
        else:
            super().keyPressEvent(event)
