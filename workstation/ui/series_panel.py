"""The list of studies and series: what has been found, what was left out."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from workstation.core.study import Series, Severity
from workstation.ui.panel_parts import Card, Fold, RunningLine, Scroll, button, label
from workstation.ui.pictures import thumbnail_pixmap

_HINT = "Nothing open yet. Drop a folder, a ZIP or a file here, or open one."
_THUMBNAIL = 64


class SeriesCard(Card):
    """One series; click, Return or Space opens it."""

    chosen = Signal(object)

    def __init__(self, series: Series) -> None:
        super().__init__()
        self.series = series
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        line = QHBoxLayout()
        self._picture = QLabel()
        self._picture.setFixedSize(_THUMBNAIL, _THUMBNAIL)
        line.addWidget(self._picture, 0, Qt.AlignmentFlag.AlignTop)
        facts = QVBoxLayout()
        facts.setSpacing(2)
        title = series.description or f"Series {series.number or ''}".strip()
        facts.addWidget(label(title, "title"))
        facts.addWidget(label(_numbers(series), "dim"))
        facts.addWidget(label(_origin(series), "dim"))
        for text in _warnings(series):
            facts.addWidget(label(text, "warning"))
        line.addLayout(facts, 1)
        self.body.addLayout(line)
        self.show_thumbnail(series)
        self.setAccessibleName(f"{title}, {_numbers(series)}")
        self.setToolTip(series.readable)

    def show_thumbnail(self, series: Series) -> None:
        """Show the series' picture, black while there is none."""
        self._picture.setPixmap(thumbnail_pixmap(series.thumbnail, _THUMBNAIL))

    def mark(self, open_now: bool) -> None:
        """Frame the series that is on screen."""
        self.setProperty("chosen", "true" if open_now else "false")
        self.style().unpolish(self)
        self.style().polish(self)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Open on a left click."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.chosen.emit(self.series)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open with Return or Space; arrows go to the neighbours."""
        key = event.key()
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit(self.series)
        elif key in (Qt.Key.Key_Down, Qt.Key.Key_Up):
            self.focusNextPrevChild(key == Qt.Key.Key_Down)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show where the keyboard is."""
        self.setStyleSheet("SeriesCard { border-color: palette(highlight); }")
        super().focusInEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Take the focus frame away."""
        self.setStyleSheet("")
        super().focusOutEvent(event)


def _numbers(series: Series) -> str:
    """Say modality, slices and spacing."""
    slices = f"{series.count} slice" + ("" if series.count == 1 else "s")
    if series.spacing is not None:
        slices += f" × {series.spacing[2]:.2g} mm"
    return " · ".join(part for part in (series.modality or series.format, slices) if part)


def _origin(series: Series) -> str:
    rows, columns = series.size
    return " · ".join(part for part in (f"{columns}×{rows}", series.date) if part)


def _warnings(series: Series) -> list[str]:
    told = ["SYNTHETIC"] if series.synthetic else []
    if series.readable:
        told.append("⚠ cannot be opened")
    told += [f"⚠ {n.badge}" for n in series.notices if n.badge and n.severity is not Severity.INFO]
    return told


class SeriesPanel(QWidget):
    """Series grouped by study, with a search line and what was skipped.

    Signals
    -------
    series_chosen(Series)
    open_requested(), cancel_requested()
    """

    series_chosen = Signal(object)
    open_requested = Signal()
    cancel_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._search = QLineEdit()
        self._search.setPlaceholderText("Search series")
        self._search.setAccessibleName("Search series")
        self._search.textChanged.connect(self._filter)
        self._running = RunningLine()
        self._running.cancel_requested.connect(self.cancel_requested)
        opens = button("Open …", "open", "primary", "Open a folder or file (Ctrl+O)")
        opens.clicked.connect(self.open_requested)
        self.list = Scroll(_HINT, opens)
        self._skipped = QVBoxLayout()
        self._cards: list[SeriesCard] = []
        self._studies: dict[str, QLabel] = {}
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 8, 0, 4)
        row = QHBoxLayout()
        row.setContentsMargins(10, 0, 10, 0)
        row.addWidget(self._search)
        whole.addLayout(row)
        whole.addWidget(self._running)
        whole.addWidget(self.list, 1)
        whole.addLayout(self._skipped)

    @property
    def series(self) -> list[Series]:
        """Series in the list, in order."""
        return [card.series for card in self._cards]

    def begin(self, text: str) -> None:
        """Empty the list; a scan is under way."""
        self._cards.clear()
        self._studies.clear()
        self.list.clear()
        self._clear_skipped()
        self._running.run(text)

    def set_progress(self, text: str, fraction: float | None) -> None:
        """Show how far the scan is."""
        self._running.run(text, fraction)

    def add(self, series: Series) -> None:
        """Add a series under its study."""
        for card in self._cards:
            if card.series.key == series.key:
                card.show_thumbnail(series)
                return
        if series.study_key not in self._studies:
            heading = label(_study_title(series), "heading")
            self._studies[series.study_key] = heading
            self.list.add(heading)
        card = SeriesCard(series)
        card.chosen.connect(self.series_chosen)
        self._cards.append(card)
        self.list.add(card)

    def show_thumbnail(self, key: str, series: Series) -> None:
        """Show a picture that came later."""
        for card in self._cards:
            if card.series.key == key:
                card.show_thumbnail(series)

    def finish(self, skipped: Sequence[tuple[str, str]]) -> None:
        """End the scan; tell what was left out and why."""
        self._running.hide()
        if not self._cards:
            self.list.show_hint("No scan was found there. " + _HINT)
        if skipped:
            count = len(skipped)
            heading = f"{count} file{'s' if count > 1 else ''} skipped"
            lines = [f"{name}: {reason}" for name, reason in skipped[:200]]
            self._skipped.addWidget(Fold(heading, "\n".join(lines)))

    def fail(self, message: str, details: str = "") -> None:
        """Tell why the scan ended."""
        self._running.fail(message, details)

    def mark_open(self, key: str) -> None:
        """Frame the series that is on screen."""
        for card in self._cards:
            card.mark(card.series.key == key)

    def _clear_skipped(self) -> None:
        while self._skipped.count():
            item = self._skipped.takeAt(0)
            widget = item.widget() if item is not None else None
            if widget is not None:
                widget.hide()
                widget.deleteLater()

    @Slot(str)
    def _filter(self, text: str) -> None:
        wanted = text.lower()
        for card in self._cards:
            series = card.series
            words = f"{series.description} {series.modality} {series.date} {series.patient.name}"
            card.setVisible(wanted in f"{words} {series.patient.id}".lower())


def _study_title(series: Series) -> str:
    patient = series.patient
    who = " · ".join(part for part in (patient.name, patient.id, patient.sex, patient.age) if part)
    return who or series.files[0].name
