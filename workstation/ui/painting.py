"""Paints overlay marks with Qt."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen, QPolygonF

from workstation.render.evidence_marks import BlockMark
from workstation.render.measurement_marks import HandleMark, PathMark
from workstation.render.overlay import BannerMark, LineMark, Mark, TextMark, Tone
from workstation.render.slice_view import GreyPicture

TEXT_PIXELS = 12
LETTER_PIXELS = 14
_HALO = QColor(0, 0, 0, 190)
_HALO_OFFSETS = ((-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1))
_BLACK = QColor(0, 0, 0)
_EDGE_OPACITY = 0.7


def overlay_font(large: bool = False) -> QFont:
    """Sans font of the overlays, with digits of equal width."""
    font = QFont()
    font.setPixelSize(LETTER_PIXELS if large else TEXT_PIXELS)
    font.setBold(large)
    font.setFeature(QFont.Tag("tnum"), 1)
    return font


def paint_marks(painter: QPainter, marks: Iterable[Mark]) -> None:
    """Paint marks in order, in the painter's logical pixels."""
    for mark in marks:
        match mark:
            case TextMark():
                _paint_text(painter, mark)
            case LineMark():
                painter.setPen(QPen(_colour(mark.tone), mark.width))
                painter.drawLine(QLineF(mark.x0, mark.y0, mark.x1, mark.y1))
            case BannerMark():
                _paint_banner(painter, mark)


def paint_blocks(painter: QPainter, blocks: Iterable[BlockMark]) -> None:
    """Paint translucent polygons, each with a thin edge of its colour."""
    for block in blocks:
        inside, edge = _colour(block.tone), _colour(block.tone)
        inside.setAlphaF(block.opacity)
        edge.setAlphaF(_EDGE_OPACITY)
        painter.setPen(QPen(edge, 1))
        painter.setBrush(inside)
        painter.drawPolygon(QPolygonF([QPointF(x, y) for x, y in block.outline]))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def paint_measurements(painter: QPainter, marks: Iterable[PathMark | HandleMark]) -> None:
    """Paint lines and handles, each with a dark halo so that they read on lung and on bone."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for mark in marks:
        strokes = ((_HALO, mark.width + 2.0), (_colour(mark.tone), mark.width))
        for colour, width in strokes:
            painter.setPen(QPen(colour, width))
            if isinstance(mark, HandleMark):
                painter.setBrush(_colour(mark.tone) if mark.filled else Qt.BrushStyle.NoBrush)
                painter.drawEllipse(QPointF(mark.x, mark.y), mark.radius, mark.radius)
            else:
                painter.setBrush(Qt.BrushStyle.NoBrush)
                _draw_path(painter, mark)
    painter.restore()


def _draw_path(painter: QPainter, mark: PathMark) -> None:
    line = QPolygonF([QPointF(x, y) for x, y in mark.points])
    if mark.closed:
        painter.drawPolygon(line)
    else:
        painter.drawPolyline(line)


def paint_grey(painter: QPainter, picture: GreyPicture, pixel_ratio: float) -> None:
    """Paint a slice's pixels one to one on the device's."""
    image = grey_image(picture)
    if image is None:
        return
    image.setDevicePixelRatio(pixel_ratio)
    painter.drawImage(QPointF(picture.left / pixel_ratio, picture.top / pixel_ratio), image)


def grey_image(picture: GreyPicture) -> QImage | None:
    """Wrap the pixels as an image; the array must outlive it."""
    rows, columns = picture.pixels.shape
    if rows == 0 or columns == 0:
        return None
    return QImage(picture.pixels.data, columns, rows, columns, QImage.Format.Format_Grayscale8)


def _paint_text(painter: QPainter, mark: TextMark) -> None:
    font = overlay_font(mark.large)
    metrics = QFontMetricsF(font)
    x = mark.x - metrics.horizontalAdvance(mark.text) * (mark.align[0] + 1) / 2
    y = mark.y - metrics.height() * (mark.align[1] + 1) / 2 + metrics.ascent()
    painter.setFont(font)
    painter.setPen(_HALO)
    for right, down in _HALO_OFFSETS:
        painter.drawText(QPointF(x + right, y + down), mark.text)
    painter.setPen(_colour(mark.tone))
    painter.drawText(QPointF(x, y), mark.text)


def _paint_banner(painter: QPainter, mark: BannerMark) -> None:
    strip = QRectF(0, 0, mark.width, mark.height)
    painter.fillRect(strip, _colour(mark.tone))
    painter.setFont(overlay_font(large=True))
    painter.setPen(_BLACK)
    painter.drawText(strip, Qt.AlignmentFlag.AlignCenter, mark.text)


def _colour(tone: Tone) -> QColor:
    return QColor(*tone.value)
