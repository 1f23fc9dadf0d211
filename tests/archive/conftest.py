"""An archive and a journal on real files, and on a real PostgreSQL."""

from __future__ import annotations

import pytest

from tests.archive.cluster import Cluster
from workstation.archive.archive import open_archive
from workstation.archive.journal import Journal
from workstation.archive.report_archive import ReportArchive


@pytest.fixture
def archive(tmp_path):
    archive = ReportArchive(tmp_path / "data" / "archive.sqlite")
    yield archive
    archive.close()


@pytest.fixture
def journal(archive):
    journal = Journal(archive)
    yield journal
    journal.close()


@pytest.fixture(scope="session")
def cluster():
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request, tmp_path):
    """Address of an archive that is not there yet, on each kind of database."""
    if request.param == "sqlite":
        return tmp_path / "data" / "reports.db"
    return request.getfixturevalue("cluster").new_database()


@pytest.fixture
def kept(address, tmp_path):
    """An archive with its files."""
    archive = open_archive(address, tmp_path / "files", "Dr. Test")
    yield archive
    archive.close()


@pytest.fixture
def windows(address):
    """Open windows on one archive; those still open are closed at the end."""
    opened = []

    def open_window():
        opened.append(ReportArchive(address))
        return opened[-1]

    yield open_window
    for window in opened:
        window.close()
