"""What was done with a study, and what the model did, into the archive; never in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from threading import Event

from PySide6.QtCore import QObject, Slot

from workstation.archive.archive import Archive
from workstation.archive.records import add_model_run, note_act
from workstation.core.errors import TomoscribeError
from workstation.core.session import Reading
from workstation.core.study import Severity
from workstation.core.volume import Volume
from workstation.model_runs import Run
from workstation.tasks.job import Job
from workstation.ui.notifications import Notifications


class Recording(QObject):
    """Writes audit entries and model runs of the open study."""

    def __init__(self, archive: Archive, reading: Reading, notifications: Notifications) -> None:
        super().__init__()
        self._archive, self._reading, self._notifications = archive, reading, notifications
        self._study = ""
        self._told = False

    def note(self, action: str, details: Mapping[str, str | int] | None = None) -> None:
        """Note what is done with the open study."""
        if key := self._key():
            self._write(lambda: note_act(self._archive, action, key, details))

    @Slot(object)
    def opened(self, volume: Volume) -> None:
        """Note that a study is looked at; another series of it is not another study."""
        if volume.series.study_key != self._study:
            self._study = volume.series.study_key
            self.note("study opened")

    @Slot(object)
    def ran(self, run: Run) -> None:
        """Keep what the model wrote of a study, to what, and where it comes from.

        It is the study that was open when the model was asked: another may be by now.
        """
        self._write(lambda: add_model_run(self._archive, run.study_key, run.run_id, run.facts))

    def _key(self) -> str:
        volume = self._reading.volume
        return "" if volume is None else volume.series.study_key

    def _write(self, write: Callable[[], None]) -> None:
        def work(_cancelled: Event) -> Iterator[None]:
            write()
            yield

        job = Job(work)
        job.step.connect(self._on_written)
        job.failed.connect(self._on_failed)
        job.start()

    @Slot()
    def _on_written(self) -> None:
        self._told = False

    @Slot(object)
    def _on_failed(self, error: TomoscribeError) -> None:
        """Say it once; the same fault would be told with every step of the reader."""
        if not self._told:
            self._told = True
            text = f"What is done is not noted in the archive: {error.message}"
            self._notifications.show(text, Severity.WARNING, error.details)
