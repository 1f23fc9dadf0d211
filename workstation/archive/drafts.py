"""Journal rows: what each window has typed into a study's report and not yet saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workstation.archive.schema import report_journal
from workstation.archive.windows import Windows


@dataclass(frozen=True)
class Draft:
    """What one window typed: its report as stored, and the version that was newest then."""

    study_key: str
    owner: str
    base: int
    written_utc: str
    text: str


def drafts_of(connection: sa.Connection, study_key: str) -> list[Draft]:
    """Drafts of a study from all windows, newest first."""
    query = (
        sa.select(report_journal)
        .where(report_journal.c.study_key == study_key)
        .order_by(report_journal.c.base.desc(), report_journal.c.written_utc.desc())
    )
    return [_draft(row) for row in connection.execute(query)]


def left_behind(connection: sa.Connection, study_key: str, owner: str, windows: Windows) -> list[
    Draft
]:  # fmt: skip
    """Drafts of this window and of windows that are closed or were killed, newest first."""
    drafts = drafts_of(connection, study_key)
    return [one for one in drafts if one.owner == owner or not windows.is_open(one.owner)]


def write(connection: sa.Connection, draft: Draft) -> None:
    """Put a window's draft in the place of its last one."""
    remove(connection, draft.study_key, draft.owner)
    connection.execute(
        sa.insert(report_journal).values(
            study_key=draft.study_key,
            owner=draft.owner,
            base=draft.base,
            written_utc=draft.written_utc,
            report=draft.text,
        )
    )


def remove(
    connection: sa.Connection, study_key: str, owner: str, written_utc: str | None = None
) -> bool:
    """Remove a window's draft, if it is still the one of that time; say whether it was there."""
    query = sa.delete(report_journal).where(
        report_journal.c.study_key == study_key, report_journal.c.owner == owner
    )
    if written_utc is not None:
        query = query.where(report_journal.c.written_utc == written_utc)
    return connection.execute(query).rowcount > 0


def _draft(row: sa.Row[Any]) -> Draft:
    return Draft(row.study_key, row.owner, row.base, row.written_utc, row.report)
