"""Words by which studies are found: in the index and as typed, made alike.

SQLite's FTS5 and PostgreSQL's ``tsvector`` hold the same words, so that a search finds the
same on both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from workstation.archive.schema import patient, study

_LONGEST = 60
_DAY = re.compile(r"(19|20)\d\d-(0\d?|1[0-2]?)(-(0\d?|[12]\d?|3[01]?)?)?")
# Of Unicode's private use: nobody can type it, and both indexes take it as a letter.
_MODALITY = "\ue000"

index = sa.table("study_search", sa.column("words"))


@dataclass(frozen=True)
class Term:
    """A word as typed so far, or a whole one."""

    word: str
    whole: bool = False


def split(text: str) -> list[str]:
    """Split into words, without case and accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    spaced = "".join(one if one.isalnum() else " " for one in plain)
    return [word[:_LONGEST] for word in spaced.split()]


def terms(typed: str, modality: str = "") -> tuple[Term, ...]:
    """List what a study's words must hold, all of it.

    A day or month typed with its marks is one word, as the index has it without them: its
    parts alone ("03") begin so many words that looking for them takes long.
    """
    words = [
        word
        for part in typed.split()
        for word in (["".join(split(part))] if _DAY.fullmatch(part) else split(part))
    ]
    wanted = [Term(word) for word in dict.fromkeys(words)]
    if modality:
        wanted += [Term(f"{_MODALITY}{''.join(split(modality))}", whole=True)]
    return tuple(wanted)


def matching(connection: sa.Connection, wanted: Iterable[Term]) -> sa.Select[int]:
    """Make the query for the ids of studies that hold all terms."""
    if connection.dialect.name == "sqlite":
        text = " ".join(f'"{term.word}"{"" if term.whole else "*"}' for term in wanted)
        rowid: sa.ColumnClause[int] = sa.literal_column("study_search.rowid", sa.Integer)
        condition = sa.text("study_search MATCH :words").bindparams(words=text)
        return sa.select(rowid.label("id")).select_from(index).where(condition)
    text = " & ".join(f"'{term.word}'{'' if term.whole else ':*'}" for term in wanted)
    row: sa.ColumnClause[int] = sa.literal_column("study_search.id", sa.Integer)
    found = sa.text("study_search.words @@ CAST(:words AS tsquery)").bindparams(words=text)
    return sa.select(row.label("id")).select_from(index).where(found)


def index_study(connection: sa.Connection, study_id: int) -> None:
    """Write a study's words anew, within a writing transaction."""
    query = (
        sa.select(study, patient.c.name, patient.c.identity)
        .join_from(study, patient, study.c.patient_id == patient.c.id)
        .where(study.c.id == study_id)
    )
    row = connection.execute(query).one()
    names = (row.name, row.identity, row.accession, row.description, row.modalities, row.date)
    words = [word for text in names for word in split(text)]
    # Numbers are found with and without the marks between their parts.
    words += ["".join(split(text)) for text in (row.identity, row.accession, row.date)]
    words += [f"{_MODALITY}{word}" for word in split(row.modalities)]
    write_words(connection, study_id, " ".join(dict.fromkeys(filter(None, words))))


def write_words(connection: sa.Connection, study_id: int, words: str) -> None:
    """Put a study's words, parted by spaces, in the place of its former ones."""
    remove_words(connection, study_id)
    if connection.dialect.name == "sqlite":
        query = "INSERT INTO study_search (rowid, words) VALUES (:id, :words)"
    else:
        query = (
            "INSERT INTO study_search (id, words) "
            "VALUES (:id, array_to_tsvector(string_to_array(:words, ' ')))"
        )
    connection.execute(sa.text(query), {"id": study_id, "words": words})


def remove_words(connection: sa.Connection, study_id: int) -> None:
    """Take a study out of the index."""
    key = "rowid" if connection.dialect.name == "sqlite" else "id"
    query = sa.text(f"DELETE FROM study_search WHERE {key} = :id")
    connection.execute(query, {"id": study_id})
