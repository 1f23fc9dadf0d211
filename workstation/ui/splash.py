"""What is seen while the program starts: its name, and what it is not."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from workstation.ui import palette

_WIDTH, _HEIGHT, _MARGIN = 560, 300, 44
_PURPOSE = "CT reading with a model that drafts"
_NOTICE = "Research software, not a medical device."
_DEMONSTRATION = "The bundled model is a demonstration, trained on synthetic phantoms."
# Half axes and tilt of a body's outline in three slices of the mark.
_SLICES = ((54.0, 20.0, palette.LINE), (64.0, 24.0, palette.FAINT), (58.0, 22.0, palette.ACCENT))


class Splash(QWidget):
    """A small window without a frame.

    Signals
    -------
    painted()
        It is on screen; from now on the program may be busy.
    """

    painted = Signal()

    def __init__(self) -> None:
        super().__init__(None, Qt.WindowType.SplashScreen | Qt.WindowType.FramelessWindowHint)
        self._doing = ""
        self.setObjectName("splash")
        self.setFixedSize(_WIDTH, _HEIGHT)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setWindowTitle("Tomoscribe")
        self.setAccessibleName("Tomoscribe starts")
        self.setAccessibleDescription(f"{_NOTICE} {_DEMONSTRATION}")
        screen = self.screen().availableGeometry()
        self.move(screen.center() - self.rect().center())

    def say(self, doing: str) -> None:
        """Tell what the program is doing."""
        self._doing = doing
        self.repaint()  # whoever says something is about to be busy

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Paint all of it."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(palette.BACKGROUND))
        painter.setPen(QPen(QColor(palette.LINE), 1))
        painter.drawRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5))
        _paint_mark(painter, QPointF(_WIDTH - _MARGIN - 64, 104))
        self._paint_words(painter)
        painter.end()
        self.painted.emit()

    def _paint_words(self, painter: QPainter) -> None:
        lines = (
            (86, 34, QFont.Weight.DemiBold, palette.TEXT, "Tomoscribe"),
            (116, 15, QFont.Weight.Normal, palette.DIM, _PURPOSE),
            (204, 13, QFont.Weight.Normal, palette.WARNING, _NOTICE),
            (225, 13, QFont.Weight.Normal, palette.WARNING, _DEMONSTRATION),
            (266, 13, QFont.Weight.Normal, palette.DIM, self._doing),
        )
        for baseline, pixels, weight, colour, text in lines:
            font = QFont(self.font())
            font.setPixelSize(pixels)
            font.setWeight(weight)
            painter.setFont(font)
            painter.setPen(QColor(colour))
            painter.drawText(QPointF(_MARGIN, baseline), text)


def _paint_mark(painter: QPainter, centre: QPointF) -> None:
    """Three slices through a body, one above the other; the middle of the top one is read."""
    painter.save()
    for number, (across, deep, colour) in enumerate(_SLICES):
        at = centre + QPointF(0, 30 - 30 * number)
        painter.setPen(QPen(QColor(colour), 2))
        painter.setBrush(QColor(palette.BACKGROUND))
        painter.drawEllipse(at, across, deep)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(palette.MODEL))
    painter.drawEllipse(centre + QPointF(17, -33), 5.0, 3.4)
    painter.restore()
