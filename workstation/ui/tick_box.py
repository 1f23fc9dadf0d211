"""A check box with its tick in the theme's own drawing."""

from __future__ import annotations

from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QCheckBox, QStyle, QStyleOptionButton

from workstation.ui import palette
from workstation.ui.theme import icon


class TickBox(QCheckBox):
    """A check box; the style sheet fills its box, the tick is painted here."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the box, and the tick where it is checked."""
        super().paintEvent(event)
        if not self.isChecked():
            return
        option = QStyleOptionButton()
        self.initStyleOption(option)
        box = self.style().subElementRect(QStyle.SubElement.SE_CheckBoxIndicator, option, self)
        painter = QPainter(self)
        icon("accept", palette.IMAGE).paint(painter, box)
        painter.end()
