"""Training files that are missing or damaged are counted and named, never replaced."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from model_runtime.config import InputConfig
from model_runtime.training import volumes
from model_runtime.training.features import Features
from model_runtime.training.volumes import VolumeStore, render_shards

SETTINGS = InputConfig(shape=(8, 16, 16))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five shards of one case; three of them spoilt, each in its own way."""
    monkeypatch.setattr(volumes, "SHARD_CASES", 1)
    render_shards(tmp_path, 0, 5, SETTINGS, processes=1)
    (tmp_path / "cases-0000001.npy").unlink()
    cut = tmp_path / "cases-0000003.npy"
    cut.write_bytes(cut.read_bytes()[:-100])
    np.save(tmp_path / "cases-0000004.npy", np.zeros((1, 4, 4, 4), np.uint8))
    return tmp_path


def test_every_spoilt_file_is_counted_and_named(folder: Path) -> None:
    with pytest.raises(ValueError, match="3 of 5 training files") as caught:
        VolumeStore.open(folder)
    said = str(caught.value)
    assert "cases-0000001.npy is missing" in said
    assert "cases-0000003.npy cannot be read" in said
    assert "cases-0000004.npy has the grid (4, 4, 4), others (8, 16, 16)" in said


def test_on_request_training_goes_on_without_them_and_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        store = VolumeStore.open(folder, skip_damaged=True)
    assert store.seeds.tolist() == [0, 2]
    assert len(store.get([0, 1])) == 2
    assert "3 of 5" in caplog.text
    assert "cases-0000003" in caplog.text


def test_nothing_is_left_to_go_on_with(folder: Path) -> None:
    for path in folder.glob("*.npy"):
        path.write_bytes(b"no array")
    with pytest.raises(ValueError, match="5 of 5"):
        VolumeStore.open(folder, skip_damaged=True)


def test_rendering_again_brings_back_what_is_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("cases-0000003.npy", "cases-0000004.npy"):
        (folder / name).unlink()
    monkeypatch.setattr(volumes, "SHARD_CASES", 1)
    render_shards(folder, 0, 5, SETTINGS, processes=1)
    assert VolumeStore.open(folder).seeds.tolist() == [0, 1, 2, 3, 4]


def test_a_shard_with_other_cases_than_listed_is_named(folder: Path) -> None:
    np.save(folder / "cases-0000002.npy", np.zeros((3, 8, 16, 16), np.uint8))
    with pytest.raises(ValueError, match=r"cases-0000002\.npy holds 3 cases in place of 1"):
        VolumeStore.open(folder)


def test_a_damaged_list_is_named(folder: Path) -> None:
    (folder / "shards.json").write_text("{")
    with pytest.raises(ValueError, match=r"shards\.json is damaged"):
        VolumeStore.open(folder)


def test_missing_or_damaged_features_are_named(tmp_path: Path) -> None:
    path = tmp_path / "features.npz"
    with pytest.raises(ValueError, match=r"features\.npz is missing"):
        Features.load(path)
    states = np.zeros((2, 1, 3, 4), np.float16)
    Features(states, states, np.arange(2)).save(path)
    assert len(Features.load(path).seeds) == 2
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"features\.npz is damaged"):
        Features.load(path)
