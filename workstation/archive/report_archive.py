"""Versions of reports, each kept for ever, and the journal of what is not yet saved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from workstation.archive import audit_trail, drafts
from workstation.archive.database import Database
from workstation.archive.drafts import Draft
from workstation.archive.schema import report_signature, report_version, study
from workstation.archive.windows import windows_of
from workstation.core.errors import StorageError
from workstation.core.report import Report, why_not_signed
from workstation.core.report_json import from_json, to_json

_SAFE = "The text stays in the editor and is tried again by itself; or save a copy elsewhere."
_RECOVERED = "another window (recovered)"


@dataclass(frozen=True)
class ReportVersion:
    """A saved report: ``number`` counts from 1 in its study, ``created`` is in UTC.

    ``signed`` tells when a person signed it, in UTC, and ``signer`` who.
    """

    study_key: str
    number: int
    created: datetime
    author: str
    report: Report
    signed: datetime | None = None
    signer: str = ""


@dataclass(frozen=True)
class _Taken:
    """What this window found of a study: the draft it went on from, and others left behind."""

    draft: Draft | None
    others: tuple[Draft, ...]


class ReportArchive:
    """Reports of all studies as one window sees them; safe to use from several threads.

    Each window types into a draft of its own, so that two windows on one study keep both.
    """

    def __init__(self, address: str | Path) -> None:
        self._database = Database(address, _SAFE)
        self._windows = windows_of(self._database)
        self._owner = uuid4().hex
        self._taken: dict[str, _Taken] = {}

    @property
    def path(self) -> Path | None:
        """The archive's file, if it is one."""
        return self._database.path

    @property
    def place(self) -> str:
        """The archive as the reader knows it."""
        return self._database.place

    def close(self) -> None:
        """Let go of the archive; what was typed last is there for the next window."""
        self._windows.release()
        self._database.close()

    def versions(self, study_key: str) -> tuple[ReportVersion, ...]:
        """Versions of a study's report, oldest first."""
        query = _versions_of(study_key).order_by(report_version.c.number)
        with self._database.transaction() as connection:
            return tuple(_version(row) for row in connection.execute(query))

    def latest(self, study_key: str) -> ReportVersion | None:
        """Newest version of a study's report, if there is one."""
        with self._database.transaction() as connection:
            return _latest(connection, study_key)

    def save(self, study_key: str, report: Report, author: str) -> ReportVersion:
        """Add a version; what this window's journal held of the study is thereby settled."""
        with self._database.transaction(writing=True) as connection:
            self._settle(connection, study_key)
            version = _added(connection, study_key, report, author)
            drafts.remove(connection, study_key, self._owner)
            _mark_drafted(connection, study_key, study.c.status != "drafted")
        self._taken.pop(study_key, None)
        return version

    def sign(self, study_key: str, report: Report, author: str) -> ReportVersion:
        """Sign a report: its newest version if that is the same, else a version of its own.

        Raises
        ------
        StorageError
            Words of the model stand in it that nobody accepted, or it cannot be written.
        """
        if reason := why_not_signed(report, author):
            raise StorageError(reason)
        with self._database.transaction(writing=True) as connection:
            self._settle(connection, study_key)
            version = _latest(connection, study_key)
            if version is None or to_json(version.report) != to_json(report):
                version = _added(connection, study_key, report, author)
            drafts.remove(connection, study_key, self._owner)
            if version.signed is None:
                version = _signed(connection, version, author)
        self._taken.pop(study_key, None)
        return version

    def journal(self, study_key: str) -> Report | None:
        """Report as it was last typed in any window, if it was not saved since."""
        with self._database.transaction() as connection:
            found = drafts.drafts_of(connection, study_key)
        return _read(found[0]) if found else None

    def typed_elsewhere(self, study_key: str) -> tuple[Report, ...]:
        """Read what other windows have typed and not saved, newest first."""
        with self._database.transaction() as connection:
            found = drafts.drafts_of(connection, study_key)
        return tuple(_read(one) for one in found if one.owner != self._owner)

    def is_typed_elsewhere(self, study_key: str) -> bool:
        """Whether another window that is open has typed and not saved."""
        with self._database.transaction() as connection:
            found = drafts.drafts_of(connection, study_key)
            left = drafts.left_behind(connection, study_key, self._owner, self._windows)
        return len(found) > len(left)

    def recover(self, study_key: str) -> Report | None:
        """Report as a window that is closed or was killed had last typed it.

        This window goes on from there. What windows before it had left, or had typed before
        a version that was saved since, becomes a version as soon as this window writes.
        """
        with self._database.transaction() as connection:
            found = drafts.left_behind(connection, study_key, self._owner, self._windows)
            newest = _newest_number(connection, study_key)
        current = found[0] if found and found[0].base >= newest else None
        others = tuple(one for one in found if one is not current and one.owner != self._owner)
        self._taken[study_key] = _Taken(current, others)
        return None if current is None else _read(current)

    def write_journal(self, study_key: str, report: Report) -> None:
        """Put the report as it is now typed on the disk; returns when it is there."""
        text = to_json(report)
        with self._database.transaction(writing=True) as connection:
            self._windows.hold(self._owner)
            self._settle(connection, study_key)
            base = _newest_number(connection, study_key)
            draft = Draft(study_key, self._owner, base, _now().isoformat(), text)
            drafts.write(connection, draft)
            _mark_drafted(connection, study_key, study.c.status == "unread")
        self._taken.pop(study_key, None)

    def keep_journal(self, study_key: str, author: str) -> None:
        """Make what closed windows left a version, so that new typing cannot overwrite it."""
        with self._database.transaction(writing=True) as connection:
            found = drafts.left_behind(connection, study_key, self._owner, self._windows)
            for draft in reversed(found):
                _added(connection, study_key, _read(draft), author)
                drafts.remove(connection, study_key, draft.owner)

    def _settle(self, connection: sa.Connection, study_key: str) -> None:
        """Remove the draft this window went on from, and keep the others as versions."""
        taken = self._taken.get(study_key)
        if taken is None:
            return
        for other in reversed(taken.others):
            if drafts.remove(connection, study_key, other.owner, other.written_utc):
                _added(connection, study_key, _read(other), _RECOVERED)
        if taken.draft is not None:
            drafts.remove(connection, study_key, taken.draft.owner, taken.draft.written_utc)


def _newest_number(connection: sa.Connection, study_key: str) -> int:
    query = sa.select(sa.func.max(report_version.c.number)).where(
        report_version.c.study_key == study_key
    )
    return connection.scalar(query) or 0


def _added(connection: sa.Connection, study_key: str, report: Report, author: str) -> ReportVersion:
    number = _newest_number(connection, study_key) + 1
    version = ReportVersion(study_key, number, _now(), author, report)
    connection.execute(
        sa.insert(report_version).values(
            study_key=study_key,
            number=number,
            created_utc=version.created.isoformat(),
            author=author,
            report=to_json(report),
        )
    )
    audit_trail.append(connection, author, "report saved", study_key, {"version": number})
    return version


def _signed(connection: sa.Connection, version: ReportVersion, author: str) -> ReportVersion:
    signed, key = _now(), version.study_key
    row = {"study_key": key, "number": version.number, "author": author}
    connection.execute(sa.insert(report_signature).values(**row, signed_utc=signed.isoformat()))
    own = sa.update(study).where(study.c.study_key == key)
    connection.execute(own.values(status="signed", version=study.c.version + 1))
    audit_trail.append(connection, author, "report signed", key, {"version": version.number})
    return replace(version, signed=signed, signer=author)


def _mark_drafted(
    connection: sa.Connection, study_key: str, condition: sa.ColumnElement[bool]
) -> None:
    connection.execute(
        sa.update(study)
        .where(study.c.study_key == study_key, condition)
        .values(status="drafted", version=study.c.version + 1)
    )


def _versions_of(study_key: str) -> sa.Select[Any]:
    same = (
        report_signature.c.study_key == report_version.c.study_key,
        report_signature.c.number == report_version.c.number,
    )
    return (
        sa.select(
            report_version, report_signature.c.signed_utc, report_signature.c.author.label("signer")
        )
        .outerjoin_from(report_version, report_signature, sa.and_(*same))
        .where(report_version.c.study_key == study_key)
    )


def _latest(connection: sa.Connection, study_key: str) -> ReportVersion | None:
    query = _versions_of(study_key).order_by(report_version.c.number.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else _version(row)


def _read(draft: Draft) -> Report:
    return from_json(draft.text, "the unsaved report of this study")


def _version(row: sa.Row[Any]) -> ReportVersion:
    report = from_json(row.report, f"version {row.number} of this report")
    created = datetime.fromisoformat(row.created_utc)
    signed = None if row.signed_utc is None else datetime.fromisoformat(row.signed_utc)
    signer = row.signer or ""
    return ReportVersion(row.study_key, row.number, created, row.author, report, signed, signer)


def _now() -> datetime:
    return datetime.now(UTC)
