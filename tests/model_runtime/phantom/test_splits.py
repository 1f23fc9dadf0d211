"""No report is in two splits, and the overlap is measured as it is."""

from __future__ import annotations

import numpy as np
import pytest

from model_runtime.phantom.case import sample_case
from model_runtime.phantom.language import finding_sentences, report
from model_runtime.phantom.splits import (
    FIRST_SEEDS,
    belongs,
    overlap,
    plain,
    seeds_of,
    split_of,
)


def reports(seeds: range, held_out: bool = False) -> list[str]:
    return [report(sample_case(seed, held_out), np.random.default_rng(seed)) for seed in seeds]


@pytest.fixture(scope="module")
def trained() -> list[str]:
    return reports(seeds_of("training", 5000))


@pytest.mark.parametrize(
    ("split", "count"), [("test", 2000), ("validation", 500), ("priors", 500)]
)
def test_no_report_of_training_is_in_another_split(
    trained: list[str], split: str, count: int
) -> None:
    told = reports(seeds_of(split, count))
    measured = overlap(trained, told)
    assert (measured.reports, measured.word_for_word, measured.lower_cased) == (count, 0, 0)


def test_not_even_the_findings_sections_are_shared(trained: list[str]) -> None:
    def findings(texts: list[str]) -> list[str]:
        return [text.split("\n")[1] for text in texts]

    told = reports(seeds_of("test", 2000))
    assert overlap(findings(trained), findings(told)).lower_cased == 0
    assert overlap(trained, reports(seeds_of("held-out style", 200), True)).lower_cased == 0


def test_the_same_patient_in_another_split_is_told_in_other_words() -> None:
    """Even one and the same case with the same draws reads differently by its split."""
    for seed in range(60):
        case = sample_case(seed)
        told = " ".join(finding_sentences(case, np.random.default_rng(1)))
        assert belongs(told, seed)
        assert not belongs(told, 200_000 + seed)


def test_normal_scans_of_one_region_read_differently(trained: list[str]) -> None:
    normal = [
        report(case, np.random.default_rng(case.seed))
        for case in map(sample_case, seeds_of("test", 2000))
        if not case.findings
    ]
    assert len(normal) > 100
    assert len(set(normal)) > 0.95 * len(normal)
    assert overlap(trained, normal).lower_cased == 0


def test_overlap_counts_what_differs_in_case_and_punctuation_apart() -> None:
    measured = overlap(["A b.", "C"], ["A b.", "a  B", "d", "C"])
    assert (measured.reports, measured.word_for_word, measured.lower_cased) == (4, 2, 3)
    assert "2 of 4" in str(measured)
    assert plain("A 20 mm, Nodule!\n") == "a 20 mm nodule"


def test_seeds_know_their_split() -> None:
    for split, first in FIRST_SEEDS.items():
        assert split_of(first) == split
        assert split_of(first + 99_999) == split
        assert seeds_of(split, 3) == range(first, first + 3)
    with pytest.raises(ValueError, match="negative"):
        split_of(-1)
    with pytest.raises(ValueError, match="100000 seeds"):
        seeds_of("training", 100_001)
