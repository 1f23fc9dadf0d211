"""A list to choose from, with its arrow in the theme's own drawing."""

from __future__ import annotations

from PySide6.QtCore import QRect
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox

from workstation.ui import palette
from workstation.ui.theme import icon

_ARROW = 14


class ChoiceBox(QComboBox):
    """A combo box; the style sheet leaves out its arrow, so that it is painted here."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the box and its arrow."""
        super().paintEvent(event)
        painter = QPainter(self)
        place = QRect(self.width() - _ARROW - 5, (self.height() - _ARROW) // 2, _ARROW, _ARROW)
        icon("chevron-down", palette.DIM).paint(painter, place)
        painter.end()
