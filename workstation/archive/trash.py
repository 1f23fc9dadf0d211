"""Deleting that can be undone for a day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from workstation.archive import audit_trail
from workstation.archive.archive import Archive
from workstation.archive.schema import instance, patient, series, stored_file, study
from workstation.archive.search_words import remove_words
from workstation.archive.studies import change
from workstation.core.errors import InputError

KEPT_FOR = timedelta(days=1)
_PATIENCE = 30.0


def delete(archive: Archive, study_id: int, version: int) -> None:
    """Take a study out of the worklist; its files stay for a day, its reports for ever.

    Raises
    ------
    ConflictError
        Another window changed the study since it was shown in this ``version``.
    """
    with archive.database.transaction(writing=True) as connection:
        row = change(connection, study_id, version, {"deleted_utc": _stamp(datetime.now(UTC))})
        if row.deleted_utc is not None:
            raise InputError(f"Study {study_id} is deleted already.")
        audit_trail.append(connection, archive.actor, "study deleted", row.study_key)


def undo(archive: Archive, study_id: int, version: int) -> None:
    """Bring a deleted study back, as long as it is there: at least for a day.

    Raises
    ------
    ConflictError
        Another window changed the study since it was shown in this ``version``, or it was
        purged.
    """
    with archive.database.transaction(writing=True) as connection:
        row = change(connection, study_id, version, {"deleted_utc": None})
        if row.deleted_utc is None:
            raise InputError(f"Study {study_id} is not deleted.")
        audit_trail.append(connection, archive.actor, "deletion undone", row.study_key)


def purge(archive: Archive, now: datetime | None = None) -> int:
    """Remove for good what was deleted more than a day ago; returns how many studies.

    The rows go first and the files after them, so that no row is ever without its file.
    Reports, measurements and model runs stay, by the study's key.
    """
    before = _stamp((now or datetime.now(UTC)) - KEPT_FOR)
    old = sa.select(study.c.id, study.c.study_key).where(study.c.deleted_utc < before)
    with archive.database.transaction() as connection:
        if connection.execute(old.limit(1)).first() is None:
            return 0
    with archive.database.transaction(writing=True, wait=_PATIENCE) as connection:
        studies = connection.execute(old).all()
        files: list[sa.Row[Any]] = []
        for row in studies:
            files += _remove_rows(connection, row.id)
            audit_trail.append(connection, archive.actor, "study purged", row.study_key)
        alone = sa.select(study.c.id).where(study.c.patient_id == patient.c.id)
        connection.execute(sa.delete(patient).where(~alone.exists()))
    _remove_files(archive, files)
    return len(studies)


def sweep(archive: Archive) -> int:
    """Remove files that no row names, left by an import or purge that was cut off.

    Only those that lie there for a day, as an import may be under way.
    """
    removed = archive.store.sweep_incoming()
    late = datetime.now(UTC).timestamp() - KEPT_FOR.total_seconds()
    with archive.database.transaction(writing=True, wait=_PATIENCE) as connection:
        known = set(connection.scalars(sa.select(stored_file.c.content)))
        for content, path in list(archive.store.contents()):
            if content not in known and path.stat().st_mtime < late:
                path.unlink(missing_ok=True)
                removed += 1
    return removed


def _remove_rows(connection: sa.Connection, study_id: int) -> list[sa.Row[Any]]:
    """Remove a study's rows; returns the files that were its own."""
    own = sa.select(series.c.id).where(series.c.study_id == study_id)
    named = sa.select(instance.c.content).where(instance.c.series_id.in_(own))
    query = sa.select(stored_file).where(stored_file.c.content.in_(named))
    files = list(connection.execute(query).all())
    contents = [row.content for row in files]
    connection.execute(sa.delete(instance).where(instance.c.series_id.in_(own)))
    for start in range(0, len(contents), 500):
        some = contents[start : start + 500]
        connection.execute(sa.delete(stored_file).where(stored_file.c.content.in_(some)))
    connection.execute(sa.delete(series).where(series.c.study_id == study_id))
    remove_words(connection, study_id)
    connection.execute(sa.delete(study).where(study.c.id == study_id))
    return files


def _remove_files(archive: Archive, files: list[sa.Row[Any]]) -> None:
    """Remove copies, unless an import has brought them back; it waits for the lock."""
    with archive.database.transaction(writing=True, wait=_PATIENCE) as connection:
        for row in files:
            again = sa.select(stored_file.c.content).where(stored_file.c.content == row.content)
            if row.kept == "copy" and connection.scalar(again) is None:
                archive.store.remove(row.content, row.suffix)


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
