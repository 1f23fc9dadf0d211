"""Whose every character is, under any edit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_runtime.api import Provenance, Task
from workstation.core.authorship import Fragment, Origin
from workstation.core.report import (
    Report,
    accept,
    append_model_text,
    begin_run,
    edited,
    end_run,
    replaced,
)
from workstation.core.report_history import ReportHistory, accepting, replacing
from workstation.core.report_json import from_json, to_json
from workstation.core.sentences import headings, sentences

DRAFT = "Findings:\nA 14.5 mm nodule in the right lower lobe. No pleural effusion.\n"
ALPHABET = "ab .\nFé9\U0001f4a1"


def drafted(text=DRAFT, run_id="r1", report=None):
    report = begin_run(report or Report(), run_id, 0)
    for token in text.splitlines(keepends=True):
        report = append_model_text(report, token, run_id, [math.log(0.5)])
    return end_run(report, run_id)


def origins(report):
    return [(s.text, s.origin) for s in report.sentences]


def assert_authorship_holds(report):
    """Model characters are exactly those the model wrote; lengths add up."""
    at = 0
    for piece in report.content.pieces:
        if piece.run_id:
            source = report.run(piece.run_id).text
            assert report.text[at : at + piece.length] == source[piece.start :][: piece.length]
        at += piece.length
    assert at == len(report.text)


def test_a_model_draft_is_the_models_sentence_by_sentence():
    assert origins(drafted()) == [
        ("A 14.5 mm nodule in the right lower lobe.", Origin.MODEL),
        ("No pleural effusion.", Origin.MODEL),
    ]


def test_headings_are_structure_and_not_sentences():
    text = "Technique: CT chest.\nFINDINGS\nClear. Findings are few.\nImpression:\n"
    assert [h.name for h in headings(text)] == ["Technique", "Findings", "Impression"]
    assert [text[s.start : s.end] for s in sentences(text)] == [
        "CT chest.",
        "Clear.",
        "Findings are few.",
    ]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Size 1.4 cm. Stable.", ["Size 1.4 cm.", "Stable."]),
        ("1. Nodule. 2 mm.", ["1. Nodule.", "2 mm."]),
        ("Cysts, e.g. renal. Done!", ["Cysts, e.g. renal.", "Done!"]),
        ("One\ntwo", ["One", "two"]),
        (" \n\t", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text, parts):
    assert [text[s.start : s.end] for s in sentences(text)] == parts


def test_one_typed_letter_makes_a_model_sentence_edited_and_keeps_the_original():
    report = edited(drafted(), DRAFT.replace("pleural", "left pleural"))
    nodule, effusion = report.sentences
    assert nodule.origin is Origin.MODEL
    assert effusion.origin is Origin.EDITED
    assert effusion.original == "No pleural effusion."


def test_deleting_a_word_makes_a_model_sentence_edited():
    report = edited(drafted(), DRAFT.replace("No pleural", "pleural"))
    assert report.sentences[1].origin is Origin.EDITED


def test_splitting_and_joining_model_sentences_makes_them_edited():
    split = edited(drafted(), DRAFT.replace("nodule in", "nodule. in"))
    assert [s.origin for s in split.sentences] == [Origin.EDITED, Origin.EDITED, Origin.MODEL]
    joined = edited(drafted(), DRAFT.replace("lobe. No", "lobe No"))
    assert [s.origin for s in joined.sentences] == [Origin.EDITED]
    assert joined.sentences[0].original.endswith("lobe. No pleural effusion.")


def test_a_sentence_typed_between_model_sentences_is_human():
    report = edited(drafted(), DRAFT.replace("No pl", "Typed by me. No pl"))
    assert [s.origin for s in report.sentences] == [Origin.MODEL, Origin.HUMAN, Origin.MODEL]


def test_model_words_cut_and_pasted_stay_the_models():
    report = drafted()
    sentence = report.sentences[1]
    words = report.content.part(sentence.start, sentence.end)
    without = replaced(report, sentence.start, len(words), "")
    pasted = replaced(replaced(without, 0, 0, "\n"), 0, 0, words)
    assert pasted.sentences[0].origin is Origin.MODEL
    assert_authorship_holds(pasted)


def test_confidence_is_the_mean_probability_of_the_sentences_tokens():
    report = begin_run(Report(), "r", 0)
    for token, probability in [("Clear", 0.9), (" lungs.", 0.7), (" No", 0.2), (" mass.", 0.4)]:
        report = append_model_text(report, token, "r", [math.log(probability)])
    assert [s.confidence for s in report.sentences] == pytest.approx([0.8, 0.3])


def test_confidences_do_not_depend_on_how_many_tokens_come_at_once():
    tokens = [("No", 0.9), (" effusion.", 0.7), ("", 0.1), (" A", 0.2), (" nodule.", 0.4)]
    one_by_one = together = begin_run(Report(), "r1", 0)
    for text, probability in tokens:
        one_by_one = append_model_text(one_by_one, text, "r1", [math.log(probability)])
    together = append_model_text(
        together,
        "".join(text for text, _ in tokens),
        "r1",
        [math.log(probability) for _, probability in tokens],
        [len(text) for text, _ in tokens],
    )
    assert together == one_by_one
    assert [s.confidence for s in together.sentences] == pytest.approx([0.8, 0.3])


def test_text_without_probabilities_has_no_confidence():
    report = append_model_text(begin_run(Report(), "r", 0), "Clear.", "r")
    assert report.sentences[0].confidence is None
    assert from_json(to_json(report)).sentences[0].confidence is None


def test_an_acceptance_stands_until_its_sentence_changes():
    report = drafted()
    report = accept(report, report.sentences[1])
    elsewhere = edited(report, "Typed.\n" + report.text)
    assert [s.accepted for s in elsewhere.sentences] == [False, False, True]
    for text in (DRAFT.replace("No pl", "pl"), DRAFT.replace("effusion", "effusions")):
        assert not any(s.accepted for s in edited(report, text).sentences)


def test_a_humans_sentence_needs_no_acceptance():
    report = edited(Report(), "Mine.")
    assert not accept(report, report.sentences[0]).sentences[0].accepted


def test_an_ended_run_takes_no_more_text():
    with pytest.raises(ValueError, match="has ended"):
        append_model_text(drafted(), "late", "r1")
    with pytest.raises(ValueError, match="already"):
        begin_run(drafted(), "r1", 0)


def test_json_keeps_text_authorship_acceptance_and_receipts():
    receipt = Provenance("demo", "ab12", True, Task.REPORT, grid=(64, 128, 128), notes=("n",))
    report = end_run(begin_run(Report(), "r2", 0), "r2", receipt)
    report = edited(drafted(report=report), DRAFT.replace("pleural", "größerer pleural"))
    report = accept(report, report.sentences[0])
    back = from_json(to_json(report))
    assert back == report
    assert back.run("r2").provenance == receipt


text_edits = st.lists(
    st.tuples(st.integers(0, 200), st.integers(0, 30), st.text(ALPHABET, max_size=6)), max_size=15
)


@given(text_edits)
def test_text_is_what_was_typed_and_authorship_never_drifts(edits):
    report, text = drafted(), DRAFT
    for position, removed, inserted in edits:
        start = min(position, len(text))
        removed = min(removed, len(text) - start)  # noqa: PLW2901
        text = text[:start] + inserted + text[start + removed :]
        human_before = _count(report, "")
        model_out = _count_part(report, start, start + removed)
        report = replaced(report, start, removed, inserted)
        assert report.text == text
        assert_authorship_holds(report)
        human_out = removed - model_out
        assert _count(report, "") == human_before - human_out + len(inserted)
    assert from_json(to_json(report)) == report


@given(st.text(ALPHABET, max_size=30), st.text(ALPHABET, max_size=30))
def test_an_edit_known_only_by_its_outcome_leads_to_that_text(old, new):
    report = edited(drafted(old), new)
    assert report.text == new
    assert_authorship_holds(report)


@given(
    st.lists(
        st.tuples(st.booleans(), st.integers(0, 80), st.integers(0, 5), st.text(ALPHABET)),
        max_size=len(DRAFT),
    )
)
def test_writing_and_typing_at_once_disturb_each_other_in_nothing(edits):
    """What is typed before and after the model's place arrives whole, and so does the draft."""
    before, after, written = "Mine before.\n", "\nMine after.", ""
    report = begin_run(edited(Report(), before + after), "r", len(before))
    for token, (first, position, removed, inserted) in zip(DRAFT, edits, strict=False):
        report = append_model_text(report, token, "r")
        written += token
        side = before if first else after
        start = min(position, len(side))
        gone = min(removed, len(side) - start)
        side = side[:start] + inserted + side[start + gone :]
        place = start if first else len(before) + len(written) + start
        before, after = (side, after) if first else (before, side)
        report = replaced(report, place, gone, inserted)
        assert report.text == before + written + after
        assert_authorship_holds(report)
    assert _model_text(report) == written


history_steps = st.lists(
    st.one_of(
        st.tuples(
            st.just("edit"),
            st.integers(0, 120),
            st.integers(0, 20),
            st.text("ab .\n", max_size=4),
        ),
        st.just(("undo",)),
        st.just(("redo",)),
        st.tuples(st.just("accept"), st.integers(0, 5)),
        st.tuples(st.just("write"), st.text("xy. ", min_size=1, max_size=4)),
    ),
    max_size=40,
)


@given(history_steps)
def test_undo_while_the_model_writes_takes_back_only_what_the_person_did(steps):
    report = begin_run(drafted(), "live", len(DRAFT))
    history = ReportHistory()
    for step in steps:
        report = _step(report, history, step)
        assert_authorship_holds(report)
        assert all(s in {(x.start, x.end) for x in report.sentences} for s in report.accepted)
    while (later := history.redo(report)) is not None:
        report = later
    undone = report
    while (earlier := history.undo(undone)) is not None:
        undone = earlier
        assert_authorship_holds(undone)
    again = undone
    while (later := history.redo(again)) is not None:
        again = later
    assert again.content == report.content
    assert again.accepted == report.accepted


@given(history_steps.map(lambda steps: [s for s in steps if s[0] != "write"]))
def test_undoing_everything_leads_back_to_the_beginning(steps):
    start = drafted()
    report, history = start, ReportHistory()
    for step in steps:
        report = _step(report, history, step)
    while (earlier := history.undo(report)) is not None:
        report = earlier
    assert report == start


def test_a_finished_draft_is_one_step_and_an_unfinished_one_is_none():
    report, history = Report(), ReportHistory()
    report = begin_run(report, "r", 0)
    change = replacing(report, 0, 0, Fragment())
    history.record(type(change)(0, run_id="r"))
    for token in ("No ", "mass."):
        history.written(report.run("r").anchor, *_fragment(report, token))
        report = append_model_text(report, token, "r")
    assert history.undo(report) is None
    report = end_run(report, "r")
    undone = history.undo(report)
    assert undone is not None
    assert undone.text == ""
    redone = history.redo(undone)
    assert redone is not None
    assert redone.sentences[0].origin is Origin.MODEL


def test_typing_is_undone_word_by_word():
    report, history = Report(), ReportHistory()
    for index, letter in enumerate("No mass"):
        change = replacing(report, index, 0, Fragment.human(letter))
        history.record(change)
        report = change.apply(report)
    undone = history.undo(report)
    assert undone is not None
    assert undone.text == "No "


def _fragment(report, token):
    after = append_model_text(report, token, "r")
    anchor = report.run("r").anchor
    return after.content.part(anchor, anchor + len(token)), "r"


def _step(report, history, step):
    if step[0] == "edit":
        position = min(step[1], len(report.text))
        removed = min(step[2], len(report.text) - position)
        change = replacing(report, position, removed, Fragment.human(step[3]))
        history.record(change)
        return change.apply(report)
    if step[0] == "undo":
        return history.undo(report) or report
    if step[0] == "redo":
        return history.redo(report) or report
    if step[0] == "accept":
        if not report.sentences:
            return report
        sentence = report.sentences[step[1] % len(report.sentences)]
        change = accepting(report, sentence, not sentence.accepted)
        history.record(change)
        return change.apply(report)
    anchor = report.run("live").anchor
    after = append_model_text(report, step[1], "live")
    history.written(anchor, after.content.part(anchor, anchor + len(step[1])), "live")
    return after


def _count(report, run_id):
    return sum(p.length for p in report.content.pieces if p.run_id == run_id)


def _count_part(report, start, end):
    return sum(p.length for p in report.content.part(start, end).pieces if p.run_id)


def _split_text(report):
    at, found = 0, []
    for piece in report.content.pieces:
        found.append((bool(piece.run_id), report.text[at : at + piece.length]))
        at += piece.length
    return found


def _model_text(report):
    return "".join(text for model, text in _split_text(report) if model)
