"""Where reports are kept, and what happens to typing that cannot be."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from threading import Event

from PySide6.QtCore import QObject, Signal, Slot

from workstation.archive.journal import Journal
from workstation.archive.report_archive import ReportArchive
from workstation.archive.report_session import ReportSession
from workstation.core.errors import StorageError
from workstation.core.study import Severity
from workstation.tasks.job import Job
from workstation.ui.notifications import Notifications

_SETTLE_SECONDS = 3.0


class Keeping(QObject):
    """The archive of reports; without one, ``journal`` is None and it is told.

    Signals
    -------
    opened(ReportSession)
        The report of the study that was asked for last.
    """

    opened = Signal(object)

    def __init__(self, address: str | Path, notifications: Notifications) -> None:
        super().__init__()
        self._notifications = notifications
        self._wanted = ""
        self._held_once = False
        self.journal = self._open(address)

    def _open(self, address: str | Path) -> Journal | None:
        try:
            if isinstance(address, Path):
                address.parent.mkdir(parents=True, exist_ok=True)
            return Journal(ReportArchive(address))
        except (StorageError, OSError) as error:
            sentence = (
                error.message
                if isinstance(error, StorageError)
                else f"Reports cannot be kept in {address}: {error.strerror}."
            )
            self._notifications.show(sentence, Severity.ERROR, repr(error))
            return None

    def open(self, study_key: str, author: str) -> None:
        """Open a study's report: a file at once, what a server keeps as soon as it answers."""
        journal = self.journal
        if journal is None or study_key == self._wanted:
            return
        self._wanted = study_key
        if journal.archive.path is not None:
            self._on_opened(ReportSession(journal, study_key, author))
            return

        def work(_cancelled: Event) -> Iterator[ReportSession]:
            yield ReportSession(journal, study_key, author)

        job = Job(work)
        job.step.connect(self._on_opened)
        job.start()

    @Slot(object)
    def _on_opened(self, session: ReportSession) -> None:
        if session.study_key != self._wanted:
            return
        self._wanted = ""
        self.opened.emit(session)
        if session.load_error is not None:
            error = session.load_error
            self._notifications.show(error.message, Severity.ERROR, error.details)

    def may_close(self, session: ReportSession | None) -> bool:
        """Hold the window once where typing is not on disk, and put a copy elsewhere."""
        if session is None or self.journal is None or self._held_once:
            return True
        error = self.journal.settle(session.study_key, _SETTLE_SECONDS).error
        if error is None:
            return True
        self._held_once = True
        copy = Path(tempfile.gettempdir()) / f"tomoscribe-report-{os.getpid()}.json"
        try:
            session.save_copy(copy)
            kept = f"A copy was written to {copy}."
        except StorageError as fault:
            kept = fault.message
        self._notifications.show(
            f"{error.message} {kept} Close again to leave.", Severity.ERROR, error.details
        )
        return False
