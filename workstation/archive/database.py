"""The archive's database, SQLite or PostgreSQL: durability, locks, faults as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from workstation.archive.backup import back_up_file, back_up_tables, backups_of
from workstation.archive.faults import as_sentence
from workstation.archive.migrations import found_version, migrate
from workstation.archive.schema import SCHEMA
from workstation.core.errors import StorageError

_BUSY_SECONDS = 2.0
_WRITE_LOCK = 0x746F6D6F  # the one number by which writers queue in a PostgreSQL database


class Database:
    """An archive's database, opened at its first use so that a fault can be tried again.

    Parameters
    ----------
    address : str or Path
        An SQLite file, or ``sqlite:///PATH`` or ``postgresql://USER@HOST/NAME``.
    comfort : str
        What the reader is told of their work where the archive fails.

    Attributes
    ----------
    path : Path or None
        The SQLite file.
    place : str
        The archive as the reader knows it, without a password.

    Raises
    ------
    StorageError
        The address cannot be understood.
    """

    def __init__(self, address: str | Path, comfort: str = "") -> None:
        url = _url(address)
        self.path = Path(url.database or "") if url.drivername == "sqlite" else None
        self.place = str(self.path) if self.path else _shown(url)
        self._comfort = comfort
        self._lock = Lock()
        self._ready = False
        self.engine = _engine(url)

    @contextmanager
    def transaction(
        self, writing: bool = False, wait: float = _BUSY_SECONDS
    ) -> Iterator[sa.Connection]:
        """One transaction: all of it on the disk at the end, or none of it.

        Writers queue, for at most ``wait`` seconds; reading waits for nobody and sees one
        state from its first to its last query.

        Raises
        ------
        StorageError
            The database cannot be used.
        """
        try:
            self._prepare()
            with self.engine.begin() as connection:
                _begin(connection, writing, wait)
                yield connection
        except DBAPIError as error:
            raise as_sentence(error, self.place, self._restore(), self._comfort) from error
        except OSError as error:
            message = f"The folder of {self.place} cannot be made: {error.strerror}."
            raise StorageError(f"{message} {self._comfort}".strip(), repr(error)) from error

    def back_up(self) -> str:
        """Copy the whole archive's database beside itself; returns where.

        Raises
        ------
        StorageError
            It cannot be read, or the copy not written.
        """
        if self.path is not None:
            with self.transaction():
                return str(back_up_file(self.path, SCHEMA))
        with self.transaction(writing=True) as connection:
            return f"{self.place}, schema {back_up_tables(connection, SCHEMA)}"

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def _prepare(self) -> None:
        with self._lock:
            if self._ready:
                return
            if self.path is not None:
                self._may_begin(self.path)
                self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.engine.connect() as connection:
                version = found_version(connection, self.place)
            if version != SCHEMA:
                self._migrate()
            self._ready = True

    def _migrate(self) -> None:
        with self.engine.begin() as connection:
            _begin(connection, writing=True, wait=60.0)

            def back_up(version: int) -> None:
                if self.path is not None:
                    back_up_file(self.path, version)
                else:
                    back_up_tables(connection, version)

            migrate(connection, self.place, back_up)

    def _may_begin(self, path: Path) -> None:
        """Refuse to make a new archive where an old one got lost."""
        if (path.exists() and path.stat().st_size) or not (backups := backups_of(path)):
            return
        raise StorageError(
            f"{path} is gone, but its backup {backups[0].name} is there. Copy the backup to "
            f"{path.name}, or move it away to begin a new archive."
        )

    def _restore(self) -> str:
        backups = backups_of(self.path) if self.path is not None else []
        return f"copy its backup {backups[0]} to its place" if backups else "restore a copy of it"


def _shown(url: sa.URL) -> str:
    """Write an address as one gives it: without a password, and without the driver."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def _url(address: str | Path) -> sa.URL:
    if isinstance(address, Path):
        return sa.URL.create("sqlite", database=str(address))
    try:
        url = sa.make_url(address)
    except ArgumentError as error:
        # The address may hold a password, so that it is not repeated.
        raise StorageError("The setting archive_url is no database's address.") from error
    kind = url.get_backend_name()
    if kind == "postgresql":
        return url.set(drivername="postgresql+psycopg")
    if kind == "sqlite" and url.database:
        return url.set(drivername="sqlite")
    raise StorageError(
        f"The setting archive_url names '{kind}'; it must be sqlite:///PATH or "
        "postgresql://USER@HOST/NAME."
    )


def _engine(url: sa.URL) -> sa.Engine:
    if url.drivername == "sqlite":
        arguments = {"timeout": _BUSY_SECONDS, "isolation_level": None}
        engine = sa.create_engine(
            url, connect_args=arguments, poolclass=sa.pool.NullPool, hide_parameters=True
        )
        sa.event.listen(engine, "connect", _make_durable)
        return engine
    try:
        return sa.create_engine(
            url,
            connect_args={"connect_timeout": 5, "application_name": "tomoscribe"},
            pool_pre_ping=True,
            pool_size=2,
            hide_parameters=True,
        )
    except ModuleNotFoundError as error:
        message = (
            "A PostgreSQL archive needs 'pip install tomoscribe[department]'."
        )
        raise StorageError(message, repr(error)) from error


def _make_durable(connection: sa.engine.interfaces.DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    # FULL: a commit is on the disk before it returns, also through a power cut.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin(connection: sa.Connection, writing: bool, wait: float) -> None:
    milliseconds = round(wait * 1000)
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(f"PRAGMA busy_timeout={milliseconds}")
        # Immediate: two programs that write queue for the file instead of failing half-way.
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
        return
    if not writing:
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return
    connection.exec_driver_sql(f"SET LOCAL lock_timeout = {milliseconds}")
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")
