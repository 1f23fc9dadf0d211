"""From an older archive to today's: nothing lost, a backup first; newer and foreign refused."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy as sa

from tests.archive.series_files import child, typed
from workstation.archive import backup, migrations, steps
from workstation.archive.backup import KEPT, back_up_file, backups_of
from workstation.archive.database import Database
from workstation.archive.report_archive import ReportArchive
from workstation.archive.schema import SCHEMA, metadata
from workstation.core.errors import StorageError
from workstation.core.report_json import to_json

# As version 1 of the program wrote it, letter by letter.
_FIRST = """
PRAGMA journal_mode=WAL;
CREATE TABLE about (name VARCHAR NOT NULL, value VARCHAR NOT NULL, PRIMARY KEY (name));
INSERT INTO "about" VALUES('schema','1');
CREATE TABLE report_journal (study_key VARCHAR NOT NULL, written_utc VARCHAR NOT NULL,
    report VARCHAR NOT NULL, PRIMARY KEY (study_key));
CREATE TABLE report_version (study_key VARCHAR NOT NULL, number INTEGER NOT NULL,
    created_utc VARCHAR NOT NULL, author VARCHAR NOT NULL, report VARCHAR NOT NULL,
    PRIMARY KEY (study_key, number));
"""
_THEN = "2026-01-02T03:04:05.678901+00:00"


@pytest.fixture
def first(tmp_path):
    """An archive of version 1: 30 versions of 10 studies, typing in two of them."""
    path = tmp_path / "reports.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript(_FIRST)
        versions = [(f"k{n % 10}", n // 10 + 1, _THEN, "Dr. A", to_json(typed(f"Text {n}.")))
                    for n in range(30)]  # fmt: skip
        file.executemany("INSERT INTO report_version VALUES (?, ?, ?, ?, ?)", versions)
        drafts = [(key, _THEN, to_json(typed(f"Typed in {key}."))) for key in ("k3", "new")]
        file.executemany("INSERT INTO report_journal VALUES (?, ?, ?)", drafts)
        file.commit()
    return path


def _version_of(path):
    with closing(sqlite3.connect(path)) as file:
        return file.execute("SELECT value FROM about WHERE name = 'schema'").fetchone()[0]


def test_an_archive_of_the_first_version_loses_nothing(first):
    archive = ReportArchive(first)
    for key in range(10):
        versions = archive.versions(f"k{key}")
        assert [one.report.text for one in versions] == [f"Text {key + 10 * n}." for n in range(3)]
        assert {one.author for one in versions} == {"Dr. A"}
        assert {one.created.isoformat() for one in versions} == {_THEN}
    assert archive.recover("k3").text == "Typed in k3."
    assert archive.recover("new").text == "Typed in new."
    assert archive.recover("k4") is None
    archive.close()
    assert _version_of(first) == str(SCHEMA)


def test_a_backup_of_before_lies_beside_it(first):
    Database(first).close()
    assert backups_of(first) == []
    with Database(first).transaction():
        pass
    (copy,) = backups_of(first)
    assert copy.name.endswith("-v1")
    assert _version_of(copy) == "1"
    with closing(sqlite3.connect(copy)) as file:
        assert file.execute("SELECT count(*) FROM report_version").fetchone() == (30,)
        assert file.execute("SELECT count(*) FROM report_journal").fetchone() == (2,)
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    copy.replace(first)
    first.with_name("reports.db-wal").unlink(missing_ok=True)
    assert len(ReportArchive(first).versions("k1")) == 3


def test_the_last_few_backups_are_kept(first):
    with Database(first).transaction():
        pass
    made = [back_up_file(first, 4) for _ in range(KEPT + 2)]
    assert backups_of(first) == sorted(made[-KEPT:], reverse=True)
    assert not list(first.parent.glob(".*partial"))


def test_a_step_that_fails_leaves_the_archive_as_it_was(first, monkeypatch):
    broken = (*steps.STEPS[:2], (*steps.STEPS[2], "CREATE NONSENSE"), steps.STEPS[3])
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", broken)
        with pytest.raises(StorageError):
            ReportArchive(first).latest("k1")
    assert _version_of(first) == "1"
    assert len(ReportArchive(first).versions("k1")) == 3


def test_without_a_backup_nothing_is_migrated(first, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(backup.os, "fsync", full)
        with pytest.raises(StorageError, match=r"No backup of .* can be written"):
            ReportArchive(first).latest("k1")
    assert _version_of(first) == "1"
    assert not list(first.parent.glob("*backup*"))
    assert not list(first.parent.glob(".*partial"))


_KILLED = """
import os, signal, sys
from pathlib import Path
from workstation.archive import migrations
from workstation.archive.report_archive import ReportArchive
count = int(sys.argv[2])
real = migrations._do
def do(connection, statement):
    global count
    count -= 1
    if count < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    real(connection, statement)
migrations._do = do
ReportArchive(Path(sys.argv[1])).latest("k1")
"""


def test_a_kill_while_migrating_leaves_the_archive_as_it_was(first):
    for count in (0, 2, 9, 22):
        child(_KILLED, first, count, fails=True)
        assert _version_of(first) == "1"
    assert len(ReportArchive(first).versions("k1")) == 3


def test_two_programs_at_once_migrate_once(address, first):
    where = address if isinstance(address, str) else first
    with ThreadPoolExecutor(4) as threads:
        opened = [Database(where) for _ in range(4)]

        def count(database):
            with database.transaction() as connection:
                return connection.scalar(sa.text("SELECT count(*) FROM audit"))

        assert list(threads.map(count, opened)) == [1] * 4
    for database in opened:
        database.close()


def test_the_tables_made_are_those_the_program_reads(address):
    database = Database(address)
    with database.transaction() as connection:
        inspector = sa.inspect(connection)
        made = {name for name in inspector.get_table_names() if "search" not in name}
        assert made - {"sqlite_sequence"} == set(metadata.tables)
        for name, table in metadata.tables.items():
            columns = {one["name"]: one["nullable"] for one in inspector.get_columns(name)}
            assert columns == {one.name: one.nullable for one in table.columns}
            keys = set(inspector.get_pk_constraint(name)["constrained_columns"])
            assert keys == {one.name for one in table.primary_key}
    database.close()


def _as_version(address, version):
    """Make an archive of an older version where none is."""
    database = Database(address)
    if database.path is not None:
        database.path.parent.mkdir()
    with database.engine.begin() as connection:
        migrations.migrate(connection, "here", lambda _: None, to=version)
    return database


def test_each_older_version_is_migrated(address):
    for_postgresql = isinstance(address, str)
    database = _as_version(address, 1)
    with database.engine.begin() as connection:
        connection.execute(
            sa.text("INSERT INTO report_journal VALUES ('s', :then, :text)"),
            {"then": _THEN, "text": to_json(typed("Typed long ago."))},
        )
    archive = ReportArchive(address)
    assert archive.recover("s").text == "Typed long ago."
    if for_postgresql:
        with database.engine.begin() as connection:
            (schema,) = backup.schemas(connection)
            copied = sa.text(f'SELECT count(*) FROM "{schema}".report_journal')
            assert schema.endswith("_v1")
            assert connection.scalar(copied) == 1
    archive.close()
    database.close()


def test_backups_in_postgresql_are_dropped_by_age(cluster):
    database = Database(cluster.new_database())
    for _ in range(KEPT + 2):
        told = database.back_up()
    with database.transaction() as connection:
        found = backup.schemas(connection)
    assert len(found) == KEPT
    assert told.endswith(found[0])
    database.close()


def test_a_newer_archive_is_refused(address):
    database = Database(address)
    with database.transaction(writing=True) as connection:
        connection.execute(sa.text("UPDATE about SET value = '99' WHERE name = 'schema'"))
    database.close()
    again = Database(address)
    with pytest.raises(StorageError, match=r"version 99; this program knows version \d"):
        again.transaction().__enter__()
    again.close()


def test_a_database_of_another_program_is_refused(address):
    database = Database(address)
    if database.path is not None:
        database.path.parent.mkdir()
    with database.engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE customers (name TEXT)"))
    with pytest.raises(StorageError, match="no archive of reports"):
        database.transaction().__enter__()
    database.close()


def test_a_lost_archive_is_not_begun_anew_where_its_backup_lies(first):
    with Database(first).transaction():
        pass
    (copy,) = backups_of(first)
    for name in ("reports.db", "reports.db-wal", "reports.db-shm"):
        first.with_name(name).unlink(missing_ok=True)
    with pytest.raises(StorageError, match=copy.name):
        ReportArchive(first).latest("k1")
    assert not first.exists()
    first.touch()
    with pytest.raises(StorageError, match=copy.name):
        ReportArchive(first).latest("k1")


def test_a_damaged_archive_names_its_backup(first):
    with Database(first).transaction():
        pass
    (copy,) = backups_of(first)
    for name in ("reports.db-wal", "reports.db-shm"):
        first.with_name(name).unlink(missing_ok=True)
    size = first.stat().st_size
    with first.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    with pytest.raises(StorageError, match="damaged") as told:
        ReportArchive(first).versions("k1")
    assert str(copy) in told.value.message
