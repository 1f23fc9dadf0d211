"""The worklist: the archive's studies, searched as one types, opened, imported, deleted."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from workstation.archive.worklist import FAULTS, STATUSES, WorklistPage, WorklistQuery, WorklistRow
from workstation.ui.choice_box import ChoiceBox
from workstation.ui.import_button import ImportButton
from workstation.ui.panel_parts import RunningLine, Scroll, as_panel, button, label
from workstation.ui.status_strip import ElidedLabel
from workstation.ui.worklist_model import WorklistModel, faults_of, shown_name
from workstation.ui.worklist_table import WorklistTable

PAGE = 100
DELETED = "deleted"
_EMPTY = (
    "No studies in the archive yet.\n"
    "Import a folder, a ZIP or files, or drop them here."
)
_NO_MATCH = "No study matches. Type less, or choose “All studies”."
_NONE_DELETED = "No study was deleted within the last day."
_FILTERS = (
    ("All studies", ""),
    *((status.capitalize(), status) for status in (*STATUSES, *FAULTS)),
    ("Deleted", DELETED),
)


class WorklistPanel(QWidget):
    """Shows what was found and asks for what the reader wants; decides nothing.

    Signals
    -------
    query_changed(), more_wanted()
        Other studies are looked for, or the next page of these.
    chosen(WorklistRow), delete_wanted(WorklistRow), restore_wanted(WorklistRow)
        A study is to be opened, deleted or brought back.
    import_wanted(bool)
        Files (or else a folder) are to be imported.
    dropped(list of Path)
        Files and folders to import were dropped here.
    cancel_wanted(), retry_wanted(), left()
        Stop the import; look again; back to the images.
    """

    query_changed = Signal()
    more_wanted = Signal()
    chosen = Signal(object)
    delete_wanted = Signal(object)
    restore_wanted = Signal(object)
    import_wanted = Signal(bool)
    dropped = Signal(object)
    cancel_wanted = Signal()
    retry_wanted = Signal()
    left = Signal()

    def __init__(self) -> None:
        super().__init__()
        as_panel(self)
        self.setAcceptDrops(True)
        self.rows = WorklistModel()
        self.table = WorklistTable(self.rows)
        self.search = QLineEdit()
        self.search.setPlaceholderText("Search name, id, date, modality, description …")
        self.search.setAccessibleName("Search the worklist")
        self.search.setClearButtonEnabled(True)
        self.filter = ChoiceBox()
        self.filter.setAccessibleName("Which studies")
        for text, value in _FILTERS:
            self.filter.addItem(text, value)
        self._place = ElidedLabel()
        self._place.setProperty("role", "dim")
        self._count = label("", "dim", wrap=False)
        self._details = ElidedLabel()
        self.importing = RunningLine()
        self.fault = RunningLine("Try again")
        self._make_buttons()
        self._empty = Scroll("Opening the archive …", self._first_import)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._empty)
        self._stack.addWidget(self.table)
        self._lay_out()
        self._connect()
        self._turn(None)

    def _make_buttons(self) -> None:
        self.imports = ImportButton()
        self._first_import = button("Import a folder …", "open", "primary")
        self._first_import.hide()
        self._open = button("Open", "open", "primary", "Read this study (Return)")
        self._delete = button("Delete", "delete", "", "Delete this study (Delete); for a day it "
                              "can be brought back")  # fmt: skip
        self._restore = button("Restore", "undo", "", "Bring this study back")

    def _lay_out(self) -> None:
        head = QHBoxLayout()
        head.setContentsMargins(12, 0, 12, 0)
        head.setSpacing(8)
        head.addWidget(label("Worklist", "title", wrap=False))
        head.addWidget(self.search, 1)
        head.addWidget(self.filter)
        head.addWidget(self.imports)
        about = QHBoxLayout()
        about.setContentsMargins(12, 0, 12, 0)
        about.addWidget(self._details)
        foot = QHBoxLayout()
        foot.setContentsMargins(12, 0, 12, 0)
        foot.setSpacing(8)
        # At the left, since notifications come up at the right.
        for each in (self._open, self._delete, self._restore):
            foot.addWidget(each)
        foot.addSpacing(8)
        foot.addWidget(self._count)
        foot.addWidget(self._place, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 10, 0, 10)
        whole.setSpacing(8)
        whole.addLayout(head)
        whole.addWidget(self.importing)
        whole.addWidget(self.fault)
        whole.addWidget(self._stack, 1)
        whole.addLayout(about)
        whole.addLayout(foot)

    def _connect(self) -> None:
        self.search.textChanged.connect(self._on_query)
        self.filter.currentIndexChanged.connect(self._on_query)
        self.rows.more_wanted.connect(self.more_wanted)
        self.table.chosen.connect(self._on_chosen)
        self.table.delete_wanted.connect(self._on_delete)
        self.table.typed.connect(self._type)
        self.table.left_at_top.connect(self._to_search)
        self.table.turned.connect(self._turn)
        self._open.clicked.connect(self.table.open_current)
        self._delete.clicked.connect(self._on_delete)
        self._restore.clicked.connect(self._on_delete)
        self._first_import.clicked.connect(lambda: self.import_wanted.emit(False))
        self.imports.wanted.connect(self.import_wanted)
        self.importing.cancel_requested.connect(self.cancel_wanted)
        self.fault.retry_requested.connect(self.retry_wanted)

    # --- what is shown ----------------------------------------------------------------

    def query(self, after: tuple[str, int] | None = None, limit: int = PAGE) -> WorklistQuery:
        """Give what is looked for, a page from ``after`` on."""
        chosen = str(self.filter.currentData())
        deleted = chosen == DELETED
        status = "" if deleted else chosen
        return WorklistQuery(
            self.search.text(), status=status, deleted=deleted, after=after, limit=limit
        )

    def show_page(self, page: WorklistPage) -> None:
        """Show the first rows anew; the current study stays the current one, where it stands."""
        here, scrolled = self.table.current, self.table.verticalScrollBar().value()
        self.fault.hide()
        if self.rows.show(page.rows, page.next):
            place = None if here is None else self.rows.place_of(here.id)
            self.table.go_to(0 if place is None else place)
            self.table.verticalScrollBar().setValue(0 if place is None else scrolled)
        self._refresh()

    def add_page(self, page: WorklistPage) -> None:
        """Show the next rows below."""
        self.rows.append(page.rows, page.next)
        self._refresh()

    def show_fault(self, message: str, details: str) -> None:
        """Say why there is no list; what was listed stays."""
        self.fault.fail(message, details)
        if not self.rows.rows:
            self._empty.show_hint("The archive cannot be read now. Scans can be opened as before.")
            self._first_import.hide()

    def show_place(self, text: str) -> None:
        """Say where the archive is."""
        self._place.setText(text)

    def _refresh(self) -> None:
        rows = self.rows.rows
        self._stack.setCurrentWidget(self.table if rows else self._empty)
        more = "+" if self.rows.next is not None else ""
        self._count.setText(f"{len(rows):,}{more} stud{'y' if len(rows) == 1 else 'ies'}  ·")
        everything = not self.search.text().strip() and not self.filter.currentData()
        if not rows:
            none_deleted = self.filter.currentData() == DELETED and not self.search.text()
            hint = _EMPTY if everything else _NONE_DELETED if none_deleted else _NO_MATCH
            self._empty.show_hint(hint)
            self._first_import.setVisible(everything)
        self._turn(self.table.current)

    @Slot(object)
    def _turn(self, row: WorklistRow | None) -> None:
        """Tell more of the current study, and offer what can be done with it."""
        deleted = row is not None and row.deleted_utc is not None
        self._details.setText("" if row is None else _told(row))
        self._open.setEnabled(row is not None and not deleted)
        self._delete.setEnabled(row is not None)
        self._delete.setVisible(not deleted)
        self._restore.setVisible(deleted)

    # --- what is wanted ---------------------------------------------------------------

    def step(self, rows: int) -> None:
        """Open the study that many rows further on."""
        before = self.table.currentIndex().row()
        self.table.go_to(before + rows)
        if self.table.currentIndex().row() != before:
            self.table.open_current()

    @Slot()
    def _on_query(self) -> None:
        self.query_changed.emit()

    @Slot(object)
    def _on_chosen(self, row: WorklistRow) -> None:
        if row.deleted_utc is None:
            self.chosen.emit(row)
        else:
            self.restore_wanted.emit(row)

    @Slot()
    def _on_delete(self) -> None:
        row = self.table.current
        if row is not None:
            (self.delete_wanted if row.deleted_utc is None else self.restore_wanted).emit(row)

    @Slot(str)
    def _type(self, text: str) -> None:
        self.search.setFocus()
        self.search.insert(text)

    @Slot()
    def _to_search(self) -> None:
        self.search.setFocus(Qt.FocusReason.BacktabFocusReason)
        self.search.selectAll()

    def showEvent(self, event: QShowEvent) -> None:
        """Be ready for a name to be typed."""
        super().showEvent(event)
        self._to_search()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go from the search line into the list and back; Escape clears it, then leaves."""
        key, in_search = event.key(), self.search.hasFocus()
        if key == Qt.Key.Key_Escape:
            self._escape()
        elif in_search and key == Qt.Key.Key_Down:
            self.table.setFocus(Qt.FocusReason.TabFocusReason)
        elif in_search and key in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.table.open_current()
        else:
            super().keyPressEvent(event)

    def _escape(self) -> None:
        if self.search.text():
            self.search.clear()
        else:
            self.left.emit()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept files and folders."""
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Tell which files and folders were dropped here."""
        paths = [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
        if paths:
            event.acceptProposedAction()
            self.dropped.emit(paths)


def _told(row: WorklistRow) -> str:
    series = f"{row.series_count} series, {row.file_count:,} image{'s' * (row.file_count != 1)}"
    facts = (
        shown_name(row.name) or "(no name)",
        faults_of(row),
        f"born {row.birth_date}" if row.birth_date else "",
        series,
        f"accession {row.accession}" if row.accession else "",
    )
    return "  ·  ".join(fact for fact in facts if fact)
