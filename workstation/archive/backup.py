"""Copies of the archive's database, beside it, the last few kept."""

from __future__ import annotations

import glob
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from workstation.core.atomic_file import sync_folder
from workstation.core.errors import StorageError

KEPT = 3
_MARK = ".backup-"


def backups_of(path: Path) -> list[Path]:
    """Backups of an SQLite archive, newest first."""
    pattern = f"{glob.escape(path.name)}{_MARK}*Z-v*"
    return sorted(path.parent.glob(pattern), reverse=True)


def back_up_file(path: Path, version: int) -> Path:
    """Copy an SQLite archive beside itself, also while others use it, and drop old copies.

    Raises
    ------
    StorageError
        The copy cannot be written; the archive is as it was.
    """
    final = path.with_name(f"{path.name}{_MARK}{_now()}-v{version}")
    partial = path.with_name(f".{final.name}.partial")
    try:
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(final)
        sync_folder(path.parent)
        for old in backups_of(path)[KEPT:]:
            old.unlink(missing_ok=True)
    except (sqlite3.Error, OSError) as error:
        partial.unlink(missing_ok=True)
        message = (
            f"No backup of {path} can be written beside it, so it is left as it is. "
            "Free some space there, or allow writing."
        )
        raise StorageError(message, repr(error)) from error
    return final


def back_up_tables(connection: sa.Connection, version: int) -> str:
    """Copy a PostgreSQL archive's tables into a schema of their own, and drop old copies."""
    name = f"backup_{_now().lower().replace('.', '_')}_v{version}"
    connection.exec_driver_sql(f'CREATE SCHEMA "{name}"')
    for table in sa.inspect(connection).get_table_names():
        connection.exec_driver_sql(f'CREATE TABLE "{name}"."{table}" AS TABLE "{table}"')
    for old in schemas(connection)[KEPT:]:
        connection.exec_driver_sql(f'DROP SCHEMA "{old}" CASCADE')
    return name


def schemas(connection: sa.Connection) -> list[str]:
    """Schemas with backups in a PostgreSQL archive, newest first."""
    names = sa.inspect(connection).get_schema_names()
    return sorted((one for one in names if one.startswith("backup_2")), reverse=True)


def _now() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
