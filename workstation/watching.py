"""Watch what other windows do with the report of the open study."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from threading import Event

from PySide6.QtCore import QObject, QTimer, Slot

from workstation.archive.journal import Journal
from workstation.archive.report_archive import ReportVersion
from workstation.archive.report_session import ReportSession
from workstation.core.study import Severity
from workstation.tasks.job import Job
from workstation.ui.notifications import Notifications, Remedy
from workstation.ui.report_panel import ReportPanel
from workstation.ui.text_sheet import TextSheet

_MILLISECONDS = 3000
_TYPING = (
    "Another window is writing into the report of this study too. Both texts are kept; what "
    "each window saves becomes a version of its own."
)


@dataclass(frozen=True, eq=False)
class _Seen:
    session: ReportSession
    newest: ReportVersion | None
    typing: bool


class Watching(QObject):
    """Tells the reader once of every version that another window saved, and of typing there."""

    def __init__(
        self, journal: Journal, report: ReportPanel, notifications: Notifications, sheet: TextSheet
    ) -> None:
        super().__init__()
        self._journal, self._report = journal, report
        self._notifications, self._sheet = notifications, sheet
        self._told: set[tuple[str, int]] = set()
        self._running: Job | None = None
        self._timer = QTimer(self, interval=_MILLISECONDS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    @Slot()
    def look(self) -> None:
        """Look now; the answer is told when it comes."""
        session, archive = self._report.session, self._journal.archive
        if session is None or self._running is not None or session.load_error is not None:
            return
        key = session.study_key

        def work(_cancelled: Event) -> Iterator[_Seen]:
            yield _Seen(session, archive.latest(key), archive.is_typed_elsewhere(key))

        self._running = Job(work, self)
        self._running.step.connect(self._on_seen)
        self._running.ended.connect(self._on_ended)
        self._running.start()

    @Slot(object)
    def _on_seen(self, seen: _Seen) -> None:
        session = seen.session
        status = session.status()
        if session is not self._report.session or status.saving:
            return
        key, newest = session.study_key, seen.newest
        if newest is not None and newest.number > (status.version or 0):
            self._tell(newest)
        if seen.typing and (key, 0) not in self._told:
            self._told.add((key, 0))
            self._notifications.show(_TYPING, Severity.WARNING)

    def _tell(self, newest: ReportVersion) -> None:
        if (newest.study_key, newest.number) in self._told:
            return
        self._told.add((newest.study_key, newest.number))
        done = "signed" if newest.signed is not None else "saved"
        self._notifications.show(
            f"Version {newest.number} of this report was {done} in another window at "
            f"{newest.created.astimezone():%H:%M}. Your text here is kept; saving it makes a "
            "further version.",
            Severity.WARNING,
            remedy=Remedy("Show it", partial(self.show_version, newest)),
        )

    def show_version(self, version: ReportVersion) -> None:
        """Show another window's version: in the editor, or over it if something is unsaved."""
        session = self._report.session
        if session is None or session.study_key != version.study_key:
            return
        if session.unsaved or session.drafting:
            by = f" by {version.author}" if version.author else ""
            self._sheet.show_plain(f"Version {version.number}{by}", version.report.text)
            return
        author = session.author
        self._report.show_session(ReportSession(self._journal, version.study_key, author))

    @Slot()
    def _on_ended(self) -> None:
        if self._running is not None:
            self._running.deleteLater()
        self._running = None

    def stop(self) -> None:
        """Look no more."""
        self._timer.stop()
