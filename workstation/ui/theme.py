"""Dress the application: palette, style sheet, fonts and icons of our own."""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontInfo, QIcon, QPainter, QPalette, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from workstation.ui import palette

_RESOURCES = Path(__file__).resolve().parents[2] / "resources"
_SMALLEST = 13
_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" '
    'stroke="currentColor" stroke-width="1.7" stroke-linecap="round" stroke-linejoin="round">'
    "{}</svg>"
)
_FAMILIES = ["Inter", "Noto Sans", "DejaVu Sans", "Segoe UI", "Helvetica Neue", "sans-serif"]


def apply_theme(application: QApplication) -> None:
    """Put the reading room's look on every window; sizes follow the system's scaling."""
    application.setStyle("Fusion")
    font = QFont()
    font.setFamilies(_FAMILIES)
    font.setPixelSize(_pixels(application))
    application.setFont(font)
    application.setPalette(_palette())
    sheet = (_RESOURCES / "theme" / "reading_room.qss").read_text(encoding="utf-8")
    application.setStyleSheet(coloured(sheet))


def _pixels(application: QApplication) -> int:
    """Text size: ours, or the system's where the user has asked for larger text."""
    return max(_SMALLEST, QFontInfo(application.font()).pixelSize())


def coloured(text: str) -> str:
    """Replace ``@name`` by the palette's colour.

    Raises
    ------
    KeyError
        For a name that the palette does not have.
    """
    return re.sub(r"@([a-z]+)", lambda found: palette.NAMES[found.group(1)], text)


def _palette() -> QPalette:
    roles = QPalette.ColorRole
    chosen = QPalette()
    for role, colour in (
        (roles.Window, palette.BACKGROUND),
        (roles.Base, palette.BACKGROUND),
        (roles.AlternateBase, palette.PANEL),
        (roles.Button, palette.RAISED),
        (roles.Text, palette.TEXT),
        (roles.WindowText, palette.TEXT),
        (roles.ButtonText, palette.TEXT),
        (roles.ToolTipBase, palette.RAISED),
        (roles.ToolTipText, palette.TEXT),
        (roles.PlaceholderText, palette.DIM),
        (roles.Highlight, palette.ACCENT),
        (roles.HighlightedText, palette.IMAGE),
        (roles.Link, palette.ACCENT),
        (roles.Light, palette.RAISED),
        (roles.Mid, palette.LINE),
        (roles.Dark, palette.IMAGE),
    ):
        chosen.setColor(role, QColor(colour))
    disabled = QPalette.ColorGroup.Disabled
    for role in (roles.Text, roles.WindowText, roles.ButtonText):
        chosen.setColor(disabled, role, QColor(palette.FAINT))
    return chosen


@lru_cache(maxsize=128)
def icon(name: str, colour: str = palette.TEXT) -> QIcon:
    """Draw ``resources/icons/NAME.svg`` in a colour, sharp at every size.

    Raises
    ------
    FileNotFoundError
        Where there is no such icon.
    """
    source = (_RESOURCES / "icons" / f"{name}.svg").read_text(encoding="utf-8")
    return _icon(source, colour)


@lru_cache(maxsize=32)
def drawn_icon(drawing: str, colour: str = palette.TEXT) -> QIcon:
    """Make an icon of what stands inside a 24 × 24 SVG, in the lines of all others."""
    return _icon(_SVG.format(drawing), colour)


def _icon(source: str, colour: str) -> QIcon:
    drawn = QIcon()
    modes = QIcon.Mode
    shades = ((colour, modes.Normal), (colour, modes.Selected), (palette.FAINT, modes.Disabled))
    for shade, mode in shades:
        renderer = QSvgRenderer(QByteArray(source.replace("currentColor", shade).encode()))
        for size in (16, 24, 32, 48):
            drawn.addPixmap(_pixmap(renderer, size), mode)
    return drawn


def _pixmap(renderer: QSvgRenderer, size: int) -> QPixmap:
    pixmap = QPixmap(QSize(size, size))
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return pixmap
