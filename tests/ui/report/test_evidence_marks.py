"""What stands beside a sentence once its evidence is known, and how the verdict is worded."""

from __future__ import annotations

import math

import pytest
from PySide6.QtWidgets import QLabel

from model_runtime.api import Evidence, Provenance, Task
from workstation.core.authorship import Origin
from workstation.core.claim import claim_of
from workstation.core.report import Sentence
from workstation.ui.evidence_view import Explained, verdict
from workstation.ui.report_marks import note_of

RECEIPT = Provenance("demo", "ab" * 32, True, Task.REPORT)


def found(grounding, grounded):
    return Evidence((), False, grounding, grounded, "The model's evidence is not localised.")


def sentence(text, confidence=0.82, accepted=False):
    return Sentence(text, Origin.MODEL, 0, 9, accepted, "run", text, confidence)


@pytest.mark.parametrize(
    ("ending", "known", "note"),
    [
        (["A."], {}, "0.82"),
        (["A."], {"A.": True}, "◎ 0.82"),
        (["A."], {"A.": False}, "○ habit"),
        (["A.", "B."], {"A.": True}, "≥ 0.82"),
        (["A.", "B."], {"A.": True, "B.": True}, "◎ ≥ 0.82"),
        (["A.", "B."], {"A.": True, "B.": False}, "≥ 0.82"),
    ],
)
def test_a_circle_stands_only_where_the_evidence_of_all_is_known(ending, known, note):
    told = note_of([sentence(text) for text in ending], lambda each: known.get(each.text))
    assert told == note


def test_of_two_equal_sentences_only_the_one_that_was_asked_about_is_marked(a_panel, a_session):
    a_panel.begin_draft("run-1")
    a_panel.add_text("A nodule. No effusion. A nodule.", [math.log(0.8)])
    a_panel.finish_draft(RECEIPT)
    first, _, second = a_session.report.sentences
    a_panel.evidence.tell(
        Explained(claim_of(a_session.report, second), found(0.9, grounded=True), "key")
    )
    assert a_panel.editor.is_grounded(second) is True
    assert a_panel.editor.is_grounded(first) is None
    a_panel.editor.grab()  # the marks are painted
    a_panel.show_session(None)
    assert a_panel.editor.is_grounded(second) is None


def test_a_changed_sentence_loses_its_mark(a_panel, a_session):
    a_panel.begin_draft("run-1")
    a_panel.add_text("A nodule.", [math.log(0.8)])
    a_panel.finish_draft(RECEIPT)
    (only,) = a_session.report.sentences
    a_panel.evidence.tell(
        Explained(claim_of(a_session.report, only), found(0.0, grounded=False), "key")
    )
    assert a_panel.editor.is_grounded(a_session.report.sentences[0]) is False
    a_session.edit(2, 0, "9 mm ")
    assert a_panel.editor.is_grounded(a_session.report.sentences[0]) is None


def test_the_verdict_is_said_in_times_as_likely():
    assert verdict(found(math.log(2.5), grounded=True)).startswith("◎ Grounded: with the image 2.5")
    assert "1.0 times" in verdict(found(0.001, grounded=False))
    assert "○ Said from habit" in verdict(found(0.001, grounded=False))
    assert "habit" not in verdict(found(0.001, grounded=False), Origin.HUMAN)
    assert "over 100 times" in verdict(found(800.0, grounded=True))


def test_grounded_is_never_left_without_its_caution(a_panel):
    def shown():
        return [each.text() for each in a_panel.evidence.findChildren(QLabel) if each.isVisible()]

    a_panel.session.edit(0, 0, "A nodule.")
    claim = claim_of(a_panel.editor.report, a_panel.editor.report.sentences[0])
    for grounded in (True, False):
        a_panel.evidence.tell(Explained(claim, found(0.3, grounded=grounded), "key"))
        assert ("That does not make it true." in shown()) == grounded

