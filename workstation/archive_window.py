"""The archive's part of a window: worklist, records, other windows; nothing without an archive."""

from __future__ import annotations

from dataclasses import dataclass

from workstation.actions.action import Action
from workstation.actions.worklist_actions import WorklistDesk, worklist_actions
from workstation.archive.archive import Archive, open_archive
from workstation.archiving import Archiving
from workstation.consulting import Consulting
from workstation.core.errors import StorageError
from workstation.core.session import Reading
from workstation.io.pool import WorkerPool
from workstation.keeping import Keeping
from workstation.opening import Opening
from workstation.recording import Recording
from workstation.settings import Settings
from workstation.storing import Storing
from workstation.ui.main_window import MainWindow
from workstation.ui.report_panel import ReportPanel
from workstation.ui.series_panel import SeriesPanel
from workstation.ui.text_sheet import TextSheet
from workstation.watching import Watching


@dataclass(frozen=True)
class Parts:
    """What of the window the archive is joined to."""

    window: MainWindow
    reading: Reading
    pool: WorkerPool
    opening: Opening
    consulting: Consulting
    report: ReportPanel
    series: SeriesPanel
    keeping: Keeping


class ArchiveWindow:
    """Puts the archive's parts together.

    Attributes
    ----------
    archiving, storing, recording, watching
        The parts; None where the archive's address cannot be understood.
    """

    def __init__(self, settings: Settings, parts: Parts) -> None:
        self._parts = parts
        self.archive = _opened(settings)
        self.archiving: Archiving | None = None
        self.storing: Storing | None = None
        self.recording: Recording | None = None
        self.watching: Watching | None = None
        if self.archive is not None:
            self._join(self.archive)
        if parts.keeping.journal is not None:
            sheet = TextSheet(parts.window)
            told = parts.window.notifications
            self.watching = Watching(parts.keeping.journal, parts.report, told, sheet)

    def _join(self, archive: Archive) -> None:
        parts = self._parts
        told = parts.window.notifications
        self.storing = Storing(archive, parts.pool, told)
        self.archiving = Archiving(archive, parts.window, parts.opening, self.storing)
        self.recording = Recording(archive, parts.reading, told)
        parts.opening.opened.connect(self.recording.opened)
        parts.consulting.ran.connect(self.recording.ran)

    def actions(self) -> tuple[Action, ...]:
        """Table for the menu Worklist; empty without an archive."""
        archiving = self.archiving
        if archiving is None:
            return ()
        return worklist_actions(
            WorklistDesk(
                toggle=archiving.toggle,
                is_shown=lambda: archiving.is_shown,
                neighbour=archiving.open_neighbour,
                choose=archiving.choose,
                keep_open=self.keep_open,
                has_scan=lambda: self._parts.reading.volume is not None,
            )
        )

    def keep_open(self) -> None:
        """Copy all series of the open study into the archive.

        Never by reference: what was opened may lie in a folder that goes with the program.
        """
        volume = self._parts.reading.volume
        if volume is None or self.storing is None:
            return
        key = volume.series.study_key
        own = [one for one in self._parts.series.series if one.study_key == key]
        files = dict.fromkeys(path for one in own or [volume.series] for path in one.files)
        self.storing.store(list(files), copy=True)

    def note(self, action: str, **details: str | int) -> None:
        """Note in the audit trail what is done with the open study."""
        if self.recording is not None:
            self.recording.note(action, details)

    def stop(self) -> None:
        """Look for nothing more; what runs may end."""
        if self.watching is not None:
            self.watching.stop()
        if self.archiving is not None:
            self.archiving.stop()
        if self.storing is not None:
            self.storing.cancel()

    def close(self) -> None:
        """Let go of the archive, when nothing runs any more."""
        if self.archive is not None:
            self.archive.close()


def _opened(settings: Settings) -> Archive | None:
    try:
        return open_archive(settings.archive_address, settings.archive_folder, settings.author)
    except StorageError:
        return None  # told by what keeps the reports, which has the same address
