"""The archive's file: its tables, its durability, and its faults as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from workstation.core.errors import StorageError

SCHEMA = 1
_BUSY_SECONDS = 2.0

metadata = sa.MetaData()

about = sa.Table(
    "about",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("value", sa.String, nullable=False),
)

report_version = sa.Table(
    "report_version",
    metadata,
    sa.Column("study_key", sa.String, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("created_utc", sa.String, nullable=False),
    sa.Column("author", sa.String, nullable=False),
    sa.Column("report", sa.String, nullable=False),
)

report_journal = sa.Table(
    "report_journal",
    metadata,
    sa.Column("study_key", sa.String, primary_key=True),
    sa.Column("written_utc", sa.String, nullable=False),
    sa.Column("report", sa.String, nullable=False),
)

_SAFE = "The text stays in the editor and is tried again by itself; or save a copy elsewhere."
_FAULTS = {
    "SQLITE_FULL": "The disk that holds {path} is full. Free some space.",
    "SQLITE_READONLY": "{path} may not be written. Allow writing to this file and its folder.",
    "SQLITE_PERM": "{path} may not be written. Allow writing to this file and its folder.",
    "SQLITE_CANTOPEN": "{path} cannot be opened. See that its folder exists and may be written.",
    "SQLITE_BUSY": "{path} is in use by another program. Close it there.",
    "SQLITE_LOCKED": "{path} is in use by another program. Close it there.",
    "SQLITE_CORRUPT": "{path} is damaged. Move it away and restore a copy of it, or start anew.",
    "SQLITE_NOTADB": "{path} is no archive of reports. Move it away, or choose another folder.",
    "SQLITE_IOERR": "{path} cannot be read or written. See that its disk is sound and not full.",
}


class Database:
    """One SQLite file, opened at its first use so that a fault there can be tried again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._ready = False
        self._engine = sa.create_engine(
            f"sqlite:///{path}",
            connect_args={"timeout": _BUSY_SECONDS, "isolation_level": None},
            poolclass=sa.pool.NullPool,
        )
        sa.event.listen(self._engine, "connect", _make_durable)

    @contextmanager
    def transaction(self, writing: bool = False) -> Iterator[sa.Connection]:
        """One transaction: all of it on the disk at the end, or none of it.

        Reading never waits for another program that writes.

        Raises
        ------
        StorageError
            The file cannot be used.
        """
        try:
            self._prepare()
            with self._engine.begin() as connection:
                _begin(connection, writing)
                yield connection
        except DBAPIError as error:
            raise self._fault(error) from error
        except OSError as error:
            message = f"The folder of {self.path} cannot be made: {error.strerror}. {_SAFE}"
            raise StorageError(message, repr(error)) from error

    def close(self) -> None:
        """Let go of the file."""
        self._engine.dispose()

    def _prepare(self) -> None:
        with self._lock:
            if self._ready:
                return
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if not self._has_tables():
                with self._engine.begin() as connection:
                    _begin(connection, writing=True)
                    metadata.create_all(connection)
                    mark = sa.insert(about).prefix_with("OR IGNORE")
                    connection.execute(mark.values(name="schema", value=str(SCHEMA)))
            self._check_schema()
            self._ready = True

    def _has_tables(self) -> bool:
        with self._engine.connect() as connection:
            return sa.inspect(connection).has_table(about.name)

    def _check_schema(self) -> None:
        with self._engine.connect() as connection:
            found = connection.scalar(sa.select(about.c.value).where(about.c.name == "schema"))
        if found != str(SCHEMA):
            raise StorageError(
                f"{self.path} is an archive of version {found}; this program knows version "
                f"{SCHEMA}. Open it with the newer Tomoscribe that wrote it."
            )

    def _fault(self, error: DBAPIError) -> StorageError:
        name = str(getattr(error.orig, "sqlite_errorname", ""))
        known = next((text for key, text in _FAULTS.items() if name.startswith(key)), None)
        sentence = (known or "{path} cannot be used.").format(path=self.path)
        return StorageError(f"{sentence} {_SAFE}", f"{name}: {error.orig}")


def _make_durable(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    # FULL: a commit is on the disk before it returns, also through a power cut.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _begin(connection: sa.Connection, writing: bool) -> None:
    # Immediate: two programs that write queue for the file instead of failing half-way.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
