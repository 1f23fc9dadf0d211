"""All stages from nothing, by the commands of the card, within minutes: it has to look."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CASES = 160
_GAIN = "gain of the model over"
WORDS = {
    "render": ("--count", CASES),
    "tokenizer": ("--count", CASES),
    "contrastive": ("--recipe", "demo", "--steps", 60, "--batch", 12),
    "features": ("--views", 1),
    "align": ("--recipe", "demo", "--steps", 10, "--batch", 48),
    "instruct": ("--recipe", "demo", "--steps", 120, "--batch", 8),
}


def _run(*words: object) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture
def results(tmp_path: Path) -> dict[str, Any]:
    """Train, export and evaluate."""
    card = tmp_path / "card.md"
    card.write_text("Trained for a test.\n", encoding="utf-8")
    places = ("--threads", 1, "--run", tmp_path / "run", "--data", tmp_path / "data")
    for command, words in WORDS.items():
        _run("model_runtime.training", *places, command, *words)
    _run("model_runtime.training", *places, "export", tmp_path / "model", "--card", card)
    _run(
        *("model_runtime.evaluation", "all", "--model", tmp_path / "model", "--data", "phantom:40"),
        *("--protocol", "clean", "--trained", CASES, "--evidence", 4),
        *("--cache", tmp_path / "volumes", "--out", tmp_path / "out"),
    )
    told: dict[str, Any] = json.loads((tmp_path / "out" / "evaluation.json").read_text("utf-8"))
    return told


@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_short_training_beats_its_blind_baselines_and_finds_reports(
    results: dict[str, Any],
) -> None:
    told = results["protocols"]["clean"]
    reports = told["reports"]
    for blind in ("image removed", "image of another case", "commonest report of training"):
        assert reports[_GAIN][blind]["METEOR"]["low"] > 0, reports
    (among,) = told["retrieval"].values()
    assert among["volume to text"]["R@10"]["low"] > 100 * 10 / 40
