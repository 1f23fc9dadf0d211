"""Confidence of sentences, from token probabilities that are known."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_runtime.batching import Row
from model_runtime.evaluation.sentences import findings_sentences, holds, sentence_calibration
from model_runtime.phantom.case import Finding, sample_case
from model_runtime.phantom.language import report
from model_runtime.weights import load_folder

_DRAFT = (
    "Technique: Synthetic CT of the chest, arterial.\n"
    "Findings: There is a 50 mm mass in the left lower lobe. No pleural effusion is seen.\n"
    "Impression: Left lower lobe mass."
)


def _row(tokenizer, text: str, probability: float) -> Row:
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    return Row(ids, [math.log(probability)] * len(ids), ended=True)


def test_sentences_are_those_of_the_findings_section(tiny_model: Path) -> None:
    tokenizer = load_folder(tiny_model).tokenizer
    row = _row(tokenizer, _DRAFT, 0.8)
    row.logprobs[0] = -50.0  # stands in the Technique
    told = list(findings_sentences(row, tokenizer))
    assert [text for text, _ in told] == [
        "There is a 50 mm mass in the left lower lobe.", "No pleural effusion is seen."
    ]
    assert [share for _, share in told] == pytest.approx([0.8, 0.8])


def test_true_sentences_said_with_confidence_are_calibrated(tiny_model: Path) -> None:
    tokenizer = load_folder(tiny_model).tokenizer
    cases = [sample_case(seed) for seed in range(12)]
    stated = sum(len(case.findings) for case in cases)
    drafts = [report(case, np.random.default_rng(case.seed)) for case in cases]
    sure = sentence_calibration(cases, [_row(tokenizer, text, 0.99) for text in drafts], tokenizer)
    assert sure is not None
    assert sure["n"] == stated
    assert sure["ece"] == pytest.approx(0.01)
    swapped = [_row(tokenizer, text, 0.99) for text in [*drafts[1:], drafts[0]]]
    false = sentence_calibration(cases, swapped, tokenizer)
    assert false is not None
    assert false["ece"] > 0.5


def test_the_wrong_side_is_not_true() -> None:
    case = replace(sample_case(1), findings=(Finding("mass", "right lower lobe", 40),))
    assert holds(case, Finding("mass", "right lower lobe"))
    assert holds(case, Finding("mass"))
    assert not holds(case, Finding("mass", "left lower lobe"))
    assert not holds(case, Finding("consolidation", "right lower lobe"))


def test_drafts_without_findings_have_no_figure(tiny_model: Path) -> None:
    tokenizer = load_folder(tiny_model).tokenizer
    row = _row(tokenizer, "Findings: No nodule or mass.\nImpression: No abnormality.", 0.9)
    assert sentence_calibration([sample_case(1)], [row], tokenizer) is None
