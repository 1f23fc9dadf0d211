"""The report reader finds what the language writes, in both styles, and counts honestly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_runtime.api import Region
from model_runtime.evaluation.findings import (
    score_reports,
    share,
    stated_findings,
    unread_sentences,
)
from model_runtime.phantom.case import KINDS, Case, Finding, sample_case
from model_runtime.phantom.language import report

_SEEDS = {False: 200_000, True: 400_000}


def _told(case: Case, seed: int = 0) -> str:
    return report(case, np.random.default_rng(seed))


def _case(*findings: Finding, region: Region = Region.CHEST) -> Case:
    return replace(sample_case(1), region=region, findings=findings)


def _plain(findings: object) -> list[Finding]:
    assert isinstance(findings, (list, tuple))
    return sorted((replace(f, at=(0.0, 0.0, 0.0)) for f in findings), key=repr)


@pytest.mark.parametrize("held_out", [False, True])
def test_a_thousand_true_reports_are_read_back_whole(held_out: bool) -> None:
    cases = [sample_case(_SEEDS[held_out] + n, held_out) for n in range(1000)]
    reports = [_told(case, case.seed) for case in cases]
    for case, text in zip(cases, reports, strict=True):
        assert _plain(stated_findings(text)) == _plain(case.findings), text
        assert unread_sentences(text) == [], text
    scores = score_reports(cases, reports)
    assert (scores.micro().f1, scores.macro_f1(), share(scores.whole)) == (1, 1, 1)
    assert set(scores.kinds) == set(KINDS)
    for counts in (scores.sides, scores.places, scores.degrees, scores.numbers):
        assert counts[False] == 0
        assert counts[True] > 50
    assert set(scores.size_errors) == {0}
    assert scores.unread == 0


def test_reports_of_other_cases_score_low() -> None:
    cases = [sample_case(seed) for seed in range(200)]
    reports = [_told(case) for case in cases]
    swapped = score_reports(cases, [*reports[1:], reports[0]])
    assert swapped.micro().f1 < 0.3
    assert share(swapped.whole) < 0.5


def test_wrong_sides_sizes_degrees_and_numbers_are_seen() -> None:
    case = _case(
        Finding("mass", "right lower lobe", 40),
        Finding("pneumothorax", "right", degree="small"),
        Finding("lymphadenopathy", size=20, count=3),
    )
    wrong = (
        "Technique: Synthetic CT of the chest, axial plane, arterial phase.\n"
        "Findings: There is a 50 mm mass in the left lower lobe. Moderate volume ascites is seen. "
        "There is mediastinal lymphadenopathy with two enlarged nodes of up to 20 mm.\n"
        "Impression: Left lower lobe mass."
    )
    scores = score_reports([case], [wrong])
    assert scores.kinds["mass"].right == 1
    assert scores.sides[False] == 1
    assert sorted(scores.size_errors) == [0, 10]
    assert scores.kinds["pneumothorax"].missed == 1
    assert scores.kinds["ascites"].invented == 1
    assert scores.numbers == {False: 1}
    assert scores.whole == {False: 2}


def test_each_of_two_nodules_is_compared_with_its_own() -> None:
    case = _case(
        Finding("nodule", "left upper lobe", 10), Finding("nodule", "right lower lobe", 30)
    )
    told = (
        "Findings: A 25 mm nodule is seen in the right lower lobe. "
        "There is a 10 mm nodule in the left upper lobe. There is a 15 mm nodule in the "
        "left lower lobe."
    )
    scores = score_reports([case], [told])
    tally = scores.kinds["nodule"]
    assert (tally.right, tally.invented, tally.missed) == (2, 1, 0)
    assert sorted(scores.size_errors) == [0, 5]
    assert scores.sides == {True: 2}
    one = score_reports([case], ["Findings: A 30 mm nodule is seen in the right lower lobe."])
    assert (one.kinds["nodule"].missed, one.size_errors) == (1, [0])


def test_a_looping_draft_is_counted_and_ends() -> None:
    told = "Findings: " + "There is ascites of doubtful words. There is mild cardiomegaly. " * 30
    scores = score_reports([_case(Finding("cardiomegaly", degree="mild"))], [told])
    assert scores.kinds["cardiomegaly"].invented == 29
    assert scores.unread == 30


def test_places_that_do_not_exist_are_wrong_places() -> None:
    case = _case(Finding("nodule", "left lower lobe", 20))
    scores = score_reports([case], ["Findings: There is a 20 mm nodule in the left middle lobe."])
    assert scores.places == {False: 1}
    assert scores.sides == {True: 1}


def test_negations_and_the_impression_are_no_findings() -> None:
    text = (
        "Findings: No pleural effusion is seen. No pulmonary nodule or mass. "
        "Unremarkable appearance of the bones.\nImpression: There is mild cardiomegaly."
    )
    assert stated_findings(text) == []
    assert unread_sentences(text) == []
    assert unread_sentences("Findings: No nodule or purple mass.") == ["No nodule or purple mass"]
