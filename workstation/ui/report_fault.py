"""A fault of the report, said quietly below the text."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from workstation.ui.panel_parts import Fold, button, label


class FaultLine(QWidget):
    """A sentence, its details in a fold, and one thing to do about it."""

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._message = label("", "error")
        self._fold: Fold | None = None
        self._action = button("")
        self._close = button("", "close", "quiet", "Dismiss")
        self._action.clicked.connect(self._on_action)
        self._close.clicked.connect(self.hide)
        top = QHBoxLayout()
        top.addWidget(self._message, 1)
        top.addWidget(self._action)
        top.addWidget(self._close)
        self._whole = QVBoxLayout(self)
        self._whole.setContentsMargins(10, 4, 10, 4)
        self._whole.setSpacing(2)
        self._whole.addLayout(top)
        self.hide()

    @property
    def message(self) -> str:
        """What is said."""
        return self._message.text()

    def show_fault(self, message: str, details: str, action: str) -> None:
        """Say what is wrong and offer what can be done."""
        self._message.setText(message)
        self._action.setText(action)
        self._action.setAccessibleName(action)
        if self._fold is not None:
            self._fold.hide()
            self._fold.deleteLater()
        self._fold = Fold("Details", details) if details else None
        if self._fold is not None:
            self._whole.addWidget(self._fold)
        self.show()

    @Slot()
    def _on_action(self) -> None:
        self.chosen.emit(self._action.text())
