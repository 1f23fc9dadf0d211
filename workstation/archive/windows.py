"""Which windows are open on an archive: each holds a lock for as long as it lives.

The lock ends with its process however that ends, so that what a killed window had typed can
be told from what another window is typing now.
"""

from __future__ import annotations

import hashlib
import re
import time
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa
from filelock import FileLock, Timeout

from workstation.archive.database import Database

_HOUR = 3600.0
_NAME = re.compile(r"[0-9a-f]{32}")


class Windows(Protocol):
    """The locks of one archive's windows, by the windows' names."""

    def hold(self, owner: str) -> None:
        """Show that a window is open; again is harmless."""

    def is_open(self, owner: str) -> bool:
        """Whether a window of that name lives, here or elsewhere."""

    def release(self) -> None:
        """Show that the windows held here are closed."""


def windows_of(database: Database) -> Windows:
    """Choose how windows on this archive see each other."""
    if database.path is not None:
        return _Files(database.path.with_name(f"{database.path.name}.windows"))
    return _Sessions(database.engine)


class _Files:
    """A locked file per window, beside an SQLite archive."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, FileLock] = {}

    def hold(self, owner: str) -> None:
        if owner not in self._held:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = self._lock(owner)
            lock.acquire(timeout=0)
            self._held[owner] = lock
            self._sweep()

    def is_open(self, owner: str) -> bool:
        if owner in self._held:
            return True
        if not _NAME.fullmatch(owner) or not (self._folder / f"{owner}.lock").exists():
            return False
        lock = self._lock(owner)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        lock.release()
        (self._folder / f"{owner}.lock").unlink(missing_ok=True)
        return False

    def release(self) -> None:
        for owner, lock in self._held.items():
            lock.release()
            (self._folder / f"{owner}.lock").unlink(missing_ok=True)
        self._held.clear()

    def _sweep(self) -> None:
        """Remove what killed windows left; new ones may be about to lock theirs."""
        old = time.time() - _HOUR
        for path in self._folder.glob("*.lock"):
            if path.exists() and path.stat().st_mtime < old:
                self.is_open(path.stem)

    def _lock(self, owner: str) -> FileLock:
        return FileLock(self._folder / f"{owner}.lock", thread_local=False)


class _Sessions:
    """A lock per window that its own connection to PostgreSQL holds."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._held: dict[str, sa.Connection] = {}

    def hold(self, owner: str) -> None:
        if owner not in self._held:
            connection = self._engine.connect()
            connection.execute(sa.select(sa.func.pg_advisory_lock(_key(owner))))
            self._held[owner] = connection

    def is_open(self, owner: str) -> bool:
        if owner in self._held:
            return True
        key = _key(owner)
        with self._engine.connect() as connection:
            free = bool(connection.scalar(sa.select(sa.func.pg_try_advisory_lock(key))))
            if free:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))
        return not free

    def release(self) -> None:
        for connection in self._held.values():
            connection.invalidate()
            connection.close()
        self._held.clear()


def _key(owner: str) -> int:
    digest = hashlib.sha256(f"tomoscribe window {owner}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
