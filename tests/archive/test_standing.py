"""What is exported is told as what it is: signed, changed since, or never signed."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from tests.archive.series_files import typed
from workstation.archive.report_session import ReportSession
from workstation.archive.standing import Standpoint, standing
from workstation.core.errors import StorageError
from workstation.core.report import accept, append_model_text, begin_run, end_run


def _signed_then(window, *texts):
    window.sign("s", typed("Normal."), "A")
    for text in texts:
        window.save("s", typed(text), "B")
    return window.versions("s")


def test_without_a_signature_it_is_a_draft(windows):
    window = windows()
    window.save("s", typed("Normal."), "A")
    assert standing(typed("Normal."), window.versions("s"), 1).name == "unsigned draft"
    assert standing(typed("Normal."), (), None).name == "unsigned draft"


def test_the_signer_is_told_not_who_saved_it(windows):
    window = windows()
    window.save("s", typed("Normal."), "Resident")
    window.sign("s", typed("Normal."), "Chief")
    found = standing(typed("Normal."), window.versions("s"), 1)
    assert found.is_signed
    assert (found.signature.version, found.signature.author) == (1, "Chief")
    assert found.signature.signed == window.latest("s").signed


def test_a_changed_text_is_an_unsigned_addendum_and_signed_again_when_undone(windows):
    versions = _signed_then(windows())
    changed = standing(typed("Normal. Or not."), versions, 1)
    assert changed.name == "unsigned addendum"
    assert changed.signature.version == 1
    assert standing(typed("Normal."), versions, 1).is_signed


def test_a_saved_change_is_unsigned_and_the_signed_version_is_superseded(windows):
    versions = _signed_then(windows(), "Normal. Or not.")
    assert not standing(typed("Normal. Or not."), versions, 2).is_signed
    older = standing(typed("Normal."), versions, 1)
    assert (older.is_signed, older.newer) == (True, 2)


def test_taking_an_acceptance_back_takes_the_signature_from_the_text(windows):
    report = end_run(append_model_text(begin_run(typed(""), "r", 0), "No mass.", "r"), "r")
    accepted = accept(report, report.sentences[0])
    window = windows()
    window.sign("s", accepted, "A")
    assert standing(accepted, window.versions("s"), 1).is_signed
    assert not standing(report, window.versions("s"), 1).is_signed


def test_a_window_that_was_not_told_of_the_signature_asks_the_archive(windows):
    one, other = windows(), windows()
    version = one.save("s", typed("Normal."), "A")
    other.sign("s", typed("Normal."), "B")
    assert Standpoint("s", typed("Normal."), version).read(one).signature.author == "B"


def test_a_signature_under_way_is_waited_for(journal):
    session = ReportSession(journal, "s", "A")
    session.edit(0, 0, "Normal.")
    session.sign()
    assert session.standpoint().read(journal.archive).is_signed


def test_a_signature_that_failed_is_none(windows):
    failed = Future()
    failed.set_exception(StorageError("The disk is full."))
    assert Standpoint("s", typed("Normal."), None, failed).read(windows()).name == "unsigned draft"


def test_where_the_archive_cannot_be_read_only_what_is_known_is_said(archive, tmp_path):
    version = archive.sign("s", typed("Normal."), "A")
    archive.path.write_bytes(b"not a database" * 1000)
    for name in ("-wal", "-shm"):
        archive.path.with_name(archive.path.name + name).unlink(missing_ok=True)
    with pytest.raises(StorageError):
        archive.versions("s")
    assert Standpoint("s", typed("Normal."), version).read(archive).is_signed
    assert Standpoint("s", typed("Normal.")).read(archive).name == "unsigned draft"
