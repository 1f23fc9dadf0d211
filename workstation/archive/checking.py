"""Whether an archive is sound: its database, its audit trail, its files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workstation.archive import audit_trail
from workstation.archive.archive import Archive
from workstation.archive.file_store import fingerprint
from workstation.archive.schema import stored_file, study
from workstation.archive.studies import path_of
from workstation.core.errors import InputError


@dataclass(frozen=True)
class Soundness:
    """What was read, sentences for what is wrong, and files that no row names."""

    studies: int
    files: int
    audit_rows: int
    faults: tuple[str, ...]
    orphans: int


def check(archive: Archive, told: Callable[[int, int], None] | None = None) -> Soundness:
    """Read the whole archive, every file of it, and say what is wrong.

    ``told`` hears of each file: how many are done, of how many. A patient's name is in no
    sentence.

    Raises
    ------
    StorageError
        The database cannot be read at all.
    """
    with archive.database.transaction() as connection:
        faults = list(_database_faults(connection))
        trail = audit_trail.verify(connection)
        studies = _count(connection, study)
        if _count(connection, sa.table("study_search")) != studies:
            faults.append("The search does not know every study.")
        rows = connection.execute(sa.select(stored_file).order_by(stored_file.c.content)).all()
    if trail.broken is not None:
        faults.append(f"The audit trail is broken at row {trail.broken}: {trail.reason}.")
    for done, row in enumerate(rows, start=1):
        if fault := _file_fault(row, path_of(archive, row)):
            faults.append(fault)
        if told is not None:
            told(done, len(rows))
    known = {row.content for row in rows}
    orphans = sum(content not in known for content, _ in archive.store.contents())
    return Soundness(studies, len(rows), trail.rows, tuple(faults), orphans)


def _database_faults(connection: sa.Connection) -> Iterator[str]:
    if connection.dialect.name != "sqlite":
        return
    told = connection.exec_driver_sql("PRAGMA integrity_check(5)").scalars().all()
    if list(told) != ["ok"]:
        yield f"The database is damaged: {'; '.join(str(one) for one in told)}."
    if connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
        yield "The database is damaged: rows name others that are not there."


def _count(connection: sa.Connection, table: sa.FromClause) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def _file_fault(row: sa.Row[Any], path: Path) -> str:
    if row.kept == "reference" and path.exists() and path.stat().st_size != row.size:
        return f"{path} was changed since it was imported."
    try:
        content = fingerprint(path)
    except InputError as error:
        return error.message
    return "" if content.sha256 == row.content else f"{path} was changed since it was imported."
