"""What comes with the program belongs together, is small, and is called a demonstration."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from model_runtime.phantom.case import sample_case
from model_runtime.phantom.language import report
from model_runtime.phantom.splits import split_of
from model_runtime.retrieval.index import CaseIndex
from model_runtime.weights import LoadedModel, load_folder

MIB = 2**20


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest) -> Path:
    return request.config.rootpath / "resources" / "models" / "demo"


@pytest.fixture(scope="module")
def model(folder: Path) -> LoadedModel:
    return load_folder(folder)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_the_model_is_small_and_says_what_it_is(folder: Path, model: LoadedModel) -> None:
    assert _size(folder) <= 40 * MIB
    assert model.config.demonstration
    for words in ("synthetic", "Not a medical device", "not for clinical use"):
        assert words in model.card


@pytest.mark.parametrize("style", ["usual", "held-out"])
def test_the_figures_told_are_those_of_the_bundled_weights(
    style: str, repository: Path, model: LoadedModel
) -> None:
    text = (repository / "model_runtime" / "EVALUATION.md").read_text(encoding="utf-8")
    told = text.split(f"<!-- figures {style} -->")[1].split(f"<!-- end of figures {style} -->")[0]
    assert f"weights sha256: {model.sha256}" in told
    assert model.sha256[:12] in model.card


def test_the_prior_cases_are_a_thousand_and_of_these_weights(
    repository: Path, model: LoadedModel
) -> None:
    folder = repository / "resources" / "priors"
    index = CaseIndex.load(folder)
    assert _size(folder) <= 15 * MIB
    assert index.weights_sha256 == model.sha256
    assert len(index.records) >= 1000
    assert {split_of(told["seed"]) for told in index.records} == {"priors"}
    np.testing.assert_allclose(np.linalg.norm(index.vectors, axis=1), 1, atol=2e-3)
    for told in index.records[::100]:
        case = sample_case(told["seed"])
        assert told["report"] == report(case, np.random.default_rng(case.seed))
    assert "not patients" in json.loads((folder / "cases.json").read_text("utf-8"))["notice"]
