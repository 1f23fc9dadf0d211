"""An archive and a journal on a real file."""

from __future__ import annotations

import pytest

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
