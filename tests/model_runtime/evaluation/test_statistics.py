"""Retrieval with ties, bootstrap intervals and calibration, against worked examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model_runtime.evaluation.calibration import calibration
from model_runtime.evaluation.intervals import (
    difference,
    estimate,
    mean_of,
    mean_of_types,
)
from model_runtime.evaluation.retrieval import (
    ceiling,
    distinct_items,
    facts_of,
    rank_own,
    retrieval_table,
)
from model_runtime.phantom.case import sample_case


def test_ties_are_counted_by_chance_and_bounded() -> None:
    scores = np.array([[1, 1, 0, 0], [0, 1, 1, 1], [3, 2, 1, 0], [0, 0, 0, 1]], np.float32)
    ranks = rank_own(scores)
    assert ranks.above.tolist() == [0, 0, 2, 0]
    assert ranks.equal.tolist() == [1, 2, 0, 0]
    assert ranks.expected(1) == pytest.approx([1 / 2, 1 / 3, 0, 1])
    assert ranks.expected(2) == pytest.approx([1, 2 / 3, 0, 1])
    assert (ranks.optimistic(1), ranks.pessimistic(1)) == (3 / 4, 1 / 4)
    assert (ranks.optimistic(3), ranks.pessimistic(3)) == (1, 1)


def test_expected_rank_is_the_mean_over_random_sorting(random: np.random.Generator) -> None:
    scores = random.integers(0, 4, (12, 12)).astype(np.float32)
    hits = np.zeros(12)
    for _ in range(4000):
        order = np.argsort(-(scores + random.uniform(0, 0.5, scores.shape)), axis=1)
        hits += (order[:, :3] == np.arange(12)[:, None]).any(axis=1) / 4000
    assert rank_own(scores).expected(3) == pytest.approx(hits, abs=0.03)


def test_a_model_that_gives_every_item_one_score_is_at_chance() -> None:
    table = retrieval_table(np.ones((120, 120)), [f"caption {n}" for n in range(120)])
    assert list(table) == ["100"]
    way = table["100"]["text to volume"]
    assert way["R@5"]["value"] == pytest.approx(5) == way["R@5"]["chance"]
    assert (way["R@1"]["optimistic"], way["R@1"]["pessimistic"]) == (100, 0)
    assert way["queries with ties"] == 100


def test_first_items_ways_and_duplicates() -> None:
    scores = np.eye(130)
    scores[:, 0] = 2  # the first caption fits every volume best
    captions = ["No  abnormality.", "no abnormality.", *(f"case {n}" for n in range(128))]
    table = retrieval_table(scores, captions)["100"]
    assert table["volume to text"]["R@1"]["value"] == 1
    assert table["volume to text"]["R@5"]["value"] == 100
    assert table["text to volume"]["R@1"]["value"] == pytest.approx(99 + 1 / 100)
    assert table["items whose caption another has too"] == 2
    assert distinct_items(captions) == [0, *range(2, 130)]
    assert list(retrieval_table(np.eye(3), captions[:3])) == ["3"]


def test_a_perfect_search_reaches_the_ceiling_and_no_more() -> None:
    captions = ["a", "a", "b", "c", "C ", "c"]
    assert ceiling(["a", "a", "b", "c", "c", "c"]) == pytest.approx(100 * 3 / 6)
    plain = np.array([0, 0, 1, 2, 2, 2])
    perfect = (plain[:, None] == plain[None]).astype(float)
    table = retrieval_table(perfect, captions, facts=[*"aabcde"])["6"]
    told = table["R@1 ceiling, identical reports"]
    assert table["volume to text"]["R@1"]["value"] == pytest.approx(told) == 50
    assert table["R@1 ceiling, identical facts"] == pytest.approx(100 * 5 / 6)


def test_facts_are_what_a_report_tells() -> None:
    case = sample_case(3)
    assert facts_of(replace(case, seed=9, age=99, noise=1.0)) == facts_of(case)
    assert facts_of(replace(case, plane="sagittal")) != facts_of(replace(case, plane="axial"))
    assert case.findings
    other = replace(case.findings[0], size=case.findings[0].size + 5)
    assert facts_of(replace(case, findings=(other, *case.findings[1:]))) != facts_of(case)
    moved = replace(case.findings[0], at=(0.3, 0.3, 0.3))
    assert facts_of(replace(case, findings=(moved, *case.findings[1:]))) == facts_of(case)


@pytest.mark.parametrize("scores", [np.ones((2, 3)), np.array([[1.0, np.nan], [0, 1]])])
def test_scores_that_rank_nothing_are_refused(scores: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"Scores of shape|not numbers"):
        rank_own(scores)


def test_the_interval_of_a_mean_is_as_wide_as_theory_says(random: np.random.Generator) -> None:
    values = random.normal(10, 2, 400)
    found = estimate(mean_of(values), 400)
    error = values.std() / np.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.03)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.03)
    assert estimate(mean_of(values), 400) == found
    assert estimate(mean_of(values), 400, seed=2) != found


def test_questions_of_one_scan_are_drawn_together() -> None:
    right = np.repeat([1.0, 0.0] * 20, 5)
    scans = np.repeat(np.arange(40), 5).tolist()
    alone, together = estimate(mean_of(right), 200), estimate(mean_of(right), scans)
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(np.sqrt(5), rel=0.15)


def test_paired_differences_are_narrower_than_the_figures(random: np.random.Generator) -> None:
    hard = random.normal(50, 20, 300)
    better = mean_of(hard + random.normal(1, 1, 300))
    gain = estimate(difference(better, mean_of(hard)), 300)
    assert gain.low > 0.7
    assert gain.high < 1.3
    assert estimate(better, 300).low < 50 < estimate(better, 300).high


def test_types_weigh_alike_whatever_their_number() -> None:
    found = estimate(mean_of_types([1, 1, 1, 0], ["plane", "plane", "plane", "phase"]), 4)
    assert found.value == 0.5
    assert np.isfinite([found.low, found.high]).all()
    with pytest.raises(ValueError, match="no items"):
        estimate(mean_of([]), 0)


def test_calibration_of_a_worked_example() -> None:
    found = calibration([0.95, 0.95, 0.95, 0.95, 0.55, 0.55], [1, 1, 1, 0, 0, 1])
    # Four at 0.95 of which 3/4 are right, two at 0.55 of which 1/2 are.
    assert found.ece == pytest.approx((4 * 0.20 + 2 * 0.05) / 6)
    assert found.brier == pytest.approx((3 * 0.05**2 + 0.95**2 + 0.55**2 + 0.45**2) / 6)
    assert [(row.low, row.n) for row in found.bins] == [(0.5, 2), (0.9, 4)]
    assert calibration([0.0, 1.0], [False, True]).ece == 0


def test_a_confidence_that_is_none_is_refused() -> None:
    for confidence in ([], [1.5], [float("nan")]):
        with pytest.raises(ValueError, match=r"Calibration needs|not a probability"):
            calibration(confidence, [True] * len(confidence))
