"""The report reader finds what the language writes, and counts honestly."""

from __future__ import annotations

import numpy as np
import pytest

from model_runtime.evaluation.findings import score_reports, stated_findings
from model_runtime.phantom.case import Case, sample_case
from model_runtime.phantom.language import report


def _told(case: Case, seed: int = 0) -> str:
    return report(case, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(60))
def test_every_true_report_is_read_back(seed: int) -> None:
    case = sample_case(seed)
    stated = sorted((f.kind, f.size) for f in stated_findings(_told(case, seed)))
    assert stated == sorted((f.kind, f.size) for f in case.findings)


def test_true_reports_score_one_and_swapped_ones_less() -> None:
    cases = [sample_case(seed) for seed in range(40)]
    reports = [_told(case) for case in cases]
    scores = score_reports(cases, reports)
    assert scores.micro().f1 == 1
    assert scores.macro_f1() == 1
    assert scores.sides[False] == 0
    assert scores.sides[True] > 0
    assert set(scores.size_errors) == {0}
    swapped = score_reports(cases, [*reports[1:], reports[0]])
    assert swapped.micro().f1 < 0.4


def test_wrong_sides_and_sizes_are_seen() -> None:
    case = sample_case(1)
    wrong = (
        "Technique: Synthetic CT of the chest, arterial.\n"
        "Findings: There is a 50 mm mass in the left lower lobe. There is ascites.\n"
        "Impression: Left lower lobe mass."
    )
    scores = score_reports([case], [wrong])
    assert scores.kinds["mass"].right == 1
    assert scores.sides[False] == 1
    assert scores.size_errors == [10]
    assert scores.kinds["pneumothorax"].missed == 1


def test_negations_and_the_impression_are_no_findings() -> None:
    assert stated_findings("Findings: No pleural effusion is seen. No nodule or mass.\nImpression: "
                           "There is cardiomegaly.") == []
