"""The worklist: studies by what is typed, newest first, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from workstation.archive import search_words
from workstation.archive.database import Database
from workstation.archive.schema import patient, study

STATUSES = ("unread", "drafted", "signed")
FAULTS = ("incomplete", "conflicting")
"""What else a study can be looked for by, besides its status."""
_COUNTS = dict(zip(FAULTS, ("missing", "conflicts"), strict=True))
_FEW = 1000


@dataclass(frozen=True)
class WorklistQuery:
    """What is looked for.

    Attributes
    ----------
    words : str
        Beginnings of words of name, id, accession number, description, date or modality, in
        any order; all must be there.
    first_day, last_day : str
        ``2026-02-03``; empty is open.
    modality, status : str
        Empty for all; a status is one of :data:`STATUSES` or :data:`FAULTS`.
    deleted : bool
        Look among the deleted studies instead.
    after : tuple or None
        Day and id of the last row of the page before.
    limit : int
        Rows of a page.
    """

    words: str = ""
    first_day: str = ""
    last_day: str = ""
    modality: str = ""
    status: str = ""
    deleted: bool = False
    after: tuple[str, int] | None = None
    limit: int = 50


@dataclass(frozen=True)
class WorklistRow:
    """A study as the list shows it; ``version`` is needed to change it.

    ``missing`` images are known not to have come; ``conflicts`` carry the identifier of
    another file.
    """

    id: int
    study_key: str
    name: str
    identity: str
    birth_date: str
    date: str
    accession: str
    description: str
    modalities: str
    status: str
    series_count: int
    file_count: int
    deleted_utc: str | None
    version: int
    missing: int = 0
    conflicts: int = 0


@dataclass(frozen=True)
class WorklistPage:
    """Rows in the order shown, and where the next page begins, if there is one."""

    rows: tuple[WorklistRow, ...]
    next: tuple[str, int] | None


def search(database: Database, query: WorklistQuery) -> WorklistPage:
    """Find studies, newest first.

    Raises
    ------
    StorageError
        The archive cannot be read.
    """
    with database.transaction() as connection:
        found = connection.execute(_statement(connection, query)).all()
    rows = tuple(_row(one) for one in found[: query.limit])
    more = len(found) > query.limit
    return WorklistPage(rows, (rows[-1].date, rows[-1].id) if more and rows else None)


def row_of(connection: sa.Connection, study_id: int) -> WorklistRow | None:
    """One study, deleted or not."""
    found = connection.execute(_columns().where(study.c.id == study_id)).first()
    return None if found is None else _row(found)


def _columns() -> sa.Select[Any]:
    names = ("name", "identity", "birth_date")
    return sa.select(
        *(study.c[name] for name in WorklistRow.__dataclass_fields__ if name not in names),
        *(patient.c[name] for name in names),
    ).join_from(study, patient, study.c.patient_id == patient.c.id)


def _statement(connection: sa.Connection, query: WorklistQuery) -> sa.Select[Any]:
    statement = _columns().where(*_filters(query))
    wanted = search_words.terms(query.words, query.modality)
    if wanted:
        matching = search_words.matching(connection, wanted)
        if _few(connection, matching):
            found = matching.subquery()
            statement = statement.join(found, found.c.id == study.c.id)
        else:
            # So many match that a page is full soon: go by day and keep those that match.
            walked: sa.ColumnElement[int] = sa.literal_column("+study.id", sa.Integer)
            statement = statement.where(walked.in_(matching))
    newest = (study.c.date.desc(), study.c.id.desc())
    return statement.order_by(*newest).limit(query.limit + 1)


def _few(connection: sa.Connection, matching: sa.Select[int]) -> bool:
    some = matching.limit(_FEW + 1).subquery()
    return (connection.scalar(sa.select(sa.func.count()).select_from(some)) or 0) <= _FEW


def _filters(query: WorklistQuery) -> list[sa.ColumnElement[bool]]:
    deleted = study.c.deleted_utc
    found: list[sa.ColumnElement[bool]] = [
        deleted.is_not(None) if query.deleted else deleted.is_(None)
    ]
    if query.first_day:
        found.append(study.c.date >= query.first_day)
    if query.last_day:
        found.append(study.c.date <= query.last_day)
        found.append(study.c.date != "")
    if query.status in _COUNTS:
        # The numbers stand in the text, so that the index of such studies is used.
        found.append(sa.literal_column(f"study.{_COUNTS[query.status]}", sa.Integer) > sa.text("0"))
    elif query.status:
        found.append(study.c.status == query.status)
    if query.after is not None:
        day, number = query.after
        earlier = sa.and_(study.c.date == day, study.c.id < number)
        found += [study.c.date <= day, sa.or_(study.c.date < day, earlier)]
    return found


def _row(found: sa.Row[Any]) -> WorklistRow:
    return WorklistRow(**found._asdict())
