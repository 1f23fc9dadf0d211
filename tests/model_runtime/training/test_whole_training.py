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


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Train, export and evaluate."""
    folder = tmp_path_factory.mktemp("whole")
    card: Path = folder / "card.md"
    card.write_text("Trained for a test.\n", encoding="utf-8")
    places = ("--run", folder / "run", "--data", folder / "data")
    for command, words in WORDS.items():
        _run("model_runtime.training", *places, command, *words)
    _run("model_runtime.training", *places, "export", folder / "model", "--card", card)
    _run(
        *("model_runtime.evaluation", "all", "--model", folder / "model", "--data", "phantom:40"),
        *("--protocol", "clean", "--trained", CASES, "--evidence", 4),
        *("--cache", folder / "volumes", "--out", folder / "out"),
    )
    told: dict[str, Any] = json.loads((folder / "out" / "evaluation.json").read_text("utf-8"))
    return told


@pytest.mark.timeout(900)
def test_a_short_training_beats_its_blind_baselines(results: dict[str, Any]) -> None:
    told = results["protocols"]["clean"]
    reports = told["reports"]
    for blind in ("image removed", "image of another case", "commonest report of training"):
        assert reports[_GAIN][blind]["METEOR"]["low"] > 0, reports


@pytest.mark.timeout(900)
def test_its_space_finds_reports_better_than_chance(results: dict[str, Any]) -> None:
    (among,) = (table for n, table in results["protocols"]["clean"]["retrieval"].items())
    assert among["volume to text"]["R@10"]["low"] > 100 * 10 / 40
