"""The archive in the window: the worklist's searches, opening, importing, deleting."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import QFileDialog

from workstation.archive import studies, trash
from workstation.archive.archive import Archive
from workstation.archive.worklist import WorklistPage, WorklistQuery, WorklistRow
from workstation.core.errors import TomoscribeError
from workstation.core.study import Severity
from workstation.io.incomplete import Incomplete
from workstation.opening import Known, Opening
from workstation.searching import Searching
from workstation.storing import Storing
from workstation.tasks.job import Job
from workstation.ui.main_window import MainWindow
from workstation.ui.notifications import Remedy
from workstation.ui.worklist_model import faults_of, shown_name
from workstation.ui.worklist_panel import PAGE, WorklistPanel

_REFRESH_MILLISECONDS = 3000
_KEPT = " Scans can be opened as before; what you write stays in the window and is tried again."


@dataclass(frozen=True)
class _Deleted:
    row: WorklistRow


@dataclass(frozen=True)
class _Restored:
    row: WorklistRow


@dataclass(frozen=True)
class _ToOpen:
    row: WorklistRow
    files: tuple[Path, ...]
    known: Known
    changed: tuple[Path, ...]


class Archiving(QObject):
    """Joins the worklist's panel, the archive and the reading window.

    Signals
    -------
    changed()
        Studies came, went or were opened.
    """

    changed = Signal()

    def __init__(
        self, archive: Archive, window: MainWindow, opening: Opening, storing: Storing
    ) -> None:
        super().__init__()
        self._archive, self._window, self._opening = archive, window, opening
        self._storing, self._notifications = storing, window.notifications
        self.panel = WorklistPanel()
        window.add_page("worklist", self.panel)
        self.searching = Searching(archive)
        self._unreachable = False
        self._files = False
        self.panel.show_place(archive.database.place)
        self._connect()
        self._timer = QTimer(self, interval=_REFRESH_MILLISECONDS)
        self._timer.timeout.connect(self._look_again)
        self._timer.start()
        self._do(partial(trash.purge, archive), silent=True)
        self.refresh()

    def _connect(self) -> None:
        panel, storing = self.panel, self._storing
        panel.query_changed.connect(self.refresh)
        panel.more_wanted.connect(self._more)
        panel.retry_wanted.connect(self.refresh)
        panel.chosen.connect(self.open_study)
        panel.delete_wanted.connect(self.delete)
        panel.restore_wanted.connect(self.restore)
        panel.left.connect(self._leave)
        panel.import_wanted.connect(self.choose)
        panel.dropped.connect(self.import_paths)
        panel.cancel_wanted.connect(storing.cancel)
        panel.imports.copy_chosen.connect(self._keep_choice)
        panel.imports.set_copies(self._window.state.value("import_copies", "true") != "false")
        storing.progress.connect(self.panel.importing.run)
        storing.ended.connect(self._on_stored)
        self.searching.found.connect(self._on_found)
        self.searching.failed.connect(self._on_search_failed)
        self._opening.began.connect(self._leave)

    # --- looking ----------------------------------------------------------------------

    @Slot()
    def refresh(self) -> None:
        """Look for what is typed, from the first row on."""
        self.searching.ask(self.panel.query())

    @Slot()
    def _look_again(self) -> None:
        """See what other windows did: as many rows as are shown."""
        if self.panel.isVisible() and not self.searching.is_busy:
            shown = max(len(self.panel.rows.rows), PAGE)
            self.searching.ask(self.panel.query(limit=shown))

    @Slot()
    def _more(self) -> None:
        self.searching.ask(self.panel.query(after=self.panel.rows.next))

    @Slot(object, object)
    def _on_found(self, query: WorklistQuery, page: WorklistPage) -> None:
        self._unreachable = False
        if query.after is None:
            self.panel.show_page(page)
        else:
            self.panel.add_page(page)

    @Slot(object)
    def _on_search_failed(self, error: TomoscribeError) -> None:
        self.panel.show_fault(error.message, error.details)
        if not self._unreachable:
            self._unreachable = True
            self._notifications.show(error.message + _KEPT, Severity.ERROR, error.details)

    def stop(self) -> None:
        """Look no more by itself."""
        self._timer.stop()

    def toggle(self) -> None:
        """Show the worklist, or the images again."""
        self._window.show_page("images" if self.is_shown else "worklist")
        if self.is_shown:
            self._look_again()

    @property
    def is_shown(self) -> bool:
        """Whether the worklist is in front."""
        return self._window.shows_page("worklist")

    @Slot()
    def _leave(self) -> None:
        self._window.show_page("images")

    # --- one study --------------------------------------------------------------------

    @Slot(object)
    def open_study(self, row: WorklistRow) -> None:
        """Open an archived study in the reading window."""

        def work() -> _ToOpen:
            series = studies.series_of(self._archive, row.id)
            files = tuple(path for one in series for path in one.files)
            return _ToOpen(row, files, _known(series), studies.changed_files(self._archive, row.id))

        self._do(work)

    def open_neighbour(self, rows: int) -> None:
        """Open the study that many rows further on in the worklist."""
        self.panel.step(rows)

    @Slot(object)
    def delete(self, row: WorklistRow) -> None:
        """Delete a study; for a day it can be brought back."""

        def work() -> _Deleted:
            trash.delete(self._archive, row.id, row.version)
            return _Deleted(row)

        self._do(work)

    @Slot(object)
    def restore(self, row: WorklistRow) -> None:
        """Bring a deleted study back."""

        def work() -> _Restored:
            now = studies.find(self._archive, row.id)
            trash.undo(self._archive, row.id, now.version)
            return _Restored(row)

        self._do(work)

    def _do(self, act: Callable[[], object], *, silent: bool = False) -> None:
        def work(_cancelled: Event) -> Iterator[object]:
            yield act()

        job = Job(work)
        job.step.connect(self._on_done)
        if not silent:  # an archive that cannot be reached is told by the search
            job.failed.connect(self._on_failed)
        job.start()

    @Slot(object)
    def _on_done(self, done: object) -> None:
        match done:
            case _ToOpen():
                self._open(done)
            case _Deleted(row=row):
                text = f"{_named(row)} is deleted; it can be brought back for a day."
                undo = Remedy("Undo", partial(self.restore, row))
                self._notifications.show(text, remedy=undo)
            case _Restored(row=row):
                self._notifications.show(f"{_named(row)} is back.")
        self.refresh_shown()

    def _open(self, ready: _ToOpen) -> None:
        if not ready.files:
            text = f"{_named(ready.row)} has no files any more; it was deleted in another window."
            self._notifications.show(text, Severity.WARNING)
            return
        if ready.changed:
            files = "\n".join(str(path) for path in ready.changed[:50])
            count = len(ready.changed)
            some = "A file of this study is" if count == 1 else f"{count} files of this study are"
            text = f"{some} gone or no more what was imported."
            self._notifications.show(text, Severity.WARNING, files)
        if ready.row.missing:
            text = f"This study is incomplete: {faults_of(ready.row)}."
            self._notifications.show(text, Severity.WARNING)
        name = shown_name(ready.row.name) or ready.row.description or "the study"
        self._opening.open_paths(ready.files, name, ready.known)
        self.changed.emit()

    @Slot(object)
    def _on_failed(self, error: TomoscribeError) -> None:
        self._notifications.show(error.message, Severity.ERROR, error.details)
        self.refresh_shown()

    def refresh_shown(self) -> None:
        """Look again for all rows that are shown, whether another search is under way or not."""
        shown = max(len(self.panel.rows.rows), PAGE)
        self.searching.ask(self.panel.query(limit=shown))

    # --- importing --------------------------------------------------------------------

    @Slot(bool)
    def choose(self, files: bool) -> None:
        """Ask which files, or else which folder, to import."""
        self._files = files
        last = str(self._window.state.value("folder", str(Path.home())))
        dialog = QFileDialog(self._window, "Import into the archive", last)
        mode = QFileDialog.FileMode
        dialog.setFileMode(mode.ExistingFiles if files else mode.Directory)
        dialog.filesSelected.connect(self._on_chosen)
        dialog.open()

    @Slot(object)
    def _on_chosen(self, names: Sequence[str]) -> None:
        paths = [Path(name) for name in names]
        self._window.state.setValue("folder", str(paths[0].parent))
        self.import_paths(paths)

    @Slot(object)
    def import_paths(self, paths: Sequence[Path]) -> None:
        """Import files and folders, copied or not as was chosen last."""
        copies = self._window.state.value("import_copies", "true") != "false"
        self._storing.store(paths, copy=copies)

    @Slot(bool)
    def _keep_choice(self, copies: bool) -> None:
        self._window.state.setValue("import_copies", "true" if copies else "false")

    @Slot()
    def _on_stored(self) -> None:
        self.panel.importing.hide()
        self.refresh_shown()
        self.changed.emit()


def _known(series: Sequence[studies.StoredSeries]) -> Known:
    """Say of each file what its series is called, and whether a PACS sent all of it."""
    parts: dict[Path, Incomplete] = {}
    for one in series:
        if len(one.files) < one.expected:
            parts |= dict.fromkeys(one.files, Incomplete(len(one.files), one.expected))
    return Known({path: one.description for one in series for path in one.files}, parts)


def _named(row: WorklistRow) -> str:
    facts = (shown_name(row.name) or "A study without a name", row.description, row.date)
    return ", ".join(fact for fact in facts if fact)
