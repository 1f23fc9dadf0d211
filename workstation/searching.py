"""Search the worklist behind the window's back: one search at a time, only the newest counts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

from PySide6.QtCore import QObject, Signal, Slot

from workstation.archive.archive import Archive
from workstation.archive.worklist import WorklistPage, WorklistQuery, search
from workstation.core.errors import TomoscribeError
from workstation.tasks.job import Job


@dataclass(frozen=True)
class _Found:
    query: WorklistQuery
    page: WorklistPage


class Searching(QObject):
    """Asks the archive; while it answers, a newer query waits and the older ones are forgotten.

    Signals
    -------
    found(WorklistQuery, WorklistPage)
        The answer to the newest query; never that to an older one.
    failed(TomoscribeError)
        The archive could not be asked.
    """

    found = Signal(object, object)
    failed = Signal(object)

    def __init__(self, archive: Archive) -> None:
        super().__init__()
        self._archive = archive
        self._running: Job | None = None
        self._newest: WorklistQuery | None = None
        self._asked: WorklistQuery | None = None

    def ask(self, query: WorklistQuery) -> None:
        """Look for studies; what was asked before and is not answered yet is dropped."""
        self._newest = query
        if self._running is None:
            self._begin(query)

    @property
    def is_busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._newest is not None

    def _begin(self, query: WorklistQuery) -> None:
        database = self._archive.database
        self._asked = query

        def work(_cancelled: Event) -> Iterator[_Found]:
            yield _Found(query, search(database, query))

        self._running = Job(work, self)
        self._running.step.connect(self._on_found)
        self._running.failed.connect(self._on_failed)
        self._running.ended.connect(self._on_ended)
        self._running.start()

    @Slot(object)
    def _on_found(self, found: _Found) -> None:
        if found.query is self._newest:
            self._newest = None
            self.found.emit(found.query, found.page)

    @Slot(object)
    def _on_failed(self, error: TomoscribeError) -> None:
        if self._newest is self._asked:
            self._newest = None
            self.failed.emit(error)

    @Slot()
    def _on_ended(self) -> None:
        if self._running is not None:
            self._running.deleteLater()
        self._running = None
        if self._newest is not None:
            self._begin(self._newest)
