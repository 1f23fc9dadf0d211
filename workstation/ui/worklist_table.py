"""The worklist's table: whole rows, by mouse and by keys."""

from __future__ import annotations

from PySide6.QtCore import QModelIndex, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from workstation.archive.worklist import WorklistRow
from workstation.ui.worklist_model import COLUMNS, Index, WorklistModel

_ROW = 30
_STRETCHED = 4


class WorklistTable(QTableView):
    """Shows a :class:`WorklistModel`.

    Signals
    -------
    chosen(WorklistRow)
        A study was double-clicked, or Return or Enter pressed on it.
    delete_wanted()
        Delete was pressed.
    typed(str)
        Text was typed: it belongs into the search line.
    left_at_top()
        Up was pressed in the first row.
    turned(WorklistRow or None)
        Another row is the current one.
    """

    chosen = Signal(object)
    delete_wanted = Signal()
    typed = Signal(str)
    left_at_top = Signal()
    turned = Signal(object)

    def __init__(self, rows: WorklistModel) -> None:
        super().__init__()
        self._rows = rows
        self.setModel(rows)
        self.setAccessibleName("Studies")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setCornerButtonEnabled(False)
        lines = self.verticalHeader()
        lines.hide()
        lines.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        lines.setDefaultSectionSize(_ROW)
        heads = self.horizontalHeader()
        heads.setHighlightSections(False)
        heads.setMinimumSectionSize(48)
        for column, (_, width, _text) in enumerate(COLUMNS):
            heads.resizeSection(column, width)
        heads.setSectionResizeMode(_STRETCHED, QHeaderView.ResizeMode.Stretch)
        self.doubleClicked.connect(self._on_double_click)

    @property
    def current(self) -> WorklistRow | None:
        """Row the keys are on."""
        place = self.currentIndex().row()
        return self._rows.rows[place] if 0 <= place < len(self._rows.rows) else None

    def go_to(self, place: int) -> None:
        """Put the keys on a row, within those there are."""
        if self._rows.rows:
            place = min(max(place, 0), len(self._rows.rows) - 1)
            self.setCurrentIndex(self._rows.index(place, 0))

    def currentChanged(self, current: Index, previous: Index) -> None:
        """Tell which row is the current one."""
        super().currentChanged(current, previous)
        self.turned.emit(self.current)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Open, delete, or go on typing in the search line."""
        key, text = event.key(), event.text()
        plain = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.open_current()
        elif key == Qt.Key.Key_Delete:
            self.delete_wanted.emit()
        elif key == Qt.Key.Key_Up and self.currentIndex().row() <= 0:
            self.left_at_top.emit()
        elif text.isprintable() and text and plain in _TYPING:
            self.typed.emit(text)
        else:
            super().keyPressEvent(event)

    @Slot()
    def open_current(self) -> None:
        """Open the study of the current row."""
        if (row := self.current) is not None:
            self.chosen.emit(row)

    @Slot(QModelIndex)
    def _on_double_click(self, _index: QModelIndex) -> None:
        self.open_current()


_TYPING = (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier)
