"""The list of measurements of the open series."""

from __future__ import annotations

from PySide6.QtCore import QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from workstation.core.measurement import summary
from workstation.core.session import Reading
from workstation.tools import measure
from workstation.ui.panel_parts import as_panel, button, label

_HINT = (
    "Nothing measured on this series. Choose a tool above the images, or press L (length), "
    "A (angle), B (long and short axis), E (ellipse) or P (probe) there."
)
_BESIDE, _ABOVE = 40, 16
_KEY = Qt.ItemDataRole.UserRole


class MeasurementPanel(QWidget):
    """One line for each measurement; a click goes to its slice.

    Signals
    -------
    insert_requested()
        The reader wants the chosen measurement in the report.
    """

    insert_requested = Signal()

    def __init__(self, reading: Reading) -> None:
        super().__init__()
        as_panel(self)
        self._reading = reading
        self._filling = False
        self.rows = QListWidget()
        self.rows.setAccessibleName("Measurements")
        self.rows.setProperty("role", "rows")
        self.rows.setWordWrap(True)
        self.rows.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.rows.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.rows.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._insert = button(
            "Insert", "insert", "", "Put the chosen measurement into the report (Ctrl+M)"
        )
        self._delete = button("Delete", "delete", "", "Delete the chosen measurement (Del)")
        self._lay_out()
        self.rows.currentItemChanged.connect(self._on_chosen)
        self.rows.itemClicked.connect(self._on_chosen)
        self._insert.clicked.connect(self.insert_requested)
        self._delete.clicked.connect(self._on_delete)
        for event in ("measurements", "selected", "volume", "loaded"):
            getattr(reading.events, event).connect(self._on_change)
        self._on_change()

    def close_reading(self) -> None:
        """Stop listening to the reading."""
        for event in ("measurements", "selected", "volume", "loaded"):
            getattr(self._reading.events, event).disconnect(self._on_change)

    def _lay_out(self) -> None:
        hint = label(_HINT, "dim")
        hint.setAlignment(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop)
        hint.setContentsMargins(16, 24, 16, 16)
        self._stack = QStackedLayout()
        self._stack.addWidget(hint)
        self._stack.addWidget(self.rows)
        buttons = QHBoxLayout()
        buttons.setContentsMargins(10, 2, 10, 8)
        buttons.addWidget(self._insert)
        buttons.addWidget(self._delete)
        buttons.addStretch(1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addLayout(self._stack, 1)
        whole.addLayout(buttons)

    def _on_change(self, *_: object) -> None:
        volume = self._reading.volume
        found = self._reading.measurements if volume is not None else ()
        self._filling = True
        self.rows.clear()
        for each in found:
            assert volume is not None
            row = QListWidgetItem(summary(each, measure(each, volume), volume))
            row.setData(_KEY, each.id)
            self._fit(row)
            self.rows.addItem(row)
            if each.id == self._reading.selected:
                self.rows.setCurrentItem(row)
        self._filling = False
        self._stack.setCurrentIndex(int(bool(found)))
        chosen = self._reading.measurement(self._reading.selected) is not None
        self._insert.setEnabled(chosen)
        self._delete.setEnabled(chosen)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give every line the height that it needs at the new width."""
        super().resizeEvent(event)
        for index in range(self.rows.count()):
            self._fit(self.rows.item(index))

    def _fit(self, row: QListWidgetItem) -> None:
        """Set a line's height: the list's own reckoning leaves the style's margins out."""
        room = QRect(0, 0, max(self.rows.viewport().width() - _BESIDE, 80), 10_000)
        wrap = int(Qt.TextFlag.TextWordWrap)
        needed = self.rows.fontMetrics().boundingRect(room, wrap, row.text()).height()
        row.setSizeHint(QSize(0, needed + _ABOVE))

    @Slot()
    def _on_chosen(self, *_: object) -> None:
        row = self.rows.currentItem()
        if row is not None and not self._filling:
            self._reading.show_measurement(str(row.data(_KEY)))

    @Slot()
    def _on_delete(self) -> None:
        self._reading.remove(self._reading.selected)
