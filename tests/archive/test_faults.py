"""What the reader is told when the database does not play along."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from tests.archive.series_files import typed
from workstation.archive import database as database_module
from workstation.archive.archive import open_archive
from workstation.archive.database import Database
from workstation.archive.faults import as_sentence
from workstation.archive.report_archive import ReportArchive
from workstation.archive.worklist import WorklistQuery, search
from workstation.core.errors import StorageError


def _fault(database, **more):
    with pytest.raises(StorageError) as told, database.transaction(writing=True, **more):
        pass
    database.close()
    return told.value


def test_a_locked_sqlite_archive_is_said_and_can_be_read(tmp_path):
    database = Database(tmp_path / "reports.db")
    with database.transaction():
        pass
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        assert "in use by another program" in _fault(database, wait=0.2).message
        assert 0.15 < time.monotonic() - began < 2.0
        assert search(database, WorklistQuery()).rows == ()
        other.execute("ROLLBACK")
    with database.transaction(writing=True):
        pass


def test_a_locked_postgresql_archive_is_said_and_can_be_read(cluster):
    address = cluster.new_database()
    database = Database(address)
    with database.transaction():
        pass
    with psycopg.connect(address) as other:
        other.execute(f"SELECT pg_advisory_xact_lock({database_module._WRITE_LOCK})")
        assert "in use by another program" in _fault(database, wait=0.2).message
        assert search(database, WorklistQuery()).rows == ()
    with database.transaction(writing=True):
        pass
    database.close()


def test_a_server_that_is_not_there_is_said_without_the_password(tmp_path):
    address = f"postgresql://reader:Secret7@/archive?host={tmp_path}"
    fault = _fault(Database(address))
    assert "cannot be reached" in fault.message
    assert "archive_url" in fault.message
    assert "Secret7" not in f"{fault.message} {fault.details}"


def test_a_database_or_user_that_is_not_there_is_said(cluster):
    for address in (cluster.address("nothing"), cluster.address("postgres", "nobody")):
        fault = _fault(Database(address))
        assert "archive_url" in fault.message


def test_a_postgresql_that_may_not_be_written_is_said(cluster):
    address = cluster.new_database()
    window = ReportArchive(address)
    window.save("s", typed("One."), "A")
    window.close()
    name = sa.make_url(address).database
    cluster.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    window = ReportArchive(address)
    assert window.latest("s").report.text == "One."
    with pytest.raises(StorageError, match="may not be written") as told:
        window.save("s", typed("Two."), "A")
    assert "stays in the editor" in told.value.message
    window.close()


def test_a_connection_that_was_cut_is_made_again(cluster):
    window = ReportArchive(cluster.new_database())
    window.write_journal("s", typed("One."))
    cluster.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'tomoscribe'"
    )
    window.write_journal("s", typed("Two."))
    assert window.journal("s").text == "Two."
    window.close()


class _Told(Exception):
    def __init__(self, code):
        super().__init__("with a value")
        self.sqlstate = code


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("53100", "full"),
        ("53300", "no room"),
        ("08006", "does not answer"),
        ("57P01", "was stopped"),
        ("42501", "does not allow"),
        ("40P01", "in use"),
        ("XX001", "damaged"),
        ("22021", "cannot be used"),
    ],
)
def test_every_kind_of_fault_is_a_sentence(code, words):
    fault = as_sentence(OperationalError("", {}, _Told(code)), "the place", "", "Be calm.")
    assert words in fault.message
    assert "the place" in fault.message
    assert fault.message.endswith("Be calm.")
    assert "with a value" not in fault.details


@pytest.mark.parametrize("address", ["nonsense", "mysql://u:Secret7@h/db", "sqlite://", ""])
def test_an_address_that_is_none_is_refused(address):
    with pytest.raises(StorageError, match="archive_url") as told:
        Database(address)
    assert "Secret7" not in f"{told.value.message} {told.value.details}"


def test_addresses_of_sqlite(tmp_path):
    path = tmp_path / "with space & 100%?.db"
    window = ReportArchive(path)
    window.save("s", typed("One."), "A")
    window.close()
    assert path.exists()
    other = Database(f"sqlite:///{tmp_path}/b.db")
    assert other.path == tmp_path / "b.db"
    other.close()


def test_postgresql_without_its_driver_is_said(monkeypatch):
    def missing(*_, **__):
        raise ModuleNotFoundError("No module named 'psycopg'")

    monkeypatch.setattr(database_module.sa, "create_engine", missing)
    with pytest.raises(StorageError, match="department"):
        Database("postgresql://somewhere/archive")


def test_a_backup_is_taken_while_others_work(tmp_path):
    archive = open_archive(tmp_path / "reports.db", tmp_path / "files")
    with archive.database.transaction():
        pass
    with closing(sqlite3.connect(tmp_path / "reports.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        copy = archive.database.back_up()
        other.execute("ROLLBACK")
    with closing(sqlite3.connect(copy)) as file:
        assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    archive.close()
