"""Questions are answered by the case, and cannot be answered without it."""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import numpy as np
import pytest

from model_runtime.phantom.case import KINDS, SIDES, Case, kinds_of, sample_case
from model_runtime.phantom.phrases import NUMBERS
from model_runtime.phantom.phrases_held_out import QUESTIONS as HELD_OUT_QUESTIONS
from model_runtime.phantom.question_words import (
    ABSENT,
    NO_ABNORMALITY,
    NO_ORGAN,
    QUESTIONS,
    both,
    counted,
    named,
    noun,
    place_name,
)
from model_runtime.phantom.questions import Question, abnormalities_of, organs_of, questions

TYPES = {"plane", "phase", "organ", "abnormality", "location"}
Asked = list[tuple[Case, Question]]


def ask(seeds: range, held_out: bool = False) -> Asked:
    cases = [sample_case(seed, held_out) for seed in seeds]
    return [
        (case, question)
        for case in cases
        for question in questions(case, np.random.default_rng([case.seed, 11]))
    ]


@pytest.fixture(scope="module")
def trained() -> Asked:
    return ask(range(3000))


@pytest.fixture(scope="module")
def asked() -> Asked:
    return ask(range(200_000, 201_200))


def patterns(style: dict[str, tuple[str, ...]]) -> list[tuple[str, re.Pattern[str]]]:
    return [
        (form, re.compile(re.sub(r"\\\{\w+\\\}", "(.+)", re.escape(text))))
        for form, texts in style.items()
        for text in texts
    ]


USUAL, HELD_OUT = patterns(QUESTIONS), patterns(HELD_OUT_QUESTIONS)


def form_of(question: Question, forms: list[tuple[str, re.Pattern[str]]]) -> tuple[str, str]:
    """Find the form of a question and what it asks about."""
    for form, pattern in forms:
        if match := pattern.fullmatch(question.text):
            return form, "".join(match.groups())
    raise AssertionError(question.text)


def test_all_types_are_asked_with_four_distinct_choices(asked: Asked) -> None:
    assert {question.kind for _, question in asked} == TYPES | {"yes/no"}
    for _, question in asked:
        assert question.answer in question.choices
        assert len(set(question.choices)) == (2 if question.kind == "yes/no" else 4)


def test_plain_answers_are_those_of_the_case(asked: Asked) -> None:
    for case, question in asked:
        form, _ = form_of(question, USUAL)
        wanted = {
            "plane": case.plane,
            "phase": case.phase,
            "region": case.region.value,
            "organ": organs_of(case),
            "abnormality": abnormalities_of(case),
        }
        if form in wanted:
            assert question.answer == wanted[form]


def test_lists_name_exactly_what_is_there(asked: Asked) -> None:
    for case, _ in asked:
        listed = abnormalities_of(case)
        parts = set(re.split(", | and ", listed)) - {NO_ABNORMALITY}
        assert parts == {noun(finding.kind) for finding in case.findings}
        assert (listed == NO_ABNORMALITY) == (not case.findings)
        assert (organs_of(case) == NO_ORGAN) == all(
            finding.kind
            in ("port catheter", "sternotomy wires", "hip prosthesis", "ventricular shunt")
            for finding in case.findings
        )


def attribute(case: Case, form: str, kind: str) -> str:
    found = [finding for finding in case.findings if finding.kind == kind]
    if not found:
        return ABSENT
    if len(found) > 1:
        assert form == "location"
        assert {finding.place for finding in found} == set(SIDES)
        return both(kind)
    return {
        "degree": found[0].degree,
        "number": NUMBERS[found[0].count],
        "size": f"{found[0].size} mm",
        "location": place_name(kind, found[0].place),
    }[form]


def test_attributes_are_those_of_the_finding(asked: Asked) -> None:
    seen: Counter[str] = Counter()
    for case, question in asked:
        form, about = form_of(question, USUAL)
        if form not in ("degree", "number", "size", "location"):
            continue
        name = counted if form == "number" else noun
        kind = next(kind for kind in kinds_of(case.region) if name(kind) == about)
        assert question.answer == attribute(case, form, kind)
        assert question.kind == ("location" if form == "location" else "abnormality")
        seen[form] += 1
    assert min(seen[form] for form in ("degree", "number", "size", "location")) > 20


def test_yes_means_present_there(asked: Asked) -> None:
    for case, question in asked:
        if question.kind != "yes/no":
            continue
        _, told = form_of(question, USUAL)
        there = {named(finding.kind) for finding in case.findings}
        for finding in case.findings:
            place = place_name(finding.kind, finding.place)
            there |= {f"{named(finding.kind)} in the {place}", f"{named(finding.kind)} {place}"}
        assert (question.answer == "yes") == (told in there)


def test_yes_and_no_are_as_frequent_for_every_kind(trained: Asked) -> None:
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for _, question in trained:
        if question.kind == "yes/no":
            answers[form_of(question, USUAL)[1]][question.answer] += 1
    for kind in KINDS:
        told = answers[named(kind)]
        assert told.total() > 50
        assert 0.32 < told["yes"] / told.total() < 0.68
    whole = sum(answers.values(), Counter[str]())
    assert 0.48 < whole["yes"] / whole.total() < 0.52


def test_a_blind_guesser_gains_nothing(trained: Asked, asked: Asked) -> None:
    """Not even one who knows every training answer to the very words of the question."""
    known: Counter[tuple[str, str, str]] = Counter()
    for _, question in trained:
        known[question.kind, form_of(question, USUAL)[1], question.answer] += 1
    right: dict[str, list[bool]] = defaultdict(list)
    for _, question in asked:
        about = form_of(question, USUAL)[1]
        kind = question.kind
        best = max(question.choices, key=lambda choice: known[kind, about, choice])
        right[kind].append(best == question.answer)
    shares = {kind: float(np.mean(hits)) for kind, hits in right.items()}
    assert all(shares[kind] < 0.38 for kind in TYPES), shares
    assert shares["yes/no"] < 0.55
    assert np.mean([shares[kind] for kind in TYPES]) < 0.33


def test_length_and_place_of_a_choice_tell_nothing(asked: Asked) -> None:
    """The region's names are of three lengths, so only its own type may favour one."""
    closed = [question for _, question in asked if question.kind in TYPES - {"organ", "plane"}]
    places = [question.choices.index(question.answer) for question in closed]
    assert np.bincount(places, minlength=4).min() > 0.22 * len(places)
    for extreme in (min, max):
        hits = [extreme(question.choices, key=len) == question.answer for question in closed]
        assert 0.18 < np.mean(hits) < 0.32


def test_the_held_out_style_asks_in_other_words() -> None:
    held = ask(range(400_000, 400_300), held_out=True)
    assert {question.kind for _, question in held} == TYPES | {"yes/no"}
    for _, question in held:
        form_of(question, HELD_OUT)
        with pytest.raises(AssertionError):
            form_of(question, USUAL)
    assert set(HELD_OUT_QUESTIONS) == set(QUESTIONS)


def test_questions_depend_on_the_generator_only() -> None:
    case = sample_case(5)
    assert questions(case, np.random.default_rng(2)) == questions(case, np.random.default_rng(2))
