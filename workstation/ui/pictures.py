"""Grey arrays as Qt pictures."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPixmap


def thumbnail_pixmap(grey: NDArray[np.uint8] | None, size: int) -> QPixmap:
    """Fit a grey picture (h, w) into a black square of ``size`` pixels."""
    square = QPixmap(size, size)
    square.fill(QColor(0, 0, 0))
    if grey is None:
        return square
    data = np.ascontiguousarray(grey)
    height, width = data.shape
    image = QImage(data.tobytes(), width, height, width, QImage.Format.Format_Grayscale8)
    fitted = image.scaled(
        size,
        size,
        Qt.AspectRatioMode.KeepAspectRatio,
        Qt.TransformationMode.SmoothTransformation,
    )
    painter = QPainter(square)
    painter.drawImage((size - fitted.width()) // 2, (size - fitted.height()) // 2, fitted)
    painter.end()
    return square
