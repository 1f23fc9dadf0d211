"""Write the report of the open study to a file, as what it is: signed or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Event

from PySide6.QtCore import QObject, Signal, Slot

from workstation.core.errors import TomoscribeError
from workstation.core.session import Reading
from workstation.core.standing import Standing
from workstation.core.study import Severity
from workstation.io.export import ExportDocument, export
from workstation.keeping import Keeping
from workstation.tasks.job import Job
from workstation.ui.notifications import Notifications
from workstation.ui.report_panel import ReportPanel


class Exporting(QObject):
    """Exports off the window's thread: the archive is asked first whether the text is signed.

    Signals
    -------
    exported(str, str)
        A file was written: its format, and what the report was called in it.
    ended()
        Written or not, the last export is over.
    """

    exported = Signal(str, str)
    ended = Signal()

    def __init__(
        self, reading: Reading, report: ReportPanel, keeping: Keeping, notifications: Notifications
    ) -> None:
        super().__init__()
        self._reading, self._report, self._keeping = reading, report, keeping
        self._notifications = notifications

    def export(self, path: Path, key: str) -> None:
        """Begin to write the report as it is now; a fault is told and nothing is lost."""
        session, journal = self._report.session, self._keeping.journal
        if session is None or journal is None:
            return
        volume, point, archive = self._reading.volume, session.standpoint(), journal.archive
        own = volume is not None and volume.series.study_key == session.study_key
        series = volume.series if volume is not None and own else None

        def work(_cancelled: Event) -> Iterator[tuple[Path, str, Standing]]:
            standing = point.read(archive)
            export(ExportDocument.of(point.report, series, standing), path, key)
            yield path, key, standing

        job = Job(work)
        job.step.connect(self._on_written)
        job.failed.connect(self._on_failed)
        job.ended.connect(self.ended)
        job.start()

    @Slot(object)
    def _on_written(self, written: tuple[Path, str, Standing]) -> None:
        path, key, standing = written
        self.exported.emit(key, standing.name)
        self._notifications.show(f"The {standing.name} was written to {path.name}.")

    @Slot(object)
    def _on_failed(self, error: TomoscribeError) -> None:
        self._notifications.show(error.message, Severity.ERROR, error.details)
