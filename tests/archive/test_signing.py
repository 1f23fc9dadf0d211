"""A person signs a version: never words of the model that nobody accepted."""

from __future__ import annotations

import pytest

from tests.archive.series_files import a_series, typed, write_files
from workstation.archive.intake import add_series
from workstation.archive.report_session import ReportSession
from workstation.archive.schema import audit
from workstation.archive.worklist import WorklistQuery, search
from workstation.core.errors import InputError, StorageError
from workstation.core.report import Report, accept, append_model_text, begin_run, end_run


def _by_model(text="No effusion. Normal heart."):
    report = begin_run(Report(), "r1", 0)
    return end_run(append_model_text(report, text, "r1"), "r1")


def _status(kept):
    (row,) = search(kept.database, WorklistQuery()).rows
    return row.status


@pytest.fixture
def study(kept, tmp_path):
    add_series(kept, a_series(write_files(tmp_path / "in", "a"), "s"))
    return kept


def test_signing_a_saved_report_signs_that_version(study, windows):
    window = windows()
    window.save("s", typed("Normal."), "A")
    assert _status(study) == "drafted"
    signed = window.sign("s", typed("Normal."), "A")
    assert (signed.number, signed.signed is not None) == (1, True)
    assert _status(study) == "signed"
    assert window.latest("s").signed == signed.signed
    assert window.sign("s", typed("Normal."), "B").signed == signed.signed, "once is enough"
    with study.database.transaction() as connection:
        actions = list(connection.scalars(audit.select().with_only_columns(audit.c.action)))
    assert actions.count("report signed") == 1


def test_signing_what_is_not_saved_makes_a_version_of_it(study, windows):
    window = windows()
    window.write_journal("s", typed("Typed."))
    assert window.sign("s", typed("Typed."), "A").number == 1
    assert window.journal("s") is None
    window.save("s", typed("Typed. And more."), "A")
    assert _status(study) == "drafted", "the newest version is signed by nobody"
    assert [version.signed is not None for version in window.versions("s")] == [True, False]


def test_a_report_signed_before_its_study_comes_is_signed_then(kept, windows, tmp_path):
    windows().sign("s", typed("Normal."), "A")
    add_series(kept, a_series(write_files(tmp_path / "in", "a"), "s"))
    assert _status(kept) == "signed"


def test_words_of_the_model_are_signed_only_once_accepted(windows):
    window, report = windows(), _by_model()
    with pytest.raises(StorageError, match="2 sentences of the model are not accepted"):
        window.sign("s", report, "A")
    first, second = report.sentences
    report = accept(report, first)
    with pytest.raises(StorageError, match="1 sentence of the model is not accepted"):
        window.sign("s", report, "A")
    assert window.sign("s", accept(report, second), "A").number == 1


@pytest.mark.parametrize(
    ("report", "author", "told"),
    [
        (typed("Normal."), "", "Nobody signs"),
        (Report(), "A", "no report to sign"),
        (typed(" \n"), "A", "no report to sign"),
        (begin_run(typed("Normal."), "r", 0), "A", "still writing"),
    ],
)
def test_what_cannot_be_signed_is_said(windows, report, author, told):
    with pytest.raises(StorageError, match=told):
        windows().sign("s", report, author)


def test_a_session_signs_behind_the_window(journal):
    session = ReportSession(journal, "s", "A")
    session.edit(0, 0, "Normal.")
    session.sign()
    while session.status().saving:
        pass
    status = session.status()
    assert (status.version, status.unsaved, status.signed is not None) == (1, False, True)
    session = ReportSession(journal, "t", "")
    session.edit(0, 0, "Normal.")
    with pytest.raises(InputError, match="Nobody signs"):
        session.sign()
