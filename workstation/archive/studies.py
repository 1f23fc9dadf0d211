"""One study of the archive: its files, and changes that never overwrite another window's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workstation.archive import audit_trail
from workstation.archive.archive import Archive
from workstation.archive.file_store import fingerprint
from workstation.archive.schema import instance, series, stored_file, study
from workstation.archive.worklist import STATUSES, WorklistRow, row_of
from workstation.core.errors import ConflictError, InputError


@dataclass(frozen=True)
class StoredSeries:
    """A series with its files, by number and instance.

    ``expected`` is how many a PACS said there are; 0 where none did.
    """

    id: int
    uid: str
    modality: str
    description: str
    number: int | None
    files: tuple[Path, ...]
    expected: int = 0


def find(archive: Archive, study_id: int) -> WorklistRow:
    """Find a study, deleted or not.

    Raises
    ------
    InputError
        There is none of this number.
    """
    with archive.database.transaction() as connection:
        row = row_of(connection, study_id)
    if row is None:
        raise InputError(f"There is no study {study_id} in {archive.database.place}.")
    return row


def series_of(archive: Archive, study_id: int) -> tuple[StoredSeries, ...]:
    """Series of a study with their files, as they would be opened."""
    query = (
        sa.select(series, instance.c.content, stored_file)
        .join_from(series, instance, instance.c.series_id == series.c.id)
        .join(stored_file, stored_file.c.content == instance.c.content)
        .where(series.c.study_id == study_id)
        .order_by(series.c.number, series.c.id, instance.c.number, instance.c.id)
    )
    found: dict[int, tuple[sa.Row[Any], list[Path]]] = {}
    with archive.database.transaction() as connection:
        for row in connection.execute(query):
            found.setdefault(row.id, (row, []))[1].append(path_of(archive, row))
    return tuple(
        StoredSeries(
            row.id, row.uid, row.modality, row.description, row.number, tuple(files), row.expected
        )
        for row, files in found.values()
    )


def changed_files(archive: Archive, study_id: int) -> tuple[Path, ...]:
    """List the files of a study that are gone or are no more what was imported.

    Only files that were left where they were can change; they are read again where their size
    is the same and their time is not.
    """
    query = (
        sa.select(stored_file)
        .join_from(stored_file, instance, instance.c.content == stored_file.c.content)
        .join(series, series.c.id == instance.c.series_id)
        .where(series.c.study_id == study_id)
    )
    with archive.database.transaction() as connection:
        rows = connection.execute(query).all()
    return tuple(path_of(archive, row) for row in rows if _is_changed(path_of(archive, row), row))


def _is_changed(path: Path, row: sa.Row[Any]) -> bool:
    try:
        now = path.stat()
        if row.kept == "copy" or (now.st_size, now.st_mtime_ns) == (row.size, row.mtime_ns):
            return bool(now.st_size != row.size)
        return bool(now.st_size != row.size or fingerprint(path).sha256 != row.content)
    except (OSError, InputError):
        return True


def path_of(archive: Archive, row: sa.Row[Any]) -> Path:
    """Where a file lies, by its row of ``stored_file``."""
    if row.kept == "reference":
        return Path(row.path)
    return archive.store.path(row.content, row.suffix)


def set_status(archive: Archive, study_id: int, version: int, status: str) -> None:
    """Say how far a study has been read.

    Raises
    ------
    ConflictError
        Another window changed the study since it was shown in this ``version``.
    InputError
        There is no such status.
    """
    if status not in STATUSES:
        raise InputError(f"There is no status '{status}'; it is one of {', '.join(STATUSES)}.")
    with archive.database.transaction(writing=True) as connection:
        row = change(connection, study_id, version, {"status": status})
        details: dict[str, str | int] = {"before": row.status, "after": status}
        audit_trail.append(connection, archive.actor, "status changed", row.study_key, details)


def change(
    connection: sa.Connection, study_id: int, version: int, values: dict[str, Any]
) -> WorklistRow:
    """Change a study if it still is as it was shown; returns it as it was before.

    Raises
    ------
    ConflictError
        It is not.
    """
    row = row_of(connection, study_id)
    if row is None or row.version != version:
        raise ConflictError(
            f"Study {study_id} was changed in another window meanwhile. Look at it again."
        )
    connection.execute(
        sa.update(study).where(study.c.id == study_id).values(**values, version=version + 1)
    )
    return row
