"""What to look for: the fields that a hospital's query form has."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from PySide6.QtCore import Signal, Slot
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QComboBox, QLineEdit, QVBoxLayout, QWidget

from workstation.core.errors import InputError
from workstation.ui.flow import FlowLayout
from workstation.ui.panel_parts import button, label
from workstation.ui.theme import icon

_FIELDS = (
    ("patient_name", "Patient name", 124, ""),
    ("patient_id", "Patient ID", 84, ""),
    ("accession_number", "Accession", 84, ""),
    ("date_from", "From", 100, "2026-01-31"),
    ("date_to", "To", 100, "2026-01-31"),
    ("modality", "Modality", 60, "CT"),
    ("description", "Description", 108, ""),
)
_ARROW = 14
_WILD = frozenset("*?")


class _Choice(QComboBox):
    """A combo box that shows that it is one."""

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw an arrow over the style sheet's box."""
        super().paintEvent(event)
        painter = QPainter(self)
        box = self.rect().adjusted(self.width() - _ARROW - 6, 0, -6, 0)
        icon("chevron-down").paint(painter, box)
        painter.end()


class QueryForm(QWidget):
    """The fields, and Search.

    Signals
    -------
    search_requested()
        Return in a field, or the button.
    """

    search_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        flow = FlowLayout(gap=8)
        self.setLayout(flow)
        self.peer = _Choice()
        self.peer.setMinimumWidth(100)
        self.peer.setAccessibleName("PACS")
        flow.add(_under("PACS", self.peer))
        self.fields: dict[str, QLineEdit] = {}
        for name, told, width, example in _FIELDS:
            line = QLineEdit()
            line.setFixedWidth(width)
            line.setPlaceholderText(example)
            line.setAccessibleName(told)
            line.returnPressed.connect(self.search_requested)
            self.fields[name] = line
            flow.add(_under(told, line))
        self.search = button("Search", "search", "primary", "Ask the PACS (Return)")
        self.search.clicked.connect(self._on_search)
        clears = button("", "reset", "quiet", "Empty all fields")
        clears.clicked.connect(self.clear)
        flow.add(_under("", self.search))
        flow.add(_under("", clears))

    def show_peers(self, peers: Sequence[str]) -> None:
        """Offer other PACS; the one that is chosen stays, if it is still there."""
        chosen = self.peer.currentText()
        self.peer.clear()
        self.peer.addItems(list(peers))
        self.peer.setCurrentText(chosen)

    def values(self) -> dict[str, object]:
        """Give what was typed, by the names of a query.

        Names and descriptions are completed: what was typed is a beginning, or a part.

        Raises
        ------
        InputError
            For a date that is none, or where nothing was typed at all.
        """
        typed = {name: line.text().strip() for name, line in self.fields.items()}
        if not any(typed.values()):
            raise InputError("Fill in one field or more; * stands for any letters.")
        values: dict[str, object] = dict(typed)
        for name in ("date_from", "date_to"):
            values[name] = _date(typed[name]) if typed[name] else None
        first, last = values["date_from"], values["date_to"]
        if isinstance(first, date) and isinstance(last, date) and first > last:
            raise InputError(f"The first date, {first}, is after the last one, {last}.")
        values["modality"] = typed["modality"].upper()
        values["patient_name"] = _completed(typed["patient_name"].replace(", ", "^"), "{}*")
        values["description"] = _completed(typed["description"], "*{}*")
        return values

    @Slot()
    def clear(self) -> None:
        """Empty all fields."""
        for line in self.fields.values():
            line.clear()
        self.fields["patient_name"].setFocus()

    @Slot()
    def _on_search(self) -> None:
        self.search_requested.emit()


def _under(heading: str, widget: QWidget) -> QWidget:
    holder = QWidget()
    holder.setProperty("role", "bare")
    column = QVBoxLayout(holder)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    column.addWidget(label(heading or " ", "dim", wrap=False))
    column.addWidget(widget)
    return holder


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"'{text}' is no date; write 2026-01-31.") from error


def _completed(text: str, pattern: str) -> str:
    return pattern.format(text) if text and not _WILD & set(text) else text
