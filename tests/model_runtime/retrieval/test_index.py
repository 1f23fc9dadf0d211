"""The index finds what is nearest, and never trusts a damaged file."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model_runtime.phantom.priors import write_priors
from model_runtime.retrieval.index import CaseIndex, IndexFaultError, save_embeddings


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("priors")
    cases = list(write_priors(folder, range(300_000, 300_005)))
    random = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    vectors = random / np.linalg.norm(random, axis=1, keepdims=True)
    save_embeddings(folder, [f"SYNTHETIC-{c.seed:06d}" for c in cases], vectors, "sha")
    return folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "priors"))


def test_nearest_first_and_itself_on_top(folder: Path) -> None:
    index = CaseIndex.load(folder)
    for row in range(5):
        hits = index.search(index.vectors[row], 3)
        assert hits[0].row == row
        assert hits[0].score == pytest.approx(1, abs=2e-3)
        assert hits[0].score >= hits[1].score >= hits[2].score
    assert index.weights_sha256 == "sha"
    assert index.thumbnails.shape[0] == 5
    assert index.thumbnails.any(axis=(1, 2)).all()


def test_a_mask_leaves_cases_out(folder: Path) -> None:
    index = CaseIndex.load(folder)
    among = np.array([False, True, False, True, False])
    assert {hit.row for hit in index.search(index.vectors[0], 5, among)} == {1, 3}


def _no_vectors(folder: Path) -> None:
    (folder / "embeddings.npz").unlink()


def _cut_short(folder: Path) -> None:
    path = folder / "embeddings.npz"
    path.write_bytes(path.read_bytes()[:200])


def _other_cases(folder: Path) -> None:
    listing = json.loads((folder / "cases.json").read_text())
    listing["cases"].reverse()
    (folder / "cases.json").write_text(json.dumps(listing))


def _no_json(folder: Path) -> None:
    (folder / "cases.json").write_text("{")


def _pickled(folder: Path) -> None:
    np.savez(folder / "embeddings.npz", vectors=np.array([{}], dtype=object))


@pytest.mark.parametrize("damage", [_no_vectors, _cut_short, _other_cases, _no_json, _pickled])
def test_damage_is_refused(folder: Path, damage: Callable[[Path], None]) -> None:
    damage(folder)
    with pytest.raises(IndexFaultError, match=r"[Bb]uild"):
        CaseIndex.load(folder)


def test_another_models_vector_is_refused(folder: Path) -> None:
    with pytest.raises(IndexFaultError, match="Build the index"):
        CaseIndex.load(folder).search(np.zeros(9, np.float32), 1)
