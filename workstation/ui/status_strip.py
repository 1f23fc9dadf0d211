"""The strip at the bottom: the model's notice, work under way, warnings, what is saved."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from workstation.ui import palette
from workstation.ui.theme import icon


class ElidedLabel(QLabel):
    """A line that may be cut with an ellipsis; the whole text is in its tool tip."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)

    def setText(self, text: str) -> None:
        """Show a text, cut where there is no room."""
        super().setText(text)
        self.setToolTip(text)

    def minimumSizeHint(self) -> QSize:
        """Give way down to a few letters."""
        whole = super().minimumSizeHint()
        return QSize(min(whole.width(), 8 * self.fontMetrics().averageCharWidth()), whole.height())

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the text or what fits of it."""
        painter = QPainter(self)
        painter.setClipRect(event.rect())
        painter.setPen(self.palette().color(self.foregroundRole()))
        cut = self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, self.width())
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignVCenter, cut)
        painter.end()


class StatusStrip(QFrame):
    """Permanent model notice at the left; badges, progress and state at the right.

    Where the window is narrow, badges and progress give way to the model notice.

    Signals
    -------
    cancel_requested()
        What is under way should stop.
    log_requested()
        The list of past notifications is wanted.
    """

    cancel_requested = Signal()
    log_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "strip")
        self.setMinimumHeight(30)
        self._dot = QLabel("●")
        self._model = QLabel("model loading …")
        self._model.setProperty("role", "dim")
        self._work = ElidedLabel()
        self._bar = QProgressBar()
        self._bar.setMinimumWidth(40)
        self._bar.setMaximumWidth(120)
        self._bar.setTextVisible(False)
        self._pace = ElidedLabel()
        self._pace.setProperty("role", "dim")
        self._cancel = QPushButton(icon("cancel", palette.DIM), "Cancel")
        self._cancel.setProperty("role", "quiet")
        self._cancel.setToolTip("Stop what is under way")
        self._cancel.clicked.connect(self._on_cancel)
        self._badges = ElidedLabel()
        self._badges.setProperty("role", "warning")
        self._saved = ElidedLabel()
        self._saved.setProperty("role", "dim")
        log = QPushButton(icon("log", palette.DIM), "")
        log.setProperty("role", "quiet")
        log.setToolTip("Past notifications")
        log.setAccessibleName("Past notifications")
        log.clicked.connect(self.log_requested)
        line = QHBoxLayout(self)
        line.setContentsMargins(10, 0, 10, 0)
        line.setSpacing(8)
        line.addWidget(self._dot)
        line.addWidget(self._model)
        line.addStretch(1)  # the rest keeps to the right
        self._working: tuple[QWidget, ...] = (self._work, self._bar, self._pace, self._cancel)
        for widget in (self._badges, *self._working, self._saved, log):
            line.addWidget(widget)
        self.end_work()
        self._colour_dot(palette.DIM)

    def show_model(self, notice: str, demonstration: bool) -> None:
        """Show for good what model is loaded."""
        self._model.setText(notice)
        self._model.setMinimumWidth(self._model.fontMetrics().horizontalAdvance(notice) + 4)
        self._model.setProperty("role", "model" if demonstration else "dim")
        self._repolish(self._model)
        self._colour_dot(palette.MODEL)
        self._model.setToolTip("")
        self.setAccessibleDescription(notice)

    def show_no_model(self, reason: str) -> None:
        """Show that there is no model, and why when hovered."""
        self._model.setText("no model loaded")
        self._model.setMinimumWidth(0)
        self._model.setToolTip(reason)
        self._model.setProperty("role", "error")
        self._repolish(self._model)
        self._colour_dot(palette.ERROR)

    @property
    def model_text(self) -> str:
        """The model notice as shown."""
        return self._model.text()

    def show_work(self, text: str, fraction: float | None, pace: str = "") -> None:
        """Show work under way; ``fraction`` None: how much is left cannot be known."""
        self._work.setText(text)
        self._pace.setText(pace)
        self._bar.setRange(0, 0 if fraction is None else 1000)
        if fraction is not None:
            self._bar.setValue(round(1000 * fraction))
        for widget in (self._work, self._bar, self._cancel):
            widget.show()
        self._pace.setVisible(bool(pace))

    def end_work(self) -> None:
        """Take the progress away."""
        for widget in self._working:
            widget.hide()

    def show_badges(self, badges: Sequence[str]) -> None:
        """Show short warnings about what is on screen."""
        self._badges.setText("   ".join(f"⚠\u00a0{badge}" for badge in badges))
        self._badges.setVisible(bool(badges))

    def show_saved(self, text: str) -> None:
        """Show what of the report is on disk."""
        self._saved.setText(text)

    def _colour_dot(self, colour: str) -> None:
        self._dot.setStyleSheet(f"color: {colour};")
        self._dot.setAlignment(Qt.AlignmentFlag.AlignVCenter)

    @staticmethod
    def _repolish(label: QLabel) -> None:
        label.style().unpolish(label)
        label.style().polish(label)

    @Slot()
    def _on_cancel(self) -> None:
        self.cancel_requested.emit()
