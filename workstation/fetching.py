"""Studies on their way here, one after another."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from threading import Event
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from workstation.core.errors import TomoscribeError
from workstation.io.pool import WorkerPool
from workstation.retrieving import Arriving, Kept, Partly, bring_study
from workstation.settings import Settings
from workstation.tasks.job import Job
from workstation.ui.study_table import Stage, StudyRow

if TYPE_CHECKING:
    from workstation.io.pacs.source import Source

_ON_THE_WAY = frozenset((Stage.WAITING, Stage.RUNNING))


class Fetching(QObject):
    """A queue of retrievals, each in a job.

    Signals
    -------
    changed(StudyRow)
        How far it is.
    ended(StudyRow, Kept or Partly)
        What became of it.
    failed(TomoscribeError, list of StudyRow)
        Why nothing goes on, and what was given up.
    """

    changed = Signal(object)
    ended = Signal(object, object)
    failed = Signal(object, object)

    def __init__(
        self,
        settings: Settings,
        pool: WorkerPool,
        source_of: Callable[[str], Source],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._settings, self._pool, self._source_of = settings, pool, source_of
        self._waiting: deque[StudyRow] = deque()
        self._job: Job | None = None
        self.current: StudyRow | None = None

    @property
    def rows(self) -> list[StudyRow]:
        """What is on its way and what waits."""
        first = [self.current] if self.current is not None else []
        return [*first, *self._waiting]

    def add(self, rows: Sequence[StudyRow]) -> None:
        """Put studies at the end; one that was begun before goes on where it stopped."""
        for row in rows:
            if row.stage not in _ON_THE_WAY:
                row.stage = Stage.WAITING
                self._waiting.append(row)
                self.changed.emit(row)
        if self._job is None:
            self._next()

    def cancel(self) -> None:
        """Stop; what arrived stays, and is not asked for again."""
        if self._job is not None:
            self._job.cancel()
        for row in self._stopped():
            row.stage = Stage.INCOMPLETE if row.arrived else Stage.FOUND
            self.changed.emit(row)

    def _stopped(self) -> list[StudyRow]:
        rows, self._job, self.current = self.rows, None, None
        self._waiting.clear()
        return rows

    @Slot()
    def _next(self) -> None:
        self._job = None
        self.current = row = self._waiting.popleft() if self._waiting else None
        if row is None:
            return

        def work(cancelled: Event) -> Iterator[object]:
            yield from bring_study(
                self._source_of(row.source),
                row.answer.study_uid,
                row.answer.instance_count,
                settings=self._settings,
                pool=self._pool,
                cancelled=cancelled,
            )

        row.stage = Stage.RUNNING
        self._job = Job(work)
        self._job.step.connect(self._on_step)
        self._job.failed.connect(self._on_failed)
        self._job.finished.connect(self._next)
        self._job.start()
        self.changed.emit(row)

    @Slot(object)
    def _on_step(self, step: Arriving | Kept | Partly) -> None:
        row = self.current
        if row is None:
            return
        row.arrived, row.paths = step.arrived, step.paths
        if isinstance(step, Arriving):
            self.changed.emit(row)
            return
        row.stage = Stage.KEPT if isinstance(step, Kept) else Stage.INCOMPLETE
        if isinstance(step, Partly) and step.reported is not None:
            row.reported = step.reported
        self.current = None
        self.changed.emit(row)
        self.ended.emit(row, step)

    @Slot(object)
    def _on_failed(self, error: TomoscribeError) -> None:
        rows = self._stopped()
        for row in rows:
            row.stage = Stage.INCOMPLETE if row.arrived else Stage.FAILED
            self.changed.emit(row)
        self.failed.emit(error, rows)
