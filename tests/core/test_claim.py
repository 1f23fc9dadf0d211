"""What a sentence claims, after what, and on whose account."""

from __future__ import annotations

from model_runtime.api import HuWindow, Provenance, Task
from workstation.core.authorship import Origin
from workstation.core.claim import Claim, claim_of
from workstation.core.report import (
    Report,
    append_model_text,
    begin_run,
    edited,
    end_run,
    replaced,
)

RECEIPT = Provenance(
    "demo", "ab", True, Task.REPORT, series="Chest", slice_count=110,
    window=HuWindow(-160, 240),
)  # fmt: skip


def a_report(receipt=RECEIPT):
    report = begin_run(replaced(Report(), 0, 0, "I typed this.\n"), "run", 14, receipt)
    report = append_model_text(report, "Findings:\nNo effusion. A nodule. Normal heart.", "run")
    return end_run(report, "run", receipt)


def claim(report, text):
    return claim_of(report, next(s for s in report.sentences if s.text == text))


def test_a_models_sentence_stands_after_what_the_model_wrote_not_after_a_persons_words():
    found = claim(a_report(), "A nodule.")
    assert found == Claim("A nodule.", context="Findings:\nNo effusion. ", receipt=RECEIPT)
    assert found.window == HuWindow(-160, 240)


def test_what_became_of_the_words_before_does_not_matter():
    report = a_report()
    shorter = edited(report, report.text.replace("No effusion. ", ""))
    assert claim(shorter, "A nodule.").context == "Findings:\nNo effusion. "


def test_an_edited_sentence_is_judged_as_it_stands_now():
    report = a_report()
    changed = edited(report, report.text.replace("A nodule.", "A 9 mm nodule."))
    found = claim(changed, "A 9 mm nodule.")
    assert (found.target, found.origin) == ("A 9 mm nodule.", Origin.EDITED)
    assert found.context == "Findings:\nNo effusion. "


def test_a_persons_sentence_stands_after_all_that_is_written_before_it():
    report = a_report()
    more = replaced(report, len(report.text), 0, " Mine.")
    found = claim(more, "Mine.")
    assert found == Claim("Mine.", Origin.HUMAN, context=report.text + " ")
    assert found.window is None


def test_an_inserted_answer_keeps_its_question():
    receipt = Provenance("demo", "ab", True, Task.QUESTION, prompt=" Is there a nodule?")
    assert claim(a_report(receipt), "A nodule.").question == "Is there a nodule?"


def test_a_claim_knows_which_series_it_is_about():
    found = claim(a_report(), "A nodule.")
    assert found.is_about("Chest", 110)
    assert not found.is_about("Chest", 111)
    assert not found.is_about("Abdomen", 110)
    assert Claim("Mine.", Origin.HUMAN).is_about("Abdomen", 3)
