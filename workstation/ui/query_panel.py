"""The PACS panel: ask, see what is there, retrieve, open."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, Signal, Slot
from PySide6.QtWidgets import (
    QHBoxLayout,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from workstation.ui.panel_parts import RunningLine, as_panel, button, label
from workstation.ui.query_form import QueryForm
from workstation.ui.study_table import Stage, StudyRow, StudyTable

_HEIGHT = 290
_HINT = "Fill in one field or more and search. Then retrieve a study with Return or a double click."
_NO_PEERS = "No PACS is set up yet. Add a DICOM node or a DICOMweb service."


class QueryPanel(QWidget):
    """Shows a query form, the studies found, and how far their retrieval is.

    Signals
    -------
    search_requested(), priors_requested(), cancel_requested(), retry_requested()
    retrieve_requested(list of StudyRow, bool)
        Which, and whether to open the first when it is there.
    open_requested(StudyRow)
    settings_requested()
        Other PACS are to be set up.
    close_requested()
    """

    search_requested = Signal()
    retrieve_requested = Signal(object, bool)
    open_requested = Signal(object)
    priors_requested = Signal()
    cancel_requested = Signal()
    retry_requested = Signal()
    settings_requested = Signal()
    close_requested = Signal()

    def __init__(self, peers: Sequence[str]) -> None:
        super().__init__()
        as_panel(self)
        self.form = QueryForm()
        self.table = StudyTable()
        self.running = RunningLine()
        self._hint = label(_HINT, "dim")
        self._hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._count = label("", "dim", wrap=False)
        self._retrieve = button("Retrieve", "save", "primary", "Bring the selected studies here")
        self._open = button("Open", "open", "", "Open the selected study")
        self.priors = button(
            "Priors of the open patient", "similar", "",
            "Find and retrieve all other studies of the patient on screen (Ctrl+Shift+P)",
        )  # fmt: skip
        sets = button("Settings", "settings", "quiet", "Add, change and test PACS (Ctrl+Alt+P)")
        closes = button("Close", "close", "quiet", "Hide this panel (F8)")
        self._pages = QStackedWidget()
        as_panel(self._pages)
        for page in (self._hint, self.table, self._no_peers()):
            page.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
            self._pages.addWidget(page)
        self._lay_out(sets, closes)
        self._has_peers = False
        self.show_peers(peers)
        self.form.search_requested.connect(self.search_requested)
        self.table.wanted.connect(self._on_wanted)
        self.table.chosen.connect(self.refresh)
        self._retrieve.clicked.connect(self._on_retrieve)
        self._open.clicked.connect(self._on_open)
        self.priors.clicked.connect(self._on_priors)
        sets.clicked.connect(self.settings_requested)
        closes.clicked.connect(self._on_close)
        self.running.cancel_requested.connect(self.cancel_requested)
        self.running.retry_requested.connect(self.retry_requested)
        self.refresh()

    def sizeHint(self) -> QSize:
        """Ask for some rows of the table and leave the rest to the images."""
        return QSize(super().sizeHint().width(), _HEIGHT)

    def _lay_out(self, *more: QWidget) -> None:
        top = QHBoxLayout()
        top.setContentsMargins(10, 6, 10, 0)
        top.addWidget(self.form, 1)
        buttons = QHBoxLayout()
        buttons.setContentsMargins(10, 0, 10, 6)
        for one in (self._retrieve, self._open, self.priors):
            buttons.addWidget(one)
        buttons.addStretch(1)
        buttons.addWidget(self._count)
        for extra in more:
            buttons.addWidget(extra)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(6)
        whole.addLayout(top)
        whole.addWidget(self._pages, 1)
        whole.addWidget(self.running)
        whole.addLayout(buttons)

    def show_peers(self, peers: Sequence[str]) -> None:
        """Offer other PACS; the one that is chosen stays, if it is still there."""
        self._has_peers = bool(peers)
        self.form.show_peers(peers)
        self.form.setEnabled(self._has_peers)
        if not peers:
            self._pages.setCurrentIndex(2)
        elif self._pages.currentIndex() == 2:
            self._pages.setCurrentIndex(0)

    def _no_peers(self) -> QWidget:
        """Say that none is set up, and let one be."""
        page = QWidget()
        column = QVBoxLayout(page)
        sets = button("Set up a PACS …", "settings", "primary")
        sets.clicked.connect(self.settings_requested)
        hint = label(_NO_PEERS, "dim")
        hint.setAlignment(Qt.AlignmentFlag.AlignCenter)
        column.addStretch(1)
        column.addWidget(hint)
        column.addWidget(sets, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(1)
        as_panel(page)
        return page

    def show_rows(self, rows: Sequence[StudyRow]) -> None:
        """Show other studies; none while a search begins."""
        self.table.show_rows(rows)
        self._count.clear()
        self._pages.setCurrentIndex(1)
        self.refresh()

    def add_rows(self, rows: Sequence[StudyRow]) -> None:
        """Show more studies."""
        self.table.add_rows(rows)
        self.refresh()

    def finish(self, limited: bool) -> None:
        """Say how many there are, or that there are none."""
        self.running.hide()
        count = len(self.table.rows)
        if not count:
            self.say("Nothing was found. Fewer or shorter words find more.")
            return
        more = " (there are more; narrow the search)" if limited else ""
        self._count.setText(f"{count} {'study' if count == 1 else 'studies'}{more}")

    def say(self, text: str) -> None:
        """Show a sentence in place of the table."""
        self._hint.setText(text)
        self._pages.setCurrentIndex(0 if self._has_peers else 2)

    def renew(self, row: StudyRow) -> None:
        """Show what has changed of a study."""
        self.table.renew(row)
        self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Bring the buttons up to date with what is selected."""
        stages = {row.stage for row in self.table.selected}
        busy = bool(stages & {Stage.WAITING, Stage.RUNNING})
        self._retrieve.setEnabled(bool(stages - {Stage.KEPT}) and not busy)
        broken = bool(stages & {Stage.INCOMPLETE, Stage.FAILED})
        self._retrieve.setText("Resume" if broken else "Retrieve")
        here = stages in ({Stage.KEPT}, {Stage.INCOMPLETE})
        self._open.setEnabled(here and len(self.table.selected) == 1)

    @Slot(object)
    def _on_wanted(self, rows: list[StudyRow]) -> None:
        if len(rows) == 1 and rows[0].stage is Stage.KEPT:
            self.open_requested.emit(rows[0])
        else:
            self.retrieve_requested.emit(rows, True)

    @Slot()
    def _on_retrieve(self) -> None:
        self.retrieve_requested.emit(self.table.selected, False)

    @Slot()
    def _on_open(self) -> None:
        self.open_requested.emit(self.table.selected[0])

    @Slot()
    def _on_priors(self) -> None:
        self.priors_requested.emit()

    @Slot()
    def _on_close(self) -> None:
        self.close_requested.emit()
