"""From whatever version an archive has to this program's, in one transaction."""

from __future__ import annotations

from collections.abc import Callable

import sqlalchemy as sa

from workstation.archive import audit_trail
from workstation.archive.schema import SCHEMA, about
from workstation.archive.steps import KEY, STEPS
from workstation.core.errors import StorageError

_OWN = frozenset({"about", "report_version", "report_journal"})


def found_version(connection: sa.Connection, place: str) -> int:
    """Version of the archive that is there; 0 where there is nothing yet.

    Raises
    ------
    StorageError
        It is no archive, or one of a newer program.
    """
    tables = set(sa.inspect(connection).get_table_names())
    if not tables:
        return 0
    if not tables >= _OWN:
        raise StorageError(
            f"{place} is no archive of reports: it holds other tables. Choose another place."
        )
    text = connection.scalar(sa.select(about.c.value).where(about.c.name == "schema"))
    if text is None or not text.isdecimal() or not 1 <= int(text) <= SCHEMA:
        raise StorageError(
            f"{place} is an archive of version {text}; this program knows version "
            f"{SCHEMA}. Open it with the newer Tomoscribe that wrote it."
        )
    return int(text)


def migrate(
    connection: sa.Connection, place: str, back_up: Callable[[int], None], to: int = SCHEMA
) -> None:
    """Bring an archive up to date; what is there is backed up first.

    The connection holds the write lock, and commits all steps or none.
    """
    version = found_version(connection, place)
    if version >= to:
        return
    if version:
        back_up(version)
    for step in STEPS[version:to]:
        for statement in step:
            _do(connection, statement)
    _mark(connection, to)
    if to == SCHEMA:
        action = "archive migrated" if version else "archive made"
        audit_trail.append(connection, "", action, "archive", {"from": version, "to": to})


def _do(connection: sa.Connection, statement: str | dict[str, str]) -> None:
    dialect = connection.dialect.name
    text = statement.get(dialect, "") if isinstance(statement, dict) else statement
    if text:
        connection.exec_driver_sql(text.replace("{key}", KEY[dialect]))


def _mark(connection: sa.Connection, version: int) -> None:
    connection.execute(sa.delete(about).where(about.c.name == "schema"))
    connection.execute(sa.insert(about).values(name="schema", value=str(version)))
