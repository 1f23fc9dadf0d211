"""The list of studies and series: what has been found, what was left out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QMouseEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from workstation.core.study import Series, Severity
from workstation.ui.flow import FlowLayout
from workstation.ui.panel_parts import Card, Fold, RunningLine, Scroll, as_panel, button, label
from workstation.ui.pictures import thumbnail_pixmap

_HINT = "Nothing open yet. Drop a folder, a ZIP or a file here, or open one."
_NO_MATCH = "No series matches the search."
_THUMBNAIL = 56
_FAR = 100_000
_MOST_SKIPPED = 200
_ROLES = {"localizer": "scout", "capture": "screen capture"}
_STEPS = {
    int(Qt.Key.Key_Down): 1,
    int(Qt.Key.Key_Up): -1,
    int(Qt.Key.Key_Home): -_FAR,
    int(Qt.Key.Key_End): _FAR,
}


class SeriesCard(Card):
    """One series; click, Return or Space opens it."""

    chosen = Signal(object)
    neighbour_wanted = Signal(object, int)

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
        facts.addStretch(1)
        line.addLayout(facts, 1)
        self.body.addLayout(line)
        badges = FlowLayout()
        if series.role != "volume":
            badges.add(label(_ROLES.get(series.role, series.role), "tag", wrap=False))
        for text in _warnings(series):
            badges.add(label(text, "badge", wrap=False))
        if badges.count():
            self.body.addLayout(badges)
        self.show_thumbnail(series.thumbnail)
        self.setAccessibleName(f"{title}, {_numbers(series)}")
        notices = (notice.text for notice in series.notices)
        self.setToolTip("\n".join(text for text in (series.readable, *notices) if text))

    def show_thumbnail(self, grey: NDArray[np.uint8] | None) -> None:
        """Show the series' picture, black while there is none."""
        self._picture.setPixmap(thumbnail_pixmap(grey, _THUMBNAIL))

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
        """Open with Return or Space; arrows, Home and End go to other cards."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.chosen.emit(self.series)
        elif event.key() in _STEPS:
            self.neighbour_wanted.emit(self, _STEPS[event.key()])
        else:
            super().keyPressEvent(event)


def _numbers(series: Series) -> str:
    """Say modality, slices and spacing."""
    slices = f"{series.count}\u00a0slice" + ("" if series.count == 1 else "s")
    if series.spacing is not None:
        slices += f" ×\u00a0{series.spacing[2]:.3g}\u00a0mm"
    return " · ".join(part for part in (series.modality or series.format, slices) if part)


def _origin(series: Series) -> str:
    rows, columns = series.size
    size = f"{columns}×{rows}" if rows and columns else ""
    return " · ".join(part for part in (size, series.day.replace("-", "\u2011")) if part)


def _warnings(series: Series) -> list[str]:
    told = ["SYNTHETIC"] if series.synthetic else []
    if series.readable and series.role == "volume":
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
        as_panel(self)
        self._search = QLineEdit()
        self._search.setPlaceholderText("Search series")
        self._search.setAccessibleName("Search series")
        self._search.setClearButtonEnabled(True)
        self._search.textChanged.connect(self._filter)
        self._running = RunningLine(remedy="Open …")
        self._running.cancel_requested.connect(self.cancel_requested)
        self._running.retry_requested.connect(self.open_requested)
        opens = button("Open …", "open", "primary", "Open a folder or file (Ctrl+O)")
        opens.clicked.connect(self.open_requested)
        self.list = Scroll(_HINT, opens)
        self._skipped = QVBoxLayout()
        self._skipped.setContentsMargins(6, 0, 10, 0)
        self._cards: list[SeriesCard] = []
        self._studies: dict[str, StudyHeading] = {}
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
        self.list.hide_hint()
        self._running.run(text)

    def set_progress(self, text: str, fraction: float | None) -> None:
        """Show how far the scan is."""
        self._running.run(text, fraction)

    def add(self, series: Series) -> None:
        """Add a series under its study."""
        for card in self._cards:
            if card.series.key == series.key:
                card.show_thumbnail(series.thumbnail)
                return
        if series.study_key not in self._studies:
            heading = StudyHeading(series)
            self._studies[series.study_key] = heading
            self.list.add(heading)
        card = SeriesCard(series)
        card.chosen.connect(self.series_chosen)
        card.neighbour_wanted.connect(self._go)
        self.list.add(card, at=self._place(series))
        self._cards = [each for each in self.list.cards() if isinstance(each, SeriesCard)]
        self._filter(self._search.text())

    def _place(self, series: Series) -> int:
        """Place in the list: at the end of its study, scans before what is set apart."""
        cards = self.list.cards()
        place = cards.index(self._studies[series.study_key]) + 1
        while place < len(cards):
            card = cards[place]
            if not isinstance(card, SeriesCard):
                break
            if series.role == "volume" and card.series.role != "volume":
                break
            place += 1
        return place

    def show_thumbnail(self, key: str, grey: NDArray[np.uint8]) -> None:
        """Show a picture that came later."""
        for card in self._cards:
            if card.series.key == key:
                card.show_thumbnail(grey)

    def finish(self, skipped: Sequence[tuple[str, str]]) -> None:
        """End the scan; tell what was left out and why."""
        self._running.hide()
        if not self._cards:
            self.list.show_hint("No scan was found there. " + _HINT)
        if skipped:
            count = len(skipped)
            heading = f"{count} file{'s' if count > 1 else ''} skipped"
            lines = [f"{name}: {reason}" for name, reason in skipped[:_MOST_SKIPPED]]
            if count > _MOST_SKIPPED:
                lines.append(f"… and {count - _MOST_SKIPPED} more")
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
        wanted = text.strip().lower()
        shown = {card: wanted in _searched(card.series) for card in self._cards}
        for card, matches in shown.items():
            card.setVisible(matches)
        for key, heading in self._studies.items():
            heading.setVisible(any(m for card, m in shown.items() if card.series.study_key == key))
        if self._cards:
            self.list.show_note("" if any(shown.values()) else _NO_MATCH)

    @Slot(object, int)
    def _go(self, card: SeriesCard, step: int) -> None:
        """Move the keyboard to another card."""
        shown = [each for each in self._cards if each.isVisible()]
        place = min(max(0, shown.index(card) + step), len(shown) - 1)
        shown[place].setFocus(Qt.FocusReason.TabFocusReason)
        self.list.ensureWidgetVisible(shown[place])


class StudyHeading(QWidget):
    """Whose study it is, and which."""

    def __init__(self, series: Series) -> None:
        super().__init__()
        who = series.patient
        facts = (who.name, who.id, who.sex, who.age)
        title = " · ".join(fact for fact in facts if fact) or series.files[0].name
        study = " · ".join(fact for fact in (series.study_description, series.day) if fact)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 2, 0, 0)
        column.setSpacing(1)
        column.addWidget(label(title, "title"))
        if study:
            column.addWidget(label(study, "dim"))


def _searched(series: Series) -> str:
    """Text of a series that the search line looks through."""
    who = series.patient
    dates = (series.date, series.day)
    scan = (series.description, series.modality, *dates, series.study_description)
    whose = (series.body_part, who.name, who.name.replace("^", " "), who.id)
    return " ".join((*scan, *whose)).lower()
