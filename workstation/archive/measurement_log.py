"""The thread that brings measurements to the disk in the order in which they were made."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from threading import Condition, Thread
from typing import Any
from uuid import uuid4

from workstation.archive import records
from workstation.archive.archive import Archive
from workstation.archive.records import StoredMeasurement
from workstation.core.errors import ConflictError, StorageError
from workstation.core.geometry import Plane
from workstation.core.measurement import Measurement
from workstation.core.undo import Edit

logger = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class LogState:
    """How far the writing has come: edits that wait, the fault that keeps them, conflicts."""

    waiting: int = 0
    error: StorageError | None = None
    conflicts: int = 0


@dataclass(frozen=True, eq=False)
class _Write:
    study_key: str
    edit: Edit[Measurement]


@dataclass(frozen=True, eq=False)
class _Read:
    study_key: str
    found: Future[tuple[Measurement, ...]]


class MeasurementLog:
    """Writes what the reader measures, and reads what any window measured.

    Each window adds to what is there. Where two changed the same measurement, the other's stays
    and this one's becomes a measurement of its own, so neither is lost. What cannot be written
    is tried again every second.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._changed = Condition()
        self._work: deque[_Write | _Read] = deque()
        self._known: dict[str, tuple[int, int]] = {}
        self._state = LogState()
        self._closing = False
        self._thread = Thread(target=self._run, name="measurement log", daemon=True)
        self._thread.start()

    @property
    def state(self) -> LogState:
        """How far the writing has come."""
        with self._changed:
            waiting = sum(isinstance(each, _Write) for each in self._work)
            return replace(self._state, waiting=waiting)

    def write(self, study_key: str, edit: Edit[Measurement]) -> None:
        """Take an edit of a study's measurements; returns at once."""
        self._add(_Write(study_key, edit))

    def read(self, study_key: str) -> Future[tuple[Measurement, ...]]:
        """Ask for a study's measurements as they are once all edits so far are written."""
        found: Future[tuple[Measurement, ...]] = Future()
        self._add(_Read(study_key, found))
        return found

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits and end the thread.

        Raises
        ------
        StorageError
            Something could not be written.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        state = self.state
        if state.waiting:
            raise state.error or StorageError("The archive does not answer.")

    def _add(self, work: _Write | _Read) -> None:
        with self._changed:
            self._work.append(work)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._work or self._closing)
                if not self._work:
                    return
                work = self._work[0]
            try:
                self._do(work)
            except StorageError as error:
                self._failed(error)
                with self._changed:
                    if self._closing:
                        return
                    self._changed.wait_for(lambda: self._closing, _RETRY_SECONDS)
            else:
                self._done(work)

    def _do(self, work: _Write | _Read) -> None:
        if isinstance(work, _Write):
            self._write(work)
            return
        stored = records.measurements(self._archive, work.study_key)
        found = [(one, measured) for one in stored if (measured := _measurement(one))]
        self._known |= {measured.id: (one.id, one.version) for one, measured in found}
        work.found.set_result(tuple(measured for _, measured in found))

    def _failed(self, error: StorageError) -> None:
        """Keep a write for later; tell who waits for an answer that there is none now."""
        logger.warning("measurements are not on the disk yet: %s", error.details)
        with self._changed:
            self._state = replace(self._state, error=error)
            reads = [each for each in self._work if isinstance(each, _Read)]
            self._work = deque(each for each in self._work if isinstance(each, _Write))
        for read in reads:
            read.found.set_exception(error)

    def _done(self, work: _Write | _Read) -> None:
        with self._changed:
            if self._work and self._work[0] is work:
                self._work.popleft()
            self._state = replace(self._state, error=None)

    def _write(self, work: _Write) -> None:
        before, after = work.edit.before, work.edit.after
        known = self._known.get(before.id) if before is not None else None
        if known is None:
            if after is not None:
                self._insert(work.study_key, after)
            return
        try:
            value = None if after is None else _value(after)
            records.change_measurement(self._archive, *known, value)
        except ConflictError:
            self._keep_both(work.study_key, after)
            return
        if before is not None:
            self._known.pop(before.id)
        if after is not None:
            self._known[after.id] = (known[0], known[1] + 1)

    def _keep_both(self, study_key: str, after: Measurement | None) -> None:
        if after is not None:
            self._insert(study_key, replace(after, id=uuid4().hex))
        with self._changed:
            self._state = replace(self._state, conflicts=self._state.conflicts + 1)

    def _insert(self, study_key: str, made: Measurement) -> None:
        row = records.add_measurement(
            self._archive, study_key, made.series_key, made.tool, _value(made)
        )
        self._known[made.id] = (row, 1)


def _value(measurement: Measurement) -> Mapping[str, Any]:
    points = [list(point) for point in measurement.points]
    return {"key": measurement.id, "plane": measurement.plane.name, "points": points}


def _measurement(stored: StoredMeasurement) -> Measurement | None:
    """Measurement of a row; None where it was kept by something else than this program's tools."""
    value = stored.value
    try:
        points = tuple((float(x), float(y), float(z)) for x, y, z in value["points"])
        plane = Plane[value["plane"]]
        key = str(value["key"])
    except (KeyError, TypeError, ValueError) as error:
        logger.warning("measurement %d cannot be shown: %r", stored.id, error)
        return None
    return Measurement(key, stored.kind, stored.series_key, plane, points) if points else None
