"""A real report panel over a real archive."""

from __future__ import annotations

import pytest
from PySide6.QtWidgets import QApplication

from workstation.archive.journal import Journal
from workstation.archive.report_archive import ReportArchive
from workstation.archive.report_session import ReportSession
from workstation.ui.report_panel import ReportPanel
from workstation.ui.theme import apply_theme


@pytest.fixture
def archive(tmp_path):
    archive = ReportArchive(tmp_path / "reports" / "archive.sqlite")
    yield archive
    archive.close()


@pytest.fixture
def journal(archive):
    journal = Journal(archive)
    yield journal
    journal.close()


@pytest.fixture
def a_session(journal):
    return ReportSession(journal, "study-1", "Dr. Test")


@pytest.fixture
def a_panel(qtbot, a_session):
    sheet = QApplication.instance().styleSheet()
    apply_theme(QApplication.instance())
    panel = ReportPanel()
    qtbot.addWidget(panel)
    panel.resize(430, 720)
    panel.show_session(a_session)
    panel.show()
    qtbot.waitExposed(panel)
    panel.activateWindow()
    panel.editor.setFocus()
    yield panel
    panel.show_session(None)
    QApplication.instance().setStyleSheet(sheet)
