"""What the reader measures: undone, kept in the archive, shown again, put into the report."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from threading import Event

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from workstation.actions.action import Action
from workstation.actions.measure_actions import MeasureDesk, measure_actions
from workstation.archive.archive import Archive
from workstation.archive.measurement_log import MeasurementLog
from workstation.core.errors import StorageError, TomoscribeError
from workstation.core.measurement import Measurement, summary
from workstation.core.session import Reading
from workstation.core.study import Severity
from workstation.core.undo import Edit, History
from workstation.core.volume import Volume
from workstation.tasks.job import Job
from workstation.tools import measure
from workstation.ui.notifications import Notifications
from workstation.ui.report_panel import ReportPanel

_LOG = logging.getLogger(__name__)
_MILLISECONDS = 3000
_PATIENCE = 30.0
_BOTH = (
    "A measurement was changed in another window meanwhile: both are kept. Look at the list of "
    "measurements."
)
_Found = tuple[int, tuple[Measurement, ...]]


class Measuring(QObject):
    """Measurements of the open study, in this window's memory and in the archive.

    The archive keeps those of any study, also of one that was never imported. Without an
    archive they last as long as the window.

    Signals
    -------
    changed()
        What can be done with measurements changed.
    """

    changed = Signal()

    def __init__(
        self, reading: Reading, report: ReportPanel, notifications: Notifications,
        archive: Archive | None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._reading, self._report, self._notifications = reading, report, notifications
        self._history: History[Measurement] = History()
        self._kept: dict[str, tuple[Measurement, ...]] = {}
        self._log = MeasurementLog(archive) if archive is not None else None
        self._edits = self._conflicts = 0
        self._told: StorageError | None = None
        self._asking: Job | None = None
        self._held_once = False
        reading.measured.connect(self._on_measured)
        for event in ("tool", "selected", "measurements"):
            getattr(reading.events, event).connect(self._on_change)
        self._timer = QTimer(self, interval=_MILLISECONDS)
        self._timer.timeout.connect(self.look)
        self._timer.start()

    def actions(self) -> tuple[Action, ...]:
        """Table for the menu Measure."""
        desk = MeasureDesk(
            undo=self.undo,
            can_undo=lambda: self._history.can_undo,
            redo=self.redo,
            can_redo=lambda: self._history.can_redo,
            insert=self.insert,
            can_insert=self._can_insert,
        )
        return measure_actions(self._reading, desk)

    @Slot(object)
    def opened(self, volume: Volume) -> None:
        """Show what is known of a series that was opened, and ask the archive for the rest."""
        self._history.forget()
        self._edits += 1
        self._reading.measurements = self._kept.get(volume.key, ())
        self.look()

    @Slot()
    def look(self) -> None:
        """Ask the archive what any window has measured on the open study."""
        volume, log = self._reading.volume, self._log
        if volume is None or log is None or self._asking is not None:
            return
        self._tell(log)
        edits, found = self._edits, log.read(volume.series.study_key)

        def work(_cancelled: Event) -> Iterator[_Found]:
            try:
                yield edits, found.result(_PATIENCE)
            except TimeoutError as error:
                raise StorageError("The archive does not answer.", repr(error)) from error

        self._asking = Job(work, self)
        self._asking.step.connect(self._on_found)
        self._asking.failed.connect(self._on_failed)
        self._asking.ended.connect(self._on_ended)
        self._asking.start()

    def undo(self) -> None:
        """Take the last measuring step back."""
        self._apply(self._history.undo())

    def redo(self) -> None:
        """Do the last undone measuring step again."""
        self._apply(self._history.redo())

    @Slot()
    def insert(self) -> None:
        """Put the chosen measurement into the report at its cursor, as the reader's own words."""
        chosen, volume, session = self._chosen(), self._reading.volume, self._report.session
        if chosen is None or volume is None or session is None or not self._can_insert():
            return
        place = self._report.editor.insert_place()
        text = f"{summary(chosen, measure(chosen, volume), volume)}."
        before, after = session.report.text[:place][-1:], session.report.text[place:][:1]
        lead = " " if before and not before.isspace() else ""
        trail = " " if after and not after.isspace() else ""
        session.edit(place, 0, lead + text + trail)

    def close(self) -> None:
        """Write what waits, and look no more."""
        self._timer.stop()
        self._reading.measured.disconnect(self._on_measured)
        for event in ("tool", "selected", "measurements"):
            getattr(self._reading.events, event).disconnect(self._on_change)
        if self._log is not None:
            try:
                self._log.close()
            except StorageError as error:
                _LOG.error("measurements were not written: %s", error.details)

    def may_close(self) -> bool:
        """Hold the window once where something measured is not in the archive."""
        if self._log is None or self._held_once or self._log.state.error is None:
            return True
        state = self._log.state
        if not state.waiting or state.error is None:
            return True
        self._held_once = True
        text = f"What was measured is not in the archive: {state.error.message}"
        details = state.error.details
        self._notifications.show(f"{text} Close again to leave.", Severity.ERROR, details)
        return False

    def _can_insert(self) -> bool:
        volume, session = self._reading.volume, self._report.session
        if volume is None or session is None or self._chosen() is None:
            return False
        return session.study_key == volume.series.study_key

    def _chosen(self) -> Measurement | None:
        return self._reading.measurement(self._reading.selected)

    def _on_change(self, *_: object) -> None:
        self.changed.emit()

    def _on_measured(self, before: Measurement | None, after: Measurement | None) -> None:
        edit = Edit(before, after)
        self._history.record(edit)
        self._write(edit)

    def _apply(self, edit: Edit[Measurement] | None) -> None:
        if edit is None:
            return
        self._reading.drawing = None
        self._reading.put(edit.before, edit.after)
        if edit.after is not None:
            self._reading.show_measurement(edit.after.id)
        self._write(edit)

    def _write(self, edit: Edit[Measurement]) -> None:
        volume = self._reading.volume
        if volume is None:
            return
        self._edits += 1
        self._kept[volume.key] = self._reading.measurements
        if self._log is not None:
            self._log.write(volume.series.study_key, edit)

    @Slot(object)
    def _on_found(self, answer: _Found) -> None:
        """Take the archive's state, unless the reader has gone on since it was asked."""
        edits, found = answer
        volume = self._reading.volume
        if edits != self._edits or volume is None:
            return
        own = tuple(each for each in found if each.series_key == volume.key)
        self._kept[volume.key] = own
        if own != self._reading.measurements and self._reading.drawing is None:
            self._reading.measurements = own

    @Slot(object)
    def _on_failed(self, error: TomoscribeError) -> None:
        if isinstance(error, StorageError) and self._told is None:
            self._told = error
            text = f"Measurements are not in the archive yet: {error.message}"
            self._notifications.show(text, Severity.WARNING, error.details)

    @Slot()
    def _on_ended(self) -> None:
        if self._asking is not None:
            self._asking.deleteLater()
        self._asking = None

    def _tell(self, log: MeasurementLog) -> None:
        state = log.state
        if state.conflicts != self._conflicts:
            self._conflicts = state.conflicts
            self._notifications.show(_BOTH, Severity.WARNING)
        if state.error is None:
            self._told = None
        else:
            self._on_failed(state.error)
