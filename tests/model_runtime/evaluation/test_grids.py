"""Volumes that are drawn once are those of their cases, in their style."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_runtime.config import InputConfig, demo_config
from model_runtime.evaluation import grids
from model_runtime.evaluation.grids import Grids
from model_runtime.evaluation.m3d import DatasetError
from model_runtime.evaluation.testset import load_testset, phantom_seeds
from model_runtime.phantom.case import sample_case
from model_runtime.training.volumes import model_volume

_INPUT = replace(demo_config(500).input, shape=(8, 16, 16))


@pytest.fixture(autouse=True)
def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw two cases to a shard."""
    monkeypatch.setattr(grids, "SHARD_CASES", 2)


def _grids(folder: Path, held_out: bool = False, config: InputConfig = _INPUT) -> Grids:
    return Grids(folder, phantom_seeds("phantom:2", held_out), config, processes=1)


@pytest.mark.parametrize("held_out", [False, True])
def test_drawn_volumes_are_the_cases_own(tmp_path: Path, held_out: bool) -> None:
    drawn = _grids(tmp_path, held_out)
    test = load_testset("phantom:2", 20, held_out, drawn)
    assert ("held-out style" in test.name) == held_out
    for item in test.items:
        assert item.case is not None
        assert item.case == sample_case(item.case.seed, held_out)
        assert item.case.held_out == held_out
        grey = (drawn(item.case) * 255).numpy().round()
        assert np.array_equal(grey, model_volume(item.case, _INPUT))
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    _grids(tmp_path, held_out)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")} == files


def test_inputs_do_not_share_volumes(tmp_path: Path) -> None:
    _grids(tmp_path)
    _grids(tmp_path, config=replace(_INPUT, smoothing=_INPUT.smoothing + 1))
    assert len(list(tmp_path.rglob("cases-*.npy"))) == 2


def test_what_is_damaged_or_of_other_phantoms_ends_it(tmp_path: Path) -> None:
    _grids(tmp_path)
    (shard,) = tmp_path.rglob("cases-*.npy")
    other = np.load(shard)
    other[0] = 255 - other[0]
    np.save(shard, other)
    with pytest.raises(DatasetError, match="of other phantoms"):
        _grids(tmp_path)
    shard.write_bytes(b"nothing")
    with pytest.raises(DatasetError, match="cannot be used"):
        _grids(tmp_path)


def test_folders_have_no_held_out_style(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Only phantoms"):
        load_testset(str(tmp_path), held_out=True)
    with pytest.raises(DatasetError, match="test has 100000 seeds"):
        phantom_seeds("phantom:100001")
