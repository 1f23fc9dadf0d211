"""The list of keys, over the window until a key or click takes it away."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent, QKeySequence, QMouseEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from workstation.actions.action import Action
from workstation.ui.panel_parts import label

_MOUSE = (
    ("Left drag", "Window and level"),
    ("Middle drag", "Pan"),
    ("Right drag", "Zoom"),
    ("Wheel", "Scroll slices"),
    ("Double click", "Maximise or restore"),
    ("Click", "Set the crosshair"),
)
_COLUMN_ROWS = 27
_LEAST_UNDER_HEADING = 4


class ShortcutsOverlay(QFrame):
    """All shortcuts by group; made from the action tables, so it is never out of date."""

    def __init__(self, actions: Sequence[Action], window: QWidget) -> None:
        super().__init__(window)
        self.setProperty("role", "notification")
        self.setAutoFillBackground(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("Keyboard and mouse")
        whole = QVBoxLayout(self)
        whole.setContentsMargins(24, 18, 24, 18)
        whole.addWidget(label("Keyboard and mouse  ·  any key closes", "heading"))
        columns = QHBoxLayout()
        columns.setSpacing(36)
        for rows in _columns(self._rows(actions)):
            columns.addLayout(self._column(rows))
        whole.addLayout(columns)
        self.hide()

    @staticmethod
    def _rows(actions: Sequence[Action]) -> list[tuple[str, str]]:
        """Pairs of key and text; a heading has no key."""
        rows: list[tuple[str, str]] = [("", "Mouse"), *_MOUSE]
        keyed = [action for action in actions if action.shortcuts]
        for group, members in groupby(keyed, key=lambda action: action.key.split(".")[0]):
            rows.append(("", group.capitalize()))
            for action in members:
                shown = QKeySequence(action.shortcut).toString(
                    QKeySequence.SequenceFormat.NativeText
                )
                rows.append((shown, action.text))
        return rows

    @staticmethod
    def _column(rows: Sequence[tuple[str, str]]) -> QVBoxLayout:
        column, grid = QVBoxLayout(), QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(4)
        for place, (key, text) in enumerate(rows):
            if key:
                grid.addWidget(label(key, "title", wrap=False), place, 0)
                grid.addWidget(label(text, wrap=False), place, 1)
            else:
                grid.addWidget(label(text, "heading", wrap=False), place, 0, 1, 2)
        column.addLayout(grid)
        column.addStretch(1)
        return column

    def toggle(self) -> None:
        """Show in the window's middle, or hide."""
        if self.isVisible():
            self.hide()
            return
        self.adjustSize()
        window = self.parentWidget()
        if window is not None:
            middle = window.rect().center() - self.rect().center()
            self.move(max(0, middle.x()), max(0, middle.y()))
        self.show()
        self.raise_()
        self.setFocus(Qt.FocusReason.PopupFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Close."""
        event.accept()
        self.hide()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Close."""
        event.accept()
        self.hide()


def _columns(rows: Sequence[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """Fill columns from the top; a heading never ends one."""
    columns: list[list[tuple[str, str]]] = [[]]
    for place, row in enumerate(rows):
        room = _COLUMN_ROWS - len(columns[-1])
        heading_would_end = not row[0] and room < _LEAST_UNDER_HEADING and place > 0
        if room <= 0 or heading_would_end:
            columns.append([])
        columns[-1].append(row)
    return columns
