"""A draft whose stream begins anew: once in the text, and nothing of the person's lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.api import Provenance, Task
from workstation.archive.report_session import ReportSession
from workstation.core.authorship import Origin
from workstation.core.rewriting import Rewriting

FIRST = ("Findings: ", "Clear lungs. ", "No effusion. ", "Normal heart.")
RECEIPT = Provenance("m", "", True, Task.REPORT)


@pytest.fixture
def session(journal) -> ReportSession:
    return ReportSession(journal, "study", "Dr. Test")


def _write(session: ReportSession, *texts: str) -> None:
    for text in texts:
        session.write(text, (-0.1,))


def _sentence(session: ReportSession, text: str):
    return next(each for each in session.report.sentences if text in each.text)


def _drafted(session: ReportSession, count: int) -> None:
    session.begin_draft("run")
    _write(session, *FIRST[:count])


@pytest.mark.parametrize("count", range(5))
def test_the_same_words_are_written_once(session: ReportSession, count: int) -> None:
    _drafted(session, count)
    session.restart_draft()
    _write(session, *FIRST)
    session.stop_draft(RECEIPT)
    assert session.report.text.strip() == "".join(FIRST)
    (run,) = session.report.runs
    assert run.text == "".join(FIRST)
    assert run.provenance == RECEIPT
    assert sum(length for length, _ in run.tokens) == len(run.text)


def test_what_a_person_did_meanwhile_stays(session: ReportSession) -> None:
    _drafted(session, 3)
    session.accept(_sentence(session, "Clear lungs"))
    at = session.report.text.index("effusion")
    session.edit(at, 0, "pleural ")
    session.restart_draft()
    _write(session, *FIRST[:2])
    session.edit(0, 0, "Typed.\n")
    _write(session, *FIRST[2:])
    session.stop_draft(RECEIPT)
    text = session.report.text.strip()
    assert text == "Typed.\nFindings: Clear lungs. No pleural effusion. Normal heart."
    assert _sentence(session, "Clear lungs").accepted
    assert _sentence(session, "pleural").origin is Origin.EDITED
    session.undo()
    session.undo()
    assert "Typed" not in session.report.text


def test_other_words_take_the_place_of_the_old(session: ReportSession) -> None:
    """As when the model goes on in a smaller precision."""
    session.edit(0, 0, "Typed before.")
    _drafted(session, 4)
    session.accept(_sentence(session, "Clear lungs"))
    session.edit(session.report.text.index("effusion"), 0, "pleural ")
    session.restart_draft()
    other = ("Findings: ", "Clear ", "lung fields. ", "Large heart.")
    _write(session, *other)
    session.stop_draft(RECEIPT)
    text = session.report.text
    assert text.count("Normal heart.") == 0
    assert "".join(other) in text
    assert _sentence(session, "Clear lungs.").accepted
    assert _sentence(session, "No pleural effusion.").origin is Origin.EDITED
    assert text.startswith("Typed before.")
    assert session.report.runs[-1].provenance == RECEIPT
    assert session.report.runs[0].provenance is None


def test_a_shorter_text_takes_the_place_of_the_old(session: ReportSession) -> None:
    _drafted(session, 4)
    session.restart_draft()
    _write(session, *FIRST[:2])
    session.stop_draft(RECEIPT)
    assert session.report.text.strip() == "".join(FIRST[:2]).strip()


def test_cancelled_on_the_way_the_old_text_stays(session: ReportSession) -> None:
    _drafted(session, 3)
    session.restart_draft()
    _write(session, FIRST[0])
    session.stop_draft()
    assert session.report.text.strip() == "".join(FIRST[:3]).strip()
    assert not session.drafting


def test_begun_anew_twice(session: ReportSession) -> None:
    _drafted(session, 2)
    for count in (1, 3):
        session.restart_draft()
        _write(session, *FIRST[:count])
    session.restart_draft()
    _write(session, *FIRST)
    session.stop_draft(RECEIPT)
    assert session.report.text.strip() == "".join(FIRST)


def test_without_a_draft_nothing_begins_anew(session: ReportSession) -> None:
    session.edit(0, 0, "Typed.")
    session.restart_draft()
    session.write("late", (-0.1,))
    assert session.report.text == "Typed."


@given(before=st.text("ab", max_size=6), pieces=st.lists(st.text("ab", min_size=1, max_size=3)))
def test_what_stood_there_and_what_is_new_make_what_came(before: str, pieces: list[str]) -> None:
    rewriting, heard = Rewriting(before), ""
    for piece in pieces:
        new = rewriting.take(piece, ())
        heard += piece
        if new is None:
            assert not heard.startswith(before)
            assert not before.startswith(heard)
            return
        if new:
            assert before + new == heard
            return
        assert before.startswith(heard)
    assert rewriting.is_same == (heard == before)
