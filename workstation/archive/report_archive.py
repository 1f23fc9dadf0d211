"""Versions of reports, each kept for ever, and the journal of what is not yet saved."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workstation.archive.database import Database, report_journal, report_version
from workstation.core.report import Report
from workstation.core.report_json import from_json, to_json


@dataclass(frozen=True)
class ReportVersion:
    """A saved report: ``number`` counts from 1 in its study, ``created`` is in UTC."""

    study_key: str
    number: int
    created: datetime
    author: str
    report: Report


class ReportArchive:
    """Reports of all studies in one file; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    @property
    def path(self) -> Path:
        """The archive's file."""
        return self._database.path

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def versions(self, study_key: str) -> tuple[ReportVersion, ...]:
        """Versions of a study's report, oldest first."""
        query = (
            sa.select(report_version)
            .where(report_version.c.study_key == study_key)
            .order_by(report_version.c.number)
        )
        with self._database.transaction() as connection:
            return tuple(_version(row) for row in connection.execute(query))

    def latest(self, study_key: str) -> ReportVersion | None:
        """Newest version of a study's report, if there is one."""
        query = (
            sa.select(report_version)
            .where(report_version.c.study_key == study_key)
            .order_by(report_version.c.number.desc())
            .limit(1)
        )
        with self._database.transaction() as connection:
            row = connection.execute(query).first()
        return None if row is None else _version(row)

    def save(self, study_key: str, report: Report, author: str) -> ReportVersion:
        """Add a version; what the journal held of this study is thereby settled."""
        with self._database.transaction(writing=True) as connection:
            version = _added(connection, study_key, report, author)
            connection.execute(_journal_of(study_key))
        return version

    def journal(self, study_key: str) -> Report | None:
        """Report as it was last typed, if it was not saved since."""
        query = sa.select(report_journal.c.report).where(report_journal.c.study_key == study_key)
        with self._database.transaction() as connection:
            text = connection.scalar(query)
        return None if text is None else from_json(text, "the unsaved report of this study")

    def write_journal(self, study_key: str, report: Report) -> None:
        """Put the report as it is now typed on the disk; returns when it is there."""
        text = to_json(report)
        row = {"study_key": study_key, "written_utc": _now().isoformat(), "report": text}
        with self._database.transaction(writing=True) as connection:
            connection.execute(_journal_of(study_key))
            connection.execute(sa.insert(report_journal).values(row))

    def keep_journal(self, study_key: str, author: str) -> None:
        """Make what the journal holds a version, so that new typing cannot overwrite it."""
        query = sa.select(report_journal.c.report).where(report_journal.c.study_key == study_key)
        with self._database.transaction(writing=True) as connection:
            text = connection.scalar(query)
            if text is not None:
                _added(connection, study_key, from_json(text), author)
                connection.execute(_journal_of(study_key))


def _added(
    connection: sa.Connection, study_key: str, report: Report, author: str
) -> ReportVersion:
    newest = connection.scalar(
        sa.select(sa.func.max(report_version.c.number)).where(
            report_version.c.study_key == study_key
        )
    )
    version = ReportVersion(study_key, (newest or 0) + 1, _now(), author, report)
    connection.execute(
        sa.insert(report_version).values(
            study_key=study_key,
            number=version.number,
            created_utc=version.created.isoformat(),
            author=author,
            report=to_json(report),
        )
    )
    return version


def _journal_of(study_key: str) -> sa.Delete:
    return sa.delete(report_journal).where(report_journal.c.study_key == study_key)


def _version(row: sa.Row[Any]) -> ReportVersion:
    report = from_json(row.report, f"version {row.number} of this report")
    created = datetime.fromisoformat(row.created_utc)
    return ReportVersion(row.study_key, row.number, created, row.author, report)


def _now() -> datetime:
    return datetime.now(UTC)
