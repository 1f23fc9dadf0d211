"""The studies of the worklist as Qt's tables want them, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor, QIcon

from workstation.archive.trash import KEPT_FOR
from workstation.archive.worklist import WorklistRow
from workstation.ui import palette
from workstation.ui.theme import icon

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_STATUS_COLOURS = {"unread": palette.ACCENT, "drafted": palette.TEXT, "signed": palette.DIM}


def shown_name(name: str) -> str:
    """Write DICOM's ``Doe^Jane^^Dr`` as it is read: ``Doe, Jane``."""
    family, *given = name.partition("=")[0].split("^")
    rest = " ".join(part.strip() for part in given[:2] if part.strip())
    return ", ".join(part for part in (family.strip(), rest) if part)


def faults_of(row: WorklistRow) -> str:
    """Say what is wrong with a study's images; empty if nothing is known to be."""
    told = []
    if row.missing:
        are = "image is" if row.missing == 1 else "images are"
        here = f"{row.file_count:,} of at least {row.file_count + row.missing:,}"
        told.append(f"{row.missing:,} {are} missing, {here} are here")
    if row.conflicts:
        carry = "images carry" if row.conflicts > 1 else "image carries"
        told.append(f"{row.conflicts} {carry} the identifier of another one (all are kept)")
    return "; ".join(told)


def status_of(row: WorklistRow, now: datetime | None = None) -> str:
    """Say how far a study is read, whether its images are whole, or how long it can be undone."""
    if row.deleted_utc is not None:
        left = datetime.fromisoformat(row.deleted_utc) + KEPT_FOR - (now or datetime.now(UTC))
        hours = max(left, timedelta()).total_seconds() / 3600
        return f"deleted · {hours:.0f} h left" if hours >= 1 else "deleted · under 1 h left"
    told = [row.status, *["incomplete"] * bool(row.missing), *["conflict"] * bool(row.conflicts)]
    return " · ".join(told)


def _counted(row: WorklistRow) -> str:
    """How many images are here, and of how many where some are known to be missing."""
    whole = f" of {row.file_count + row.missing:,}" if row.missing else ""
    return f"{row.file_count:,}{whole}"


COLUMNS: tuple[tuple[str, int, Callable[[WorklistRow], str]], ...] = (
    ("Patient", 200, lambda row: shown_name(row.name) or "(no name)"),
    ("ID", 110, lambda row: row.identity),
    ("Date", 104, lambda row: row.date),
    ("Modality", 84, lambda row: row.modalities.replace(" ", ", ")),
    ("Description", 210, lambda row: row.description),
    ("Images", 104, _counted),
    ("Status", 250, status_of),
)
"""Heading, width in pixels and text of each column."""
_IMAGES, _STATUS = 5, 6


class WorklistModel(QAbstractTableModel):
    """Rows that were found so far; the view asks for more when it nears their end.

    Signals
    -------
    more_wanted()
        The next page is wanted.
    """

    more_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[WorklistRow] = []
        self.next: tuple[str, int] | None = None
        self._asked = False

    def show(self, rows: Sequence[WorklistRow], after: tuple[str, int] | None) -> bool:
        """Show other rows; tells whether the view lost its place by that."""
        self.next, self._asked = after, False
        new = list(rows)
        if [row.id for row in new] != [row.id for row in self.rows]:
            self.beginResetModel()
            self.rows = new
            self.endResetModel()
            return True
        changed = [n for n, row in enumerate(new) if row != self.rows[n]]
        self.rows = new
        for number in changed:
            self.dataChanged.emit(self.index(number, 0), self.index(number, len(COLUMNS) - 1))
        return False

    def append(self, rows: Sequence[WorklistRow], after: tuple[str, int] | None) -> None:
        """Add the next page; a study that came up meanwhile is not shown twice."""
        known = {row.id for row in self.rows}
        new = [row for row in rows if row.id not in known]
        self.next, self._asked = after, False
        if new:
            self.beginInsertRows(_ROOT, len(self.rows), len(self.rows) + len(new) - 1)
            self.rows += new
            self.endInsertRows()

    def place_of(self, study_id: int) -> int | None:
        """Row of a study, if it is shown."""
        return next((n for n, row in enumerate(self.rows) if row.id == study_id), None)

    def rowCount(self, parent: Index = _ROOT) -> int:
        """Count the rows so far."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = _ROOT) -> int:
        """Count the columns."""
        return 0 if parent.isValid() else len(COLUMNS)

    def canFetchMore(self, parent: Index) -> bool:
        """Whether there are more that are not asked for yet."""
        return not parent.isValid() and self.next is not None and not self._asked

    def fetchMore(self, parent: Index) -> None:
        """Ask for the next page; it comes later."""
        if self.canFetchMore(parent):
            self._asked = True
            self.more_wanted.emit()

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: ANN401
        """Give a cell's text, colour, side and tool tip."""
        if not index.isValid() or index.row() >= len(self.rows):
            return None
        cell = _CELLS.get(Qt.ItemDataRole(role))
        return None if cell is None else cell(self.rows[index.row()], index.column())

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:  # noqa: ANN401
        """Give a column's heading."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[section][0]
        return _side(section) if role == Qt.ItemDataRole.TextAlignmentRole else None


def _side(column: int) -> Qt.AlignmentFlag:
    sideways = Qt.AlignmentFlag.AlignRight if column == _IMAGES else Qt.AlignmentFlag.AlignLeft
    return sideways | Qt.AlignmentFlag.AlignVCenter


def _colour(row: WorklistRow, column: int) -> QColor | None:
    if row.deleted_utc is not None:
        return QColor(palette.DIM)
    if column == _IMAGES and row.missing:
        return QColor(palette.WARNING)
    if column != _STATUS:
        return None
    return QColor(palette.WARNING if faults_of(row) else _STATUS_COLOURS.get(row.status, ""))


def _text(row: WorklistRow, column: int) -> str:
    return COLUMNS[column][2](row)


def _tip(row: WorklistRow, column: int) -> str:
    return (column in (_IMAGES, _STATUS) and faults_of(row)) or _text(row, column)


def _sign(row: WorklistRow, column: int) -> QIcon | None:
    wrong = column == _STATUS and faults_of(row)
    return icon("warning", palette.WARNING) if wrong else None


_CELLS: dict[Qt.ItemDataRole, Callable[[WorklistRow, int], object]] = {
    Qt.ItemDataRole.DisplayRole: _text,
    Qt.ItemDataRole.AccessibleTextRole: _text,
    Qt.ItemDataRole.ToolTipRole: _tip,
    Qt.ItemDataRole.ForegroundRole: _colour,
    Qt.ItemDataRole.DecorationRole: _sign,
    Qt.ItemDataRole.TextAlignmentRole: lambda _row, column: _side(column),
}
