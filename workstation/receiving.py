"""Receives what a PACS sends while the window is open, and imports it when it falls silent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from workstation.archive.archive import open_archive
from workstation.archive.arrivals import Added
from workstation.core.errors import InputError, TomoscribeError
from workstation.core.study import Severity
from workstation.importing import import_paths
from workstation.io.pool import WorkerPool
from workstation.pacs_peers import receiver
from workstation.settings import Settings
from workstation.tasks.job import Job
from workstation.ui.notifications import Notifications

if TYPE_CHECKING:
    from workstation.io.pacs.receiver import Receiver
    from workstation.io.pacs.store import Stored

_QUIET_MILLISECONDS = 3000


class Receiving(QObject):
    """Runs the receiver where the settings want one.

    Signals
    -------
    changed()
        It listens, it does not any more, or it cannot; see :attr:`state`.
    imported(int)
        So many images came into the archive.
    """

    changed = Signal()
    imported = Signal(int)
    _arrived = Signal(object)
    _refused = Signal(str)

    def __init__(
        self, settings: Settings, pool: WorkerPool, notifications: Notifications, parent: QObject
    ) -> None:
        super().__init__(parent)
        self._settings, self._pool, self._notifications = settings, pool, notifications
        self._folder = settings.data_folder / "received"
        self._running: Receiver | None = None
        self._fault = ""
        self._starting: Job | None = None
        self._made: list[Receiver] = []
        self._again = False
        self._files: dict[Path, None] = {}
        self._importing: Job | None = None
        self._quiet = QTimer(self, singleShot=True, interval=_QUIET_MILLISECONDS)
        self._quiet.timeout.connect(self._import)
        queued = Qt.ConnectionType.QueuedConnection
        self._arrived.connect(self._on_arrived, queued)
        self._refused.connect(self._on_refused, queued)

    @property
    def state(self) -> tuple[str, bool]:
        """A sentence on what it does, and whether something is wrong."""
        running = self._running
        if running is not None and running.alive:
            options = running.options
            at = f"{options.host}:{running.port}"
            return f"Receiving as {options.ae_title} at {at}.", False
        if self._starting is not None:
            return "The receiver starts …", False
        return self._fault or "The receiver is off.", bool(self._fault)

    def apply(self) -> None:
        """Do what the settings say now; a receiver that runs is started anew."""
        self.stop()
        self._again = self._settings.pacs_receive
        if self._starting is None:
            self._start()
        self.changed.emit()

    def stop(self) -> None:
        """Receive no more; what came is imported, or at the next start."""
        self._again = False
        if self._starting is not None:
            self._starting.cancel()
        running, self._running, self._fault = self._running, None, ""
        if running is not None:
            running.close()

    def borrowed(self) -> AbstractContextManager[Receiver] | None:
        """Lend the receiver that runs, for a retrieval by C-MOVE; None where none does."""
        running = self._running
        return nullcontext(running) if running is not None and running.alive else None

    def _start(self) -> None:
        """Start the process off this thread, unless nobody wants it any more."""
        if not self._again:
            return
        self._again = False
        settings, self._made = self._settings.model_copy(), []

        def work(_cancelled: Event) -> Iterator[object]:
            self._made.append(
                receiver(settings, self._folder, told=self._refused.emit, stored=self._arrived.emit)
            )
            yield self._made[0]

        self._starting = Job(work)
        self._starting.step.connect(self._on_started)
        self._starting.failed.connect(self._on_failed)
        self._starting.ended.connect(self._on_start_ended)
        self._starting.start()

    @Slot()
    def _on_start_ended(self) -> None:
        """Close what was started although it was not wanted any more, and start what is."""
        self._starting = None
        for made in self._made:
            if made is not self._running:
                made.close()
        self._start()
        self.changed.emit()

    @Slot(object)
    def _on_started(self, made: Receiver) -> None:
        self._running = made
        for path in sorted(self._folder.rglob("*.dcm")):  # from before the program last ended
            self._files[path] = None
        if self._files:
            self._quiet.start()

    @Slot(object)
    def _on_failed(self, error: TomoscribeError) -> None:
        self._fault = f"{error.message} {error.details}".strip()
        self._notifications.show(error.message, Severity.ERROR, error.details)

    @Slot(object)
    def _on_arrived(self, stored: Stored) -> None:
        self._files[stored.path] = None
        self._quiet.start()

    @Slot(str)
    def _on_refused(self, sentence: str) -> None:
        self._notifications.show(f"Not received: {sentence}", Severity.WARNING)

    @Slot()
    def _import(self) -> None:
        if self._importing is not None or not self._files:
            return
        paths, self._files = list(self._files), {}
        settings, pool = self._settings, self._pool

        def work(cancelled: Event) -> Iterator[object]:
            yield _taken(settings, pool, paths, cancelled)

        self._importing = Job(work)
        self._importing.step.connect(self._on_imported)
        self._importing.failed.connect(self._on_import_failed)
        self._importing.ended.connect(self._on_import_ended)
        self._importing.start()

    @Slot(object)
    def _on_imported(self, added: Added) -> None:
        studies = len(added.studies)
        text = f"{added.files:,} images of {studies} stud{'y' if studies == 1 else 'ies'} received."
        reasons = "\n".join(why for _, why in added.skipped[:50])
        wrong = Severity.WARNING if added.skipped else Severity.INFO
        if added.skipped:
            text += f" {len(added.skipped):,} files were not taken and stay in {self._folder}."
        self._notifications.show(text, wrong, reasons)
        for sentence in added.notices:
            self._notifications.show(sentence, Severity.WARNING)
        self.imported.emit(added.files)

    @Slot(object)
    def _on_import_failed(self, error: TomoscribeError) -> None:
        text = f"What was received is not in the archive; it stays in {self._folder}."
        self._notifications.show(f"{text} {error.message}", Severity.ERROR, error.details)

    @Slot()
    def _on_import_ended(self) -> None:
        self._importing = None
        if self._files:
            self._quiet.start()


def _taken(settings: Settings, pool: WorkerPool, paths: list[Path], cancelled: Event) -> Added:
    """Import received files; those that are in the archive then are not kept twice."""
    archive = open_archive(settings.archive_address, settings.archive_folder, settings.author)
    try:
        added = import_paths(archive, [path for path in paths if path.exists()], cancelled, pool)
    except InputError as error:
        return Added(skipped=[(path, error.message) for path in paths])
    finally:
        archive.close()
    left = {path for path, _ in added.skipped}
    for path in paths:
        if path not in left:
            path.unlink(missing_ok=True)
    return added
