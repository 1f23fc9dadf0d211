"""Import into the archive behind the window's back, one after the other, and tell how it went."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from threading import Event

from PySide6.QtCore import QObject, Signal, Slot

from workstation.archive.archive import Archive
from workstation.archive.arrivals import Added
from workstation.core.errors import TomoscribeError
from workstation.core.study import Severity
from workstation.importing import ImportProgress, importing
from workstation.io.pool import WorkerPool
from workstation.tasks.job import Job
from workstation.ui.notifications import Notifications

_MOST_TOLD = 50


class Storing(QObject):
    """Imports files and folders.

    Signals
    -------
    progress(str, float or None)
        What is done, and how much of it.
    ended()
        The last import is done, failed or cancelled.
    """

    progress = Signal(str, object)
    ended = Signal()

    def __init__(self, archive: Archive, pool: WorkerPool, notifications: Notifications) -> None:
        super().__init__()
        self._archive, self._pool, self._notifications = archive, pool, notifications
        self._waiting: list[tuple[tuple[Path, ...], bool]] = []
        self._running: Job | None = None
        self._far = ImportProgress(0, 0)

    @property
    def is_busy(self) -> bool:
        """Whether something is being imported."""
        return self._running is not None

    def store(self, paths: Sequence[Path], *, copy: bool) -> None:
        """Import files and folders, after what is being imported already."""
        self._waiting.append((tuple(paths), copy))
        if self._running is None:
            self._next()

    @Slot()
    def cancel(self) -> None:
        """Stop importing; what came whole stays."""
        self._waiting.clear()
        if self._running is not None:
            self._running.cancel()

    def _next(self) -> None:
        paths, copy = self._waiting.pop(0)
        archive, pool = self._archive, self._pool
        self._far = ImportProgress(0, 0)

        def work(cancelled: Event) -> Generator[ImportProgress | Added, None, None]:
            yield (yield from importing(archive, paths, cancelled, pool, copy=copy))

        self._running = Job(work, self)
        self._running.step.connect(self._on_step)
        self._running.failed.connect(self._on_failed)
        self._running.ended.connect(self._on_ended)
        self.progress.emit(f"Looking for scans in {paths[0].name or paths[0]} …", None)
        self._running.start()

    @Slot(object)
    def _on_step(self, step: ImportProgress | Added) -> None:
        if isinstance(step, Added):
            self._tell(step)
            return
        self._far = step
        if step.series_total:
            far = f"{step.files:,} of {step.files_total:,} files"
            text = f"Importing {far} · series {min(step.series + 1, step.series_total)} of "
            text += str(step.series_total)
        else:
            text = f"Reading headers, {step.files:,} of {step.files_total:,}"
        self.progress.emit(text, step.files / step.files_total if step.files_total else None)

    @Slot(object)
    def _on_failed(self, error: TomoscribeError) -> None:
        self._notifications.show(error.message, Severity.ERROR, error.details)

    @Slot()
    def _on_ended(self) -> None:
        job, self._running = self._running, None
        if job is not None:
            if job.is_cancelled:
                self._tell_cancelled()
            job.deleteLater()
        if self._waiting:
            self._next()
        else:
            self.ended.emit()

    def _tell_cancelled(self) -> None:
        done, total = self._far.series, self._far.series_total
        kept = f"{done} of {total} series are in the archive" if total else "nothing was imported"
        self._notifications.show(
            f"The import was cancelled; {kept}. Import the same again to go on.", Severity.WARNING
        )

    def _tell(self, added: Added) -> None:
        count = len(added.studies)
        told = f"{added.files:,} files of {count} stud{'y' if count == 1 else 'ies'} imported"
        told += f", {added.duplicates:,} there already" if added.duplicates else ""
        told += f", {len(added.skipped):,} left out" if added.skipped else ""
        reasons = "\n".join(f"{path.name}: {why}" for path, why in added.skipped[:_MOST_TOLD])
        wrong = Severity.WARNING if added.skipped else Severity.INFO
        self._notifications.show(f"{told}.", wrong, reasons)
        for sentence in (*added.notices, *_warnings(added)):
            self._notifications.show(sentence, Severity.WARNING)


def _warnings(added: Added) -> list[str]:
    told = []
    if added.conflicts:
        told.append(f"{added.conflicts} files carry the identifier of another file; all are kept.")
    if added.illegal:
        told.append(
            f"{added.illegal} files carry no legal identifier; they are kept by their content."
        )
    if added.restored:
        told.append(f"Studies that were deleted are back: {added.restored}.")
    return told
