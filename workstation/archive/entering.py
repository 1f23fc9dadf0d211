"""The rows of a new series, within one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from workstation.archive import audit_trail
from workstation.archive.archive import Archive
from workstation.archive.arrivals import Added, NewFile, NewSeries
from workstation.archive.file_store import Content
from workstation.archive.plain_values import day, plain, small
from workstation.archive.schema import (
    instance,
    patient,
    report_journal,
    report_signature,
    report_version,
    series,
    stored_file,
    study,
)
from workstation.archive.search_words import index_study
from workstation.archive.wholeness import note_missing

_SOME = 400


class Entry:
    """Enters one series and counts what became of its files."""

    def __init__(
        self, connection: sa.Connection, archive: Archive, new: NewSeries, added: Added
    ) -> None:
        self._connection = connection
        self._archive = archive
        self._new = new
        self._added = added

    def enter(self, files: Sequence[tuple[NewFile, Content]], now: datetime) -> None:
        """Write the rows of what is new; a study that was deleted comes back with it."""
        known = self._known([content.sha256 for _, content in files])
        fresh: dict[str, tuple[NewFile, Content]] = {}
        for file, content in files:
            if content.sha256 in known:
                self._keep_again(file, content, known[content.sha256])
            fresh.setdefault(content.sha256, (file, content))
        for content_hash in known:
            fresh.pop(content_hash, None)
        self._added.duplicates = len(files) - len(fresh)
        self._added.known |= {row.study_id for row in known.values()}
        self._restore(self._added.known)
        if not fresh and not self._is_awaited():
            self._complete(len({content.sha256 for _, content in files}))
            return
        study_id = self._study(now)
        series_id = self._series(study_id)
        self._instances(series_id, list(fresh.values()))
        seen = len({content.sha256 for _, content in files})
        note_missing(self._connection, series_id, self._new, seen)
        self._count(study_id)
        index_study(self._connection, study_id)
        self._added.files = len(fresh)
        self._added.studies.add(study_id)
        details: dict[str, str | int] = {"files": len(fresh), "conflicts": self._added.conflicts}
        audit_trail.append(
            self._connection, self._archive.actor, "imported", self._new.study_key, details
        )

    def _known(self, contents: list[str]) -> dict[str, sa.Row[Any]]:
        """Files that the archive has, with the study they belong to."""
        query = (
            sa.select(stored_file, series.c.study_id)
            .join_from(stored_file, instance, instance.c.content == stored_file.c.content)
            .join(series, series.c.id == instance.c.series_id)
        )
        found: dict[str, sa.Row[Any]] = {}
        for start in range(0, len(contents), _SOME):
            some = query.where(stored_file.c.content.in_(contents[start : start + _SOME]))
            found |= {row.content: row for row in self._connection.execute(some)}
        return found

    def _keep_again(self, file: NewFile, content: Content, row: sa.Row[Any]) -> None:
        """Turn a reference into a copy, or let it follow a file that was moved."""
        if row.kept != "reference":
            return
        if file.copy:
            values = {"kept": "copy", "path": "", "suffix": file.suffix}
        elif not Path(row.path).exists():
            values = {"path": plain(str(file.path.absolute()))}
        else:
            return
        self._connection.execute(
            sa.update(stored_file)
            .where(stored_file.c.content == content.sha256)
            .values(**values, mtime_ns=content.mtime_ns)
        )

    def _restore(self, studies: set[int]) -> None:
        for study_id in studies:
            deleted = (study.c.id == study_id, study.c.deleted_utc.is_not(None))
            query = sa.update(study).where(*deleted)
            values = {"deleted_utc": None, "version": study.c.version + 1}
            key = self._connection.scalar(query.values(**values).returning(study.c.study_key))
            if key is not None:
                self._added.restored += 1
                actor = self._archive.actor
                audit_trail.append(self._connection, actor, "deletion undone", key)

    def _study(self, now: datetime) -> int:
        new = self._new
        found = self._connection.scalar(
            sa.select(study.c.id).where(study.c.study_key == new.study_key)
        )
        if found is not None:
            self._restore({found})
            return int(found)
        if new.study_uid and self._other(study.c.uid, new.study_uid):
            self._added.notices.append(
                "A study of another patient in the archive has the same identifier; both are kept."
            )
        row = {
            "study_key": new.study_key,
            "patient_id": self._patient(),
            "uid": plain(new.study_uid),
            "date": day(new.date),
            "accession": plain(new.accession),
            "description": plain(new.study_description),
            "modalities": "",
            "status": self._status(),
            "series_count": 0,
            "file_count": 0,
            "added_utc": now.isoformat(timespec="microseconds"),
            "version": 1,
            "missing": 0,
            "conflicts": 0,
        }
        return self._made(study, row)

    def _status(self) -> str:
        """Tell unread from a study whose report was begun or signed before it was imported."""
        newest, signed = (self._last_number(table) for table in (report_version, report_signature))
        if newest is not None and newest == signed:
            return "signed"
        for table in (report_version, report_journal):
            key = sa.select(table.c.study_key).where(table.c.study_key == self._new.study_key)
            if self._connection.execute(key.limit(1)).first() is not None:
                return "drafted"
        return "unread"

    def _last_number(self, table: sa.Table) -> int | None:
        query = sa.select(sa.func.max(table.c.number))
        own = table.c.study_key == self._new.study_key
        return cast("int | None", self._connection.scalar(query.where(own)))

    def _patient(self) -> int:
        new = self._new
        key = new.patient_key
        found = self._connection.scalar(sa.select(patient.c.id).where(patient.c.patient_key == key))
        if found is not None:
            return int(found)
        row = {
            "patient_key": key,
            "name": plain(new.patient.name),
            "identity": plain(new.patient.id),
            "birth_date": day(new.patient.birth_date),
            "sex": plain(new.patient.sex),
        }
        return self._made(patient, row)

    def _series(self, study_id: int) -> int:
        new = self._new
        found = self._connection.scalar(
            sa.select(series.c.id).where(series.c.series_key == new.key)
        )
        facts = {
            "modality": plain(new.modality),
            "description": plain(new.description),
            "number": small(new.number),
            "date": day(new.date),
            "body_part": plain(new.body_part),
        }
        if found is not None:
            empty = sa.exists().where(instance.c.series_id == series.c.id)
            change = sa.update(series).where(series.c.id == found, ~empty).values(**facts)
            self._connection.execute(change)  # so far it was only awaited
            return int(found)
        if new.uid and self._other(series.c.uid, new.uid):
            self._added.notices.append(
                "A series of another study in the archive has the same identifier; both are kept."
            )
        row = {
            "study_id": study_id,
            "series_key": new.key,
            "uid": plain(new.uid),
            **facts,
            "missing": 0,
            "gaps": 0,
            "expected": 0,
        }
        return self._made(series, row)

    def _instances(self, series_id: int, files: list[tuple[NewFile, Content]]) -> None:
        taken = self._taken_uids([file.uid for file, _ in files if file.uid])
        stored, rows = [], []
        for file, content in files:
            conflict = file.uid in taken
            self._added.conflicts += conflict
            if file.uid:
                taken.add(file.uid)
            stored.append(_stored(file, content))
            rows.append(
                {
                    "series_id": series_id,
                    "content": content.sha256,
                    "uid": plain(file.uid),
                    "sop_class": plain(file.sop_class),
                    "number": small(file.number),
                    "conflict": int(conflict),
                }
            )
        if rows:
            self._connection.execute(sa.insert(stored_file), stored)
            self._connection.execute(sa.insert(instance), rows)

    def _complete(self, seen: int) -> None:
        """Take note where all of a series, come again, is known to be more or less whole."""
        query = sa.select(series.c.id, series.c.study_id)
        row = self._connection.execute(query.where(series.c.series_key == self._new.key)).first()
        if row is not None and note_missing(self._connection, row.id, self._new, seen):
            self._count(row.study_id)

    def _is_awaited(self) -> bool:
        """Whether nothing of it came, and nothing of it is known yet."""
        known = sa.select(series.c.id).where(series.c.series_key == self._new.key)
        awaited = bool(self._new.expected) and not self._new.files
        return awaited and self._connection.execute(known).first() is None

    def _taken_uids(self, uids: list[str]) -> set[str]:
        found: set[str] = set()
        for start in range(0, len(uids), _SOME):
            some = [plain(uid) for uid in uids[start : start + _SOME]]
            query = sa.select(instance.c.uid).where(instance.c.uid.in_(some))
            found |= set(self._connection.scalars(query))
        return found

    def _count(self, study_id: int) -> None:
        """Bring a study's counts, modalities and day up to date."""
        own = sa.select(series.c.modality, series.c.date, series.c.missing)
        rows = self._connection.execute(own.where(series.c.study_id == study_id)).all()
        conflicts = sa.func.coalesce(sa.func.sum(instance.c.conflict), 0)
        files, conflicting = self._connection.execute(
            sa.select(sa.func.count(), conflicts)
            .select_from(instance)
            .join(series, series.c.id == instance.c.series_id)
            .where(series.c.study_id == study_id)
        ).one()
        values = {
            "series_count": len(rows),
            "file_count": files,
            "modalities": " ".join(sorted({row.modality for row in rows if row.modality})),
            "date": min((row.date for row in rows if row.date), default=""),
            "version": study.c.version + 1,
            "missing": sum(row.missing for row in rows),
            "conflicts": conflicting,
        }
        self._connection.execute(sa.update(study).where(study.c.id == study_id).values(**values))

    def _other(self, column: sa.Column[str], uid: str) -> bool:
        query = sa.select(column).where(column == plain(uid)).limit(1)
        return self._connection.execute(query).first() is not None

    def _made(self, table: sa.Table, row: dict[str, Any]) -> int:
        query = sa.insert(table).values(**row).returning(table.c.id)
        return int(self._connection.execute(query).scalar_one())


def _stored(file: NewFile, content: Content) -> dict[str, Any]:
    return {
        "content": content.sha256,
        "kept": "copy" if file.copy else "reference",
        "suffix": file.suffix,
        "path": "" if file.copy else plain(str(file.path.absolute())),
        "size": content.size,
        "mtime_ns": content.mtime_ns,
    }
