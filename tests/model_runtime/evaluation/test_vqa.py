"""The tables of questions and reports, from answers that are known."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_runtime import api
from model_runtime.decode import Sampling
from model_runtime.engine import LocalEngine
from model_runtime.evaluation.reports import clinical_table, report_table
from model_runtime.evaluation.scoring import choice_shares, embed_captions
from model_runtime.evaluation.testset import Item, TestSet, load_testset
from model_runtime.evaluation.vqa import (
    frequent_answer,
    letter_table,
    likelihood_table,
    open_table,
)
from model_runtime.evaluation.writing import (
    GREEDY,
    PUBLISHED,
    asking,
    encode,
    report_prompt,
    write_texts,
)
from model_runtime.phantom.case import Finding, sample_case
from model_runtime.phantom.language import Question
from model_runtime.preprocess import prepare
from model_runtime.weights import load_folder

_PLANE = Question("plane", "Which plane?", "axial", ("axial", "coronal", "sagittal", "oblique"))
_PHASE = Question("phase", "Which phase?", "delayed", ("arterial", "delayed"))


def _test(*questions: Question) -> TestSet:
    frequent = Counter({("plane", "Which plane?", "axial"): 9, ("phase", "Phase?", "arterial"): 2})
    frequent["phase", "Which phase?", "arterial"] = 1
    return TestSet("by hand", [], list(enumerate(questions)), frequent)


def test_the_letter_rule_is_as_kind_as_published() -> None:
    test = _test(_PLANE, _PLANE, _PHASE, _PHASE)
    texts = ["A. axial", "B. coronal", "A. arterial or B. delayed", "delayed"]
    table = letter_table(test, {"model": texts, "image removed": ["A."] * 4})
    assert table["model"]["plane"]["value"] == 50
    assert table["model"]["phase"]["value"] == 50
    assert table["answers of the model with no letter"] == 1
    assert table["answers of the model with several letters"] == 1
    assert table["image removed"]["mean of types"]["value"] == 50
    assert table["most frequent answer"]["plane"]["value"] == 100
    assert table["most frequent answer"]["phase"]["value"] == 0
    assert table["gain of the model over"]["image removed"]["value"] == 0


def test_likelihood_takes_the_likeliest_and_is_calibrated() -> None:
    test = _test(_PLANE, _PHASE)
    own = [np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.8, 0.2])]
    table = likelihood_table(test, {"model": own, "image removed": own})
    assert (table["model"]["plane"]["value"], table["model"]["phase"]["value"]) == (100, 0)
    assert table["model"]["mean of types"]["value"] == 50
    assert table["chance"]["mean of types"]["value"] == pytest.approx((25 + 50) / 2)
    assert table["calibration"]["ece"] == pytest.approx((0.3 + 0.8) / 2)


def test_a_baseline_of_fewer_questions_is_compared_on_those() -> None:
    asked = [(row, _PLANE) for row in range(4)]
    test = TestSet("four", [], asked, Counter())
    right, wrong = np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.1, 0.7, 0.1, 0.1])
    table = likelihood_table(
        test, {"model": [right, wrong, right, right], "image removed": [wrong, wrong]}
    )
    assert table["model"]["plane"]["value"] == 75
    assert (table["model"]["plane"]["n"], table["image removed"]["plane"]["n"]) == (4, 2)
    gain = table["gain of the model over"]["image removed"]
    assert (gain["value"], gain["n"]) == (50, 2)
    letters = letter_table(test, {"model": ["A. axial"] * 4, "image removed": ["B. coronal"]})
    assert letters["gain of the model over"]["image removed"]["value"] == 100


def test_open_answers_are_scored_by_type() -> None:
    test = _test(_PLANE, _PHASE, _PHASE)
    table = open_table(test, {"model": ["axial", "delayed", "arterial"], "other": ["", "", ""]})
    assert table["BLEU-1"]["model"]["phase"]["value"] == 50
    assert table["BLEU-1"]["model"]["mean of types"]["value"] == 75
    assert table["METEOR"]["other"]["mean of types"]["value"] == 0


def test_the_frequent_answer_is_training_s() -> None:
    frequent = _test().frequent
    assert frequent_answer(_PLANE, frequent, closed=False) == "axial"
    unseen = Question("phase", "Unseen?", "x", ("x", "y"))
    assert frequent_answer(unseen, frequent, closed=False) == "arterial"
    assert frequent_answer(_PHASE, frequent, closed=True) == "arterial"


def test_reports_that_are_right_have_no_inventions() -> None:
    test = load_testset("phantom:30", trained=50)
    wanted = [item.report for item in test.items]
    others = [*wanted[1:], wanted[0]]
    table = report_table(test, {"model": wanted, "image of another case": others})
    assert table["model"]["BLEU-1"]["value"] == pytest.approx(100)
    clinic = table["clinical efficacy"]
    assert clinic["model"]["F1"]["value"] == 1 == clinic["model"]["F1"]["low"]
    assert clinic["model"]["hallucination rate"] == 0
    other = clinic["image of another case"]
    assert other["F1"]["low"] <= other["F1"]["value"] <= other["F1"]["high"] < 0.7
    assert other["hallucination rate"] > 0.4
    assert table["gain of the model over"]["image of another case"]["METEOR"]["low"] > 0


def test_inventions_are_counted_by_hand() -> None:
    findings = (Finding("mass", "right lower lobe", 40), Finding("cardiomegaly", degree="mild"))
    case = replace(sample_case(1), findings=findings)
    told = (
        "Findings: There is a 50 mm mass in the left lower lobe. "
        "There is consolidation in the left upper lobe."
    )
    table = clinical_table([case], [told])
    assert table["precision"]["value"] == 0.5 == table["hallucination rate"]
    assert table["recall"]["value"] == 1 / 2
    assert table["drafts with an invented finding"]["value"] == 1
    assert table["side right"] == {"share": 0, "n": 1}
    assert table["size error mm"] == {"mean": 10, "n": 1}


def test_what_is_written_and_chosen_is_the_engine_s(
    tiny_model: Path, chest: api.VolumeInput
) -> None:
    model, engine = load_folder(tiny_model), LocalEngine(tiny_model)
    grey = torch.from_numpy(prepare(chest, model.config.input, None).grey)[None, None]
    item = Item("chest", "a", "a", lambda _: grey)
    with torch.inference_mode():
        images, vectors = encode(model, [item, item])
        assert images is not None
        assert vectors is not None
        assert vectors.shape[0] == 2
        asked = [(0, asking(model, _PHASE, closed=False)), (1, report_prompt(model))]
        answer, _ = write_texts(model, images.own, asked, GREEDY, 20)
        (shares,) = choice_shares(model, images.own, [(1, _PLANE)])
    events = _events(engine, api.Request(
        1, api.Task.QUESTION, chest, _PHASE.text, max_tokens=20
    ))
    assert answer == getattr(events[-1], "text", None)
    events = _events(engine, api.Request(2, api.Task.QUESTION, chest, _PLANE.text, _PLANE.choices))
    (choices,) = [event for event in events if isinstance(event, api.Choices)]
    assert shares == pytest.approx([share for _, share in choices.probabilities], abs=1e-4)
    engine.close()


def _events(engine: LocalEngine, request: api.Request) -> list[api.Event]:
    return list(engine.stream(request, threading.Event()))


def test_sampling_is_as_published_and_seeded(tiny_model: Path, chest: api.VolumeInput) -> None:
    model = load_folder(tiny_model)
    grey = torch.from_numpy(prepare(chest, model.config.input, None).grey)[None, None]
    assert Sampling(1.0, 1.0, 42) == PUBLISHED
    with torch.inference_mode():
        images, _ = encode(model, [Item("chest", "a", "a", lambda _: grey)], vectors=False)
        assert images is not None
        asked = [(0, report_prompt(model))] * 2
        first = write_texts(model, images.own, asked, PUBLISHED, 12)
        assert first == write_texts(model, images.own, asked, PUBLISHED, 12)
        assert first[0] != first[1]
        vectors = embed_captions(model, ["a nodule", "no nodule", "a nodule"])
    assert np.array_equal(vectors[0], vectors[2])
    assert not np.array_equal(vectors[0], vectors[1])
