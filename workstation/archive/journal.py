"""The thread that brings typing to the disk within half a second."""

from __future__ import annotations

import logging
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Condition, Thread

from workstation.archive.report_archive import ReportArchive, ReportVersion
from workstation.core.errors import StorageError
from workstation.core.report import Report

logger = logging.getLogger(__name__)

_GATHER_SECONDS = 0.2
_RETRY_SECONDS = 1.0


@dataclass(frozen=True)
class JournalState:
    """How far a study's typing has come: when it last reached the disk (UTC), what waits."""

    written: datetime | None = None
    pending: bool = False
    error: StorageError | None = None


@dataclass(frozen=True, eq=False)
class _Save:
    study_key: str
    report: Report
    author: str
    result: Future[ReportVersion]
    sign: bool = False


class Journal:
    """Writes reports to the archive behind the window's back.

    What cannot be written is kept and tried again every second, so a full disk that is
    cleared, or a lock that ends, loses nothing.
    """

    def __init__(self, archive: ReportArchive) -> None:
        self.archive = archive
        self._changed = Condition()
        self._pending: dict[str, Report] = {}
        self._saves: list[_Save] = []
        self._unread: dict[str, str] = {}
        self._states: dict[str, JournalState] = {}
        self._closing = False
        self._thread = Thread(target=self._run, name="report journal", daemon=True)
        self._thread.start()

    def note(self, study_key: str, report: Report) -> None:
        """Take a study's report as it is now; returns at once."""
        with self._changed:
            self._pending[study_key] = report
            self._states[study_key] = replace(self._state(study_key), pending=True)
            self._changed.notify()

    def save(
        self, study_key: str, report: Report, author: str, *, sign: bool = False
    ) -> Future[ReportVersion]:
        """Add or sign a version; returns at once, it or the StorageError comes later."""
        result: Future[ReportVersion] = Future()
        with self._changed:
            self._saves.append(_Save(study_key, report, author, result, sign))
            self._changed.notify()
        return result

    def keep_unread(self, study_key: str, author: str) -> None:
        """Keep what the file may hold of a study as a version before writing over it."""
        with self._changed:
            self._unread[study_key] = author

    def state(self, study_key: str) -> JournalState:
        """How far a study's typing has come."""
        with self._changed:
            return self._state(study_key)

    def settle(self, study_key: str, timeout: float) -> JournalState:
        """Wait until a study's typing is on the disk, or is known not to get there."""

        def settled() -> bool:
            return study_key not in self._pending or self._state(study_key).error is not None

        with self._changed:
            self._changed.wait_for(settled, timeout)
            return self._state(study_key)

    def close(self, timeout: float = 5.0) -> None:
        """Write what waits and end the thread.

        Raises
        ------
        StorageError
            Something could not be written; it is still in the window.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(timeout)
        with self._changed:
            left = [self._state(key).error for key in self._pending]
        if left or self._thread.is_alive():
            name = self.archive.place
            raise next((error for error in left if error is not None), None) or StorageError(
                f"{name} does not answer; the last typing is not on the disk. "
                "Save a copy elsewhere."
            )

    def _state(self, study_key: str) -> JournalState:
        return self._states.get(study_key, JournalState())

    def _run(self) -> None:
        failed = False
        while True:
            with self._changed:
                self._changed.wait_for(self._has_work)
                if not self._closing and not self._saves:
                    pause = _RETRY_SECONDS if failed else _GATHER_SECONDS
                    self._changed.wait_for(lambda: self._closing or self._saves, pause)
                closing = self._closing
                saves, self._saves = self._saves, []
            for save in saves:
                self._save(save)
            failed = self._write_pending()
            if closing:
                return

    def _has_work(self) -> bool:
        return bool(self._pending or self._saves or self._closing)

    def _save(self, save: _Save) -> None:
        try:
            self._keep_unread(save.study_key)
            write = self.archive.sign if save.sign else self.archive.save
            version = write(save.study_key, save.report, save.author)
        except StorageError as error:
            self._failed(save.study_key, error)
            save.result.set_exception(error)
            return
        with self._changed:
            if self._pending.get(save.study_key) is save.report:
                del self._pending[save.study_key]
        self._succeeded(save.study_key)
        save.result.set_result(version)

    def _write_pending(self) -> bool:
        """Write what waits; say whether anything failed."""
        failed = False
        with self._changed:
            pending = dict(self._pending)
        for study_key, report in pending.items():
            try:
                self._keep_unread(study_key)
                self.archive.write_journal(study_key, report)
            except StorageError as error:
                failed = True
                self._failed(study_key, error)
                continue
            with self._changed:
                if self._pending.get(study_key) is report:
                    del self._pending[study_key]
            self._succeeded(study_key)
        return failed

    def _keep_unread(self, study_key: str) -> None:
        with self._changed:
            author = self._unread.get(study_key)
        if author is not None:
            self.archive.keep_journal(study_key, author)
            with self._changed:
                self._unread.pop(study_key, None)

    def _failed(self, study_key: str, error: StorageError) -> None:
        logger.warning("A report is not on the disk yet: %s", error.details)
        with self._changed:
            self._states[study_key] = replace(self._state(study_key), error=error)
            self._changed.notify_all()

    def _succeeded(self, study_key: str) -> None:
        with self._changed:
            pending = study_key in self._pending
            self._states[study_key] = JournalState(datetime.now(UTC), pending)
            self._changed.notify_all()
