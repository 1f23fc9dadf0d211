"""kill -9 in the middle of typing into the real panel, again and again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from workstation.archive.journal import Journal
from workstation.archive.report_archive import ReportArchive
from workstation.archive.report_session import ReportSession

_TYPIST = """
import os, sys, time
from pathlib import Path
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from workstation.archive.journal import Journal
from workstation.archive.report_archive import ReportArchive
from workstation.archive.report_session import ReportSession
from workstation.ui.report_panel import ReportPanel

application = QApplication([])
session = ReportSession(Journal(ReportArchive(Path(sys.argv[1]))), "s", "A")
panel = ReportPanel()
panel.show_session(session)
panel.show()
QTest.qWaitForWindowExposed(panel)
panel.editor.setFocus()
while True:
    QTest.keyClicks(panel.editor, "abcdefghi "[len(session.report.text) % 10])
    os.write(1, f"{len(session.report.text)} {time.monotonic()}\\n".encode())
    QTest.qWait(8)
"""


def _type_and_kill(path, seconds):
    """Let a process type for some seconds, kill it; its log of (letters, time), the kill's."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[3])}
    command = [sys.executable, "-c", _TYPIST, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as typist:
        first = typist.stdout.readline()
        time.sleep(seconds)
        killed = time.monotonic()
        typist.kill()
        rest = typist.stdout.read()
    lines = (first + rest).decode().splitlines()
    log = [(int(line.split()[0]), float(line.split()[1])) for line in lines if " " in line]
    return log, killed


def test_a_kill_loses_less_than_a_second_of_typing(tmp_path, record_property):
    path = tmp_path / "archive.sqlite"
    kept = 0
    for seconds in (0.9, 1.37, 0.61, 1.13):
        log, killed = _type_and_kill(path, seconds)
        assert log[0][0] == kept + 1, "typing goes on from what was recovered"
        archive = ReportArchive(path)
        journal = Journal(archive)
        session = ReportSession(journal, "s", "A")
        journal.close()
        assert session.load_error is None
        assert session.recovered
        kept = len(session.report.text)
        lost = [when for letters, when in log if letters > kept]
        lost_seconds = killed - min(lost, default=killed)
        record_property("lost_seconds", round(lost_seconds, 3))
        assert lost_seconds < 1.0
        assert session.report.text == ("abcdefghi " * 500)[:kept]
        archive.close()
