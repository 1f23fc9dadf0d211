"""Every sentence and every answer follows from the case."""

from __future__ import annotations

import re

import numpy as np
import pytest

from model_runtime.phantom.case import KINDS, SIDES, sample_case
from model_runtime.phantom.language import (
    TRUTH_NAMES,
    caption,
    questions,
    report,
    short_name,
    truth,
)

SEEDS = range(200_000, 200_400)


@pytest.fixture(scope="module")
def cases():
    return [sample_case(seed) for seed in SEEDS]


def findings_text(case):
    lines = report(case, np.random.default_rng(case.seed)).split("\n")
    assert [line.split(":")[0] for line in lines] == ["Technique", "Findings", "Impression"]
    return lines[1].removeprefix("Findings: "), lines[2].removeprefix("Impression: ")


def test_about_a_fifth_are_normal_and_every_kind_occurs(cases):
    normal = sum(not case.findings for case in cases) / len(cases)
    assert 0.12 < normal < 0.35
    assert {f.kind for case in cases for f in case.findings} == set(KINDS)
    assert {case.region.value for case in cases} == {"chest", "abdomen", "head"}


def test_side_words_are_exactly_those_of_the_findings(cases):
    for case in cases:
        told, _ = findings_text(case)
        sides = set(re.findall(r"\b(left|right)\b", told.lower()))
        assert sides == {f.place.split()[0] for f in case.findings if f.place}


def test_sizes_are_exactly_those_of_the_findings(cases):
    for case in cases:
        told, _ = findings_text(case)
        sizes = sorted(int(number) for number in re.findall(r"(\d+) mm", told))
        assert sizes == sorted(f.size for f in case.findings if f.size)


def test_the_impression_names_each_finding_once(cases):
    for case in cases:
        _, summed = findings_text(case)
        if not case.findings:
            assert summed == "No abnormality."
            continue
        names = summed.lower().removesuffix(".").split(", ")
        assert sorted(names) == sorted(short_name(f) for f in case.findings)


def test_nothing_present_is_denied(cases):
    denials = {
        "pleural effusion": "no pleural effusion",
        "pneumothorax": "no pneumothorax",
        "ascites": "no ascites",
        "gallstones": "no gallstones",
        "infarct": "no infarct",
        "cardiomegaly": "heart size",
        "splenomegaly": "spleen is normal",
    }
    for case in cases:
        told = findings_text(case)[0].lower()
        for kind, denial in denials.items():
            if case.find(kind):
                assert denial not in told


def test_words_are_few(cases):
    words = {
        word
        for case in cases
        for word in re.findall(r"[a-z]+", report(case, np.random.default_rng(case.seed)).lower())
    }
    assert len(words) < 400


def test_questions_are_of_the_five_types_and_answered_among_their_choices(cases):
    kinds = set()
    for case in cases:
        for question in questions(case, np.random.default_rng(case.seed)):
            kinds.add(question.kind)
            assert question.answer in question.choices
            assert len(set(question.choices)) == len(question.choices)
    assert kinds == {"plane", "phase", "organ", "abnormality", "location", "yes/no"}


def test_wrong_choices_are_wrong(cases):
    for case in cases:
        for question in questions(case, np.random.default_rng(case.seed)):
            if question.kind == "abnormality":
                others = set(question.choices) - {question.answer}
                assert not others & {f.kind for f in case.findings}
            if question.kind == "yes/no":
                present = any(f"{f.kind}?" in question.text for f in case.findings)
                if present:
                    assert question.answer == "yes"


def test_the_right_choice_has_no_favourite_place(cases):
    places = [
        question.choices.index(question.answer)
        for case in cases
        for question in questions(case, np.random.default_rng(case.seed))
        if len(question.choices) == 4
    ]
    assert np.bincount(places, minlength=4).min() > 0.2 * len(places)


def test_truth_labels_are_the_findings(cases):
    assert len(set(TRUTH_NAMES)) == len(TRUTH_NAMES)
    for case in cases:
        labels = dict(zip(TRUTH_NAMES, truth(case), strict=True))
        assert {k for k in KINDS if labels[k]} == {f.kind for f in case.findings}
        for side in SIDES:
            told = any(f.kind == "pleural effusion" and f.place == side for f in case.findings)
            assert labels[f"pleural effusion {side}"] == told


def test_captions_depend_on_the_generator_only(cases):
    case = cases[0]
    first = [caption(case, np.random.default_rng(n)) for n in range(20)]
    assert first == [caption(case, np.random.default_rng(n)) for n in range(20)]
    assert len(set(first)) > 1
