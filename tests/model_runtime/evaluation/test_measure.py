"""Metrics against worked examples, and batched drafts against the engine's own."""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from model_runtime import api
from model_runtime.engine import LocalEngine
from model_runtime.evaluation import answers
from model_runtime.evaluation.__main__ import main
from model_runtime.evaluation.answers import choose, write_reports
from model_runtime.evaluation.measure import accuracy, average_precision, recall_at
from model_runtime.phantom.language import Question
from model_runtime.preprocess import prepare
from model_runtime.weights import load_folder


def test_recall_counts_ties_by_chance() -> None:
    scores = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]], np.float32)
    assert recall_at(scores, 1) == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
    assert recall_at(scores, 2) == pytest.approx((1 + 1 + 2 / 3) / 3)
    assert recall_at(np.eye(3, dtype=np.float32)[::-1].copy(), 1) == pytest.approx(1 / 3)


def test_average_precision_of_a_worked_example() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    holds = np.array([True, False, True, False])
    assert average_precision(scores, holds) == pytest.approx((1 + 2 / 3) / 2)


def test_the_mean_is_over_types_not_questions() -> None:
    plane = Question("plane", "?", "axial", ("axial", "coronal"))
    phase = Question("phase", "?", "arterial", ("arterial", "delayed"))
    table = accuracy([(0, plane), (0, plane), (0, phase)], ["axial", "axial", "delayed"])
    assert table == {"phase": 0, "plane": 1, "mean": 0.5}


def test_batches_write_and_choose_what_the_engine_does(
    tiny_model: Path, chest: api.VolumeInput
) -> None:
    model, engine = load_folder(tiny_model), LocalEngine(tiny_model)
    grey = torch.from_numpy(prepare(chest, model.config.input, None).grey)[None, None]
    question = Question("organ", "Which body region is shown?", "chest", ("head", "chest", "leg"))
    with torch.inference_mode():
        image = model.vlm.image_tokens(torch.cat((grey, torch.zeros_like(grey))))
        drafts = write_reports(model, image, limit=24)
        answer = choose(model, image, [(0, question)])[0]
    request = api.Request(1, api.Task.REPORT, chest, max_tokens=24)
    *_, done = engine.stream(request, threading.Event())
    assert isinstance(done, api.Done)
    assert drafts[0].strip().startswith(done.text[:40])
    request = api.Request(
        2, api.Task.QUESTION, chest, question.text, ("head", "chest", "leg")
    )
    *_, done = engine.stream(request, threading.Event())
    assert isinstance(done, api.Done)
    assert done.text == answer
    engine.close()


def test_the_command_writes_its_tables(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Scanned coarsely: what is tested is the counting.
    monkeypatch.setattr(answers, "ACQUIRED", (24, 48, 48))
    words = ["--model", str(tiny_model), "--cases", "3", "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["evaluation", *words])
    main()
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["seeds"] == [200_000, 200_003]
    assert set(results["closed questions"]) == {
        "model", "image removed", "image of another case", "most frequent answer"
    }
    assert "### Closed questions" in (tmp_path / "results.md").read_text()
    assert results["weights sha256"] == load_folder(tiny_model).sha256
