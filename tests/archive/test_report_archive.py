"""Versions, the journal, and what happens when the disk does not play along."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from workstation.archive.journal import Journal
from workstation.archive.report_archive import ReportArchive
from workstation.archive.report_session import ReportSession
from workstation.core.errors import StorageError
from workstation.core.report import Report, append_model_text, begin_run, edited


def typed(text):
    return edited(Report(), text)


def wait_until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def child(code, *arguments):
    """Run Python code in a process of its own; its output."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_versions_count_up_and_stay(archive):
    report = append_model_text(begin_run(Report(), "r", 0), "No mass.", "r", [-0.1])
    assert archive.latest("s") is None
    assert archive.save("s", typed("One."), "A").number == 1
    assert archive.save("s", report, "B").number == 2
    assert archive.save("other", typed("Else."), "A").number == 1
    first, second = archive.versions("s")
    assert (first.report.text, first.author) == ("One.", "A")
    assert second.report.content == report.content
    assert second.created >= first.created
    assert archive.latest("s") == second


def test_a_commit_is_on_the_disk_before_it_returns(archive):
    archive.save("s", typed("One."), "A")
    with archive._database.transaction() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_typing_is_on_the_disk_within_half_a_second(archive, journal):
    archive.save("s", typed(""), "A")
    for count in range(1, 4):
        begin = time.monotonic()
        journal.note("s", typed("x" * count))
        wait_until(lambda count=count: (archive.journal("s") or Report()).text == "x" * count)
        assert time.monotonic() - begin < 0.5


def test_saving_settles_the_journal(archive, journal):
    session = ReportSession(journal, "s", "A")
    session.edit(0, 0, "Typed.")
    wait_until(lambda: archive.journal("s") is not None)
    session.save()
    wait_until(lambda: session.status().version == 1)
    assert not session.status().unsaved
    assert archive.journal("s") is None
    assert not ReportSession(journal, "s", "A").recovered


def test_what_was_typed_after_the_last_version_is_recovered(archive, journal):
    session = ReportSession(journal, "s", "A")
    session.edit(0, 0, "Saved.")
    session.save()
    session.edit(6, 0, " Typed on.")
    journal.close()
    again = Journal(archive)
    recovered = ReportSession(again, "s", "A")
    assert recovered.recovered
    assert recovered.report.text == "Saved. Typed on."
    assert recovered.status().version == 1
    assert recovered.unsaved
    again.close()


def test_a_locked_file_is_said_and_the_typing_arrives_when_it_is_free(archive, journal):
    archive.save("s", typed("Old."), "A")
    session = ReportSession(journal, "s", "A")
    other = sqlite3.connect(archive.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    session.edit(4, 0, " New.")
    wait_until(lambda: session.status().error is not None)
    assert "in use by another program" in session.status().error.message
    assert str(archive.path) in session.status().error.message
    other.execute("ROLLBACK")
    other.close()
    wait_until(lambda: session.status().error is None)
    assert archive.journal("s").text == "Old. New."


def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path):
    path = tmp_path / "archive.sqlite"
    path.write_bytes(b"this was never a database" * 400)
    before = path.read_bytes()
    archive = ReportArchive(path)
    journal = Journal(archive)
    session = ReportSession(journal, "s", "A")
    session.edit(0, 0, "Typed all the same.")
    assert "no archive of reports" in session.status().error.message
    copy = tmp_path / "copy.json"
    session.save_copy(copy)
    with pytest.raises(StorageError):
        journal.close()
    assert path.read_bytes() == before
    assert "Typed all the same." in copy.read_text(encoding="utf-8")


def test_an_archive_of_a_newer_program_is_refused(archive):
    archive.save("s", typed("One."), "A")
    with sqlite3.connect(archive.path) as file:
        file.execute("UPDATE about SET value = '99'")
    file.close()
    with pytest.raises(StorageError, match="version 99"):
        ReportArchive(archive.path).latest("s")


def test_a_damaged_report_does_not_hide_the_others(archive):
    archive.save("bad", typed("One."), "A")
    archive.save("good", typed("Two."), "A")
    with sqlite3.connect(archive.path) as file:
        file.execute("UPDATE report_version SET report = '{' WHERE study_key = 'bad'")
    file.close()
    with pytest.raises(StorageError, match="damaged"):
        archive.latest("bad")
    assert archive.latest("good").report.text == "Two."


def test_typing_before_the_archive_could_be_read_keeps_what_it_holds(tmp_path):
    path, aside = tmp_path / "archive.sqlite", tmp_path / "aside.sqlite"
    first = ReportArchive(path)
    first.write_journal("s", typed("Typed before the crash."))
    first.close()
    path.rename(aside)
    path.mkdir()
    archive = ReportArchive(path)
    journal = Journal(archive)
    session = ReportSession(journal, "s", "A")
    assert "cannot be opened" in session.load_error.message
    session.edit(0, 0, "Typed while it was away.")
    path.rmdir()
    aside.rename(path)
    wait_until(lambda: session.status().journal.written is not None)
    journal.close()
    assert archive.journal("s").text == "Typed while it was away."
    (kept,) = archive.versions("s")
    assert kept.report.text == "Typed before the crash."
    assert "recovered" in kept.author


def test_a_file_in_use_can_still_be_read(archive):
    archive.save("s", typed("One."), "A")
    other = sqlite3.connect(archive.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    begin = time.monotonic()
    assert ReportArchive(archive.path).latest("s").report.text == "One."
    assert time.monotonic() - begin < 1.0
    other.execute("ROLLBACK")
    other.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    archive = ReportArchive(tmp_path / "file" / "archive.sqlite")
    with pytest.raises(StorageError, match="cannot be made"):
        archive.latest("s")


_FULL = """
import resource, sys
from pathlib import Path
from workstation.archive.report_archive import ReportArchive
from workstation.core.errors import StorageError
from workstation.core.report import Report, edited
archive = ReportArchive(Path(sys.argv[1]))
archive.save("s", edited(Report(), "Kept."), "A")
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, hard))
try:
    archive.write_journal("s", edited(Report(), "x" * 300_000))
except StorageError as error:
    print(error.message)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
archive.write_journal("s", edited(Report(), "x" * 300_000))
"""


def test_a_disk_that_takes_no_more_loses_nothing(tmp_path):
    path = tmp_path / "archive.sqlite"
    said = child(_FULL, path)
    assert str(path) in said
    assert "stays in the editor" in said
    archive = ReportArchive(path)
    assert archive.latest("s").report.text == "Kept."
    assert len(archive.journal("s").text) == 300_000


_READ_ONLY = """
import os, sqlite3, sys
from pathlib import Path
from workstation.archive.report_archive import ReportArchive
from workstation.core.atomic_file import write_atomically
from workstation.core.errors import StorageError
from workstation.core.report import Report, edited
if os.geteuid() == 0:
    os.setuid(65534)
folder = Path(sys.argv[1])
try:
    ReportArchive(folder / "archive.sqlite").write_journal("s", edited(Report(), "x"))
except StorageError as error:
    print(error.message)
try:
    write_atomically(folder / "report.txt", b"x")
except StorageError as error:
    print(error.message)
"""


def test_a_read_only_folder_is_named():
    folder = Path(tempfile.mkdtemp())
    try:
        archive = ReportArchive(folder / "archive.sqlite")
        archive.save("s", typed("One."), "A")
        archive.close()
        (folder / "archive.sqlite").chmod(0o444)
        folder.chmod(0o555)
        first, second = child(_READ_ONLY, folder).splitlines()
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)
    assert str(folder / "archive.sqlite") in first
    assert "writ" in first
    assert str(folder / "report.txt") in second
    assert "may not write" in second


def test_closing_brings_the_last_letter_to_the_disk(archive):
    journal = Journal(archive)
    journal.note("s", typed("The last letter."))
    journal.close()
    assert archive.journal("s").text == "The last letter."


def test_a_copy_that_is_no_report_is_refused(tmp_path, journal):
    session = ReportSession(journal, "s", "A")
    wrong = tmp_path / "wrong.json"
    for content in (b"{}", b"\xff\xfe", b"[]", b'{"schema": 7}'):
        wrong.write_bytes(content)
        with pytest.raises(StorageError):
            session.restore_copy(wrong)
    assert session.report.text == ""
