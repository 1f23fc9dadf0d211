"""A sheet of text over the window: the log, the model card."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QTextBrowser, QVBoxLayout, QWidget

from workstation.ui.panel_parts import button, label


class TextSheet(QFrame):
    """Text with a heading and a close button; Escape closes it too."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setProperty("role", "notification")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._heading = label("", "title", wrap=False)
        self._text = QTextBrowser()
        self._text.setOpenLinks(False)
        close = button("Close", "close", "quiet")
        close.clicked.connect(self.hide)
        head = QHBoxLayout()
        head.addWidget(self._heading, 1)
        head.addWidget(close)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(16, 10, 16, 14)
        whole.addLayout(head)
        whole.addWidget(self._text, 1)
        self.hide()

    def show_text(self, heading: str, text: str) -> None:
        """Show a text, Markdown understood, in the window's middle."""
        self._text.setMarkdown(text)
        self._come(heading)

    def show_plain(self, heading: str, text: str) -> None:
        """Show a text as it is in the window's middle."""
        self._text.setPlainText(text)
        self._come(heading)

    def _come(self, heading: str) -> None:
        self._heading.setText(heading)
        self.setAccessibleName(heading)
        window = self.parentWidget()
        if window is not None:
            size = window.size() * 0.7
            self.resize(min(size.width(), 900), size.height())
            self.move((window.width() - self.width()) // 2, (window.height() - self.height()) // 2)
        self.show()
        self.raise_()
        self.setFocus(Qt.FocusReason.PopupFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close with Escape."""
        if event.key() == Qt.Key.Key_Escape:
            self.hide()
        else:
            super().keyPressEvent(event)
