"""Studies that a peer has: one a row, with what became of their retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QKeyEvent, QPalette
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
)

from workstation.ui import palette

if TYPE_CHECKING:
    from workstation.io.pacs.query import Answer

_Index = QModelIndex | QPersistentModelIndex
_COLUMNS = (
    ("Patient", 140), ("Patient ID", 90), ("Born", 106), ("Study date", 106), ("Modality", 86),
    ("Description", 200), ("Accession", 90), ("Images", 76), ("Retrieval", 168),
)  # fmt: skip
_COUNT, _STATE = 7, 8


class Stage(Enum):
    """How far the retrieval of a study is."""

    FOUND = "found"
    WAITING = "waiting"
    RUNNING = "running"
    INCOMPLETE = "incomplete"
    FAILED = "failed"
    KEPT = "kept"
    DOUBTFUL = "doubtful"


_COLOURS = {
    Stage.WAITING: palette.DIM,
    Stage.RUNNING: palette.ACCENT,
    Stage.INCOMPLETE: palette.WARNING,
    Stage.DOUBTFUL: palette.WARNING,
    Stage.FAILED: palette.ERROR,
}


@dataclass(eq=False)
class StudyRow:
    """A study of a peer.

    Attributes
    ----------
    source : str
        Name of the peer that has it.
    arrived, reported : int, int or None
        Images that are here, of how many.
    paths : tuple of Path
        What to open: files of the archive, or folders of a part.
    """

    answer: Answer
    source: str
    stage: Stage = Stage.FOUND
    arrived: int = 0
    reported: int | None = None
    paths: tuple[Path, ...] = ()

    @property
    def counted(self) -> str:
        """``12 of 30``."""
        return f"{self.arrived} of {'?' if self.total is None else self.total}"

    @property
    def total(self) -> int | None:
        """How many images the peer says there are."""
        return self.answer.instance_count if self.reported is None else self.reported

    @property
    def state(self) -> str:
        """What the last column says."""
        if self.stage is Stage.INCOMPLETE and self.arrived == self.total:
            return "⚠ not in the archive yet"
        return {
            Stage.FOUND: "",
            Stage.WAITING: "waiting",
            Stage.RUNNING: f"retrieving {self.counted}",
            Stage.INCOMPLETE: f"⚠ INCOMPLETE {self.counted}",
            Stage.FAILED: "⚠ failed",
            Stage.KEPT: "in the archive",
            Stage.DOUBTFUL: "⚠ another birth date",
        }[self.stage]

    def cells(self) -> tuple[str, ...]:
        """Text of each column."""
        one = self.answer
        count = "" if one.instance_count is None else str(one.instance_count)
        return (
            one.patient_name.replace("^", " ").strip(), one.patient_id, day(one.birth_date),
            day(one.study_date), one.modality.replace("\\", " "), one.description,
            one.accession_number, count, self.state,
        )  # fmt: skip


def day(text: str) -> str:
    """``2024-01-10`` for DICOM's ``20240110``, others as they are."""
    if len(text) == 8 and text.isdigit():
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return text


class _Model(QAbstractTableModel):
    def __init__(self) -> None:
        super().__init__()
        self.rows: list[StudyRow] = []

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008 - Qt's own signature
        return 0 if parent.isValid() else len(_COLUMNS)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:  # noqa: ANN401 - Qt's own signature
        if role == Qt.ItemDataRole.DisplayRole and orientation is Qt.Orientation.Horizontal:
            return _COLUMNS[section][0]
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401
        row, column = self.rows[index.row()], index.column()
        if role in {Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole}:
            return row.cells()[column]
        if role == Qt.ItemDataRole.UserRole:
            return row.answer.instance_count or 0 if column == _COUNT else row.cells()[column]
        if role == Qt.ItemDataRole.ForegroundRole and column == _STATE:
            return QColor(_COLOURS.get(row.stage, palette.TEXT))
        if role == Qt.ItemDataRole.TextAlignmentRole and column == _COUNT:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        return None


class _Coloured(QStyledItemDelegate):
    """Keeps a text's colour where its row is selected."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: _Index) -> None:
        """Take the colour of the model for both."""
        super().initStyleOption(option, index)
        colour = index.data(Qt.ItemDataRole.ForegroundRole)
        if isinstance(colour, QColor):
            option.palette.setColor(QPalette.ColorRole.HighlightedText, colour)


class StudyTable(QTableView):
    """The table; sorted by a click on a column.

    Signals
    -------
    wanted(list of StudyRow)
        Return, or a double click.
    chosen()
        Other rows are selected.
    """

    wanted = Signal(object)
    chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._model = _Model()
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self._model)
        self._sorted.setSortRole(Qt.ItemDataRole.UserRole)
        self.setModel(self._sorted)
        self.setAccessibleName("Studies found")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setItemDelegateForColumn(_STATE, _Coloured(self))
        self.setTabKeyNavigation(False)
        self.setSortingEnabled(True)
        self.horizontalHeader().setSortIndicator(3, Qt.SortOrder.DescendingOrder)
        self.horizontalHeader().setDefaultAlignment(Qt.AlignmentFlag.AlignLeft)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setSectionResizeMode(5, QHeaderView.ResizeMode.Stretch)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 10)
        for column, (_, width) in enumerate(_COLUMNS):
            self.setColumnWidth(column, width)
        self.doubleClicked.connect(self._on_double_click)
        self.selectionModel().selectionChanged.connect(self.chosen)

    @property
    def rows(self) -> list[StudyRow]:
        """All studies, as they were found."""
        return self._model.rows

    @property
    def selected(self) -> list[StudyRow]:
        """The studies that are selected, from top to bottom."""
        indexes = sorted(self.selectionModel().selectedRows(), key=QModelIndex.row)
        return [self._model.rows[self._sorted.mapToSource(one).row()] for one in indexes]

    def show_rows(self, rows: Sequence[StudyRow]) -> None:
        """Show other studies."""
        self._model.beginResetModel()
        self._model.rows = list(rows)
        self._model.endResetModel()

    def add_rows(self, rows: Sequence[StudyRow]) -> None:
        """Show more studies."""
        if rows:
            first = len(self._model.rows)
            self._model.beginInsertRows(QModelIndex(), first, first + len(rows) - 1)
            self._model.rows += rows
            self._model.endInsertRows()

    def renew(self, row: StudyRow) -> None:
        """Show what has changed of a study."""
        if row in self._model.rows:
            place = self._model.rows.index(row)
            last = self._model.index(place, len(_COLUMNS) - 1)
            self._model.dataChanged.emit(self._model.index(place, 0), last)

    def _on_double_click(self, _index: QModelIndex) -> None:
        self.wanted.emit(self.selected)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Want what is selected with Return."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.selected:
            self.wanted.emit(self.selected)
        else:
            super().keyPressEvent(event)
