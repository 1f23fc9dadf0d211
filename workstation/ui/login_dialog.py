"""Asks for a password or token; it is shown to nobody and kept only where that was asked for."""

from __future__ import annotations

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import (
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from workstation.ui.panel_parts import button, label
from workstation.ui.tick_box import TickBox


class LoginDialog(QDialog):
    """One line for the secret.

    Signals
    -------
    given(str, bool)
        The secret, and whether the keyring shall keep it.
    """

    given = Signal(str, bool)

    def __init__(self, heading: str, remark: str, can_keep: bool, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("Log in")
        self.setMinimumWidth(420)
        self.line = QLineEdit()
        self.line.setEchoMode(QLineEdit.EchoMode.Password)
        self.line.setAccessibleName(heading)
        self.keep = TickBox("Keep it in this computer's keyring")
        self.keep.setVisible(can_keep)
        enters, cancels = button("Log in", "", "primary"), button("Cancel")
        enters.clicked.connect(self._on_accepted)
        cancels.clicked.connect(self.reject)
        self.line.returnPressed.connect(self._on_accepted)
        buttons = QHBoxLayout()
        buttons.addStretch(1)
        buttons.addWidget(enters)
        buttons.addWidget(cancels)
        column = QVBoxLayout(self)
        column.addWidget(label(heading))
        column.addWidget(self.line)
        column.addWidget(self.keep)
        if remark:
            column.addWidget(label(remark, "dim"))
        column.addLayout(buttons)

    @Slot()
    def _on_accepted(self) -> None:
        secret, keep = self.line.text(), self.keep.isChecked() and self.keep.isVisible()
        self.line.clear()
        if secret:
            self.accept()
            self.given.emit(secret, keep)
