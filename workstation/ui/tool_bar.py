"""The tool bar: which actions stand on it, and with what picture."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QIcon
from PySide6.QtWidgets import QLabel, QMenu, QSizePolicy, QToolBar, QToolButton, QWidget

from workstation.actions.action import Action
from workstation.ui.theme import drawn_icon, icon

_MEASURE = "measure"
_ICONS = {
    "file.open": "open",
    "worklist.show": "worklist",
    "view.crosshair": "crosshair",
    "view.invert": "invert",
    "view.maximise": "maximise",
    "view.reset": "reset",
    _MEASURE: "",  # here the tools stand, each with its own picture, and undo
    "measure.undo": "undo",
    "report.draft": "draft",
    "report.ask": "ask",
    "report.similar": "similar",
    "report.save": "save",
    "help.keys": "help",
}
_THEN_A_LINE = ("worklist.show", "measure.undo")


def icon_of(action: Action) -> QIcon | None:
    """Picture of an action, if it has one."""
    if action.drawing:
        return drawn_icon(action.drawing)
    name = _ICONS.get(action.key, "")
    return icon(name) if name else None


class ToolsBar(QToolBar):
    """Made from the tables of actions; whose scan is open stands at its right."""

    def __init__(self) -> None:
        super().__init__("Tools")
        self.setObjectName("tools")
        self.setMovable(False)
        self.setIconSize(QSize(18, 18))
        self.patient = QLabel()
        self.patient.setProperty("role", "title")
        self.whose = QAction(self)

    def fill(self, actions: Sequence[tuple[Action, QAction]], windows: QMenu) -> None:
        """Put the actions on the bar that belong there, in its own order."""
        for key in _ICONS:
            for action, made in actions:
                tool = key == _MEASURE and bool(action.drawing)
                if action.key == key or tool:
                    self.addAction(made)
            if key in _THEN_A_LINE:
                self.addSeparator()
            if key == "view.reset":
                self.addSeparator()
                self.addWidget(_window_button(windows))
                self.addSeparator()
        spacer = QWidget()
        spacer.setStyleSheet("background: transparent;")
        spacer.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self.addWidget(spacer)
        self.whose = self.addWidget(self.patient)


def _window_button(menu: QMenu) -> QToolButton:
    button = QToolButton()
    button.setIcon(icon("window"))
    button.setText("Window")
    button.setToolTip("Window presets (keys 1–9, 0 and `)")
    button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
    button.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
    button.setMenu(menu)
    return button
