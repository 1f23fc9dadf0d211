"""Phantoms written to disk and read back are the phantoms themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_runtime.config import InputConfig
from model_runtime.evaluation import answers
from model_runtime.evaluation.m3d import DatasetError, read_questions
from model_runtime.evaluation.m3d_volumes import read_nifti
from model_runtime.evaluation.m3d_writing import write_m3d
from model_runtime.evaluation.testset import TestSet, load_testset
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.render import render
from model_runtime.weights import LoadedModel, load_folder

_SHAPE = (24, 48, 48)


@pytest.fixture(scope="module")
def model(tiny_model: Path) -> LoadedModel:
    return load_folder(tiny_model)


def _written(folder: Path, settings: InputConfig | None) -> TestSet:
    splits = {"train": range(3), "test": range(200_000, 200_004)}
    assert len(list(write_m3d(folder, splits, _SHAPE, settings))) == 7
    return load_testset(str(folder))


@pytest.mark.parametrize("kind", ["npy", "nifti"])
def test_what_is_written_is_what_the_phantoms_give(
    kind: str, tmp_path: Path, model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "ACQUIRED", _SHAPE)
    disk = _written(tmp_path, model.config.input if kind == "npy" else None)
    direct = load_testset("phantom:4", trained=50)
    assert [" ".join(item.report.split()) for item in disk.items] == [
        " ".join(item.report.split()) for item in direct.items
    ]
    five = [(place, q) for place, q in direct.asked if q.kind != "yes/no"]
    assert [(place, q) for place, q in disk.asked] == five
    for one, other in zip(disk.items[:2], direct.items[:2], strict=True):
        assert one.volume(model).shape == (1, 1, *model.config.input.shape)
        assert torch.allclose(one.volume(model), other.volume(model), atol=1e-3)


def test_nifti_keeps_hu_and_geometry(tmp_path: Path) -> None:
    _written(tmp_path, None)
    case = sample_case(200_000)
    voxels, matrix = render(case, _SHAPE)
    (path,) = (tmp_path / "ct_case" / "200000").glob("*.nii.gz")
    back = read_nifti(path)
    assert np.array_equal(back.voxels, voxels)
    assert back.index_to_lps == pytest.approx(matrix, abs=1e-3)


def test_other_grids_are_resized(tmp_path: Path, model: LoadedModel) -> None:
    settings = replace(model.config.input, shape=(20, 30, 30))
    disk = _written(tmp_path, settings)
    volume = disk.items[0].volume(model)
    assert volume.shape == (1, 1, *model.config.input.shape)
    assert 0 <= float(volume.min()) < float(volume.max()) <= 1


def test_yes_and_no_stand_in_a_table_of_their_own(tmp_path: Path, model: LoadedModel) -> None:
    disk = _written(tmp_path, model.config.input)
    assert {question.kind for _, question in disk.asked} <= {
        "plane", "phase", "organ", "abnormality", "location"
    }
    with pytest.raises(DatasetError, match="'0' is no question type"):
        read_questions(tmp_path, "yn_test")


def test_overlap_and_frequent_answers_come_from_training(
    tmp_path: Path, model: LoadedModel
) -> None:
    disk = _written(tmp_path, model.config.input)
    assert disk.overlap["training items"] == 3
    assert disk.overlap["test volumes also in training"] == 0
    assert sum(disk.frequent.values()) == len(read_questions(tmp_path, "train"))
    (tmp_path / "M3D_VQA_train.csv").unlink()
    assert "themselves" not in " ".join(disk.notes)
    again = load_testset(str(tmp_path))
    assert "frequent answers are those of the test table itself" in " ".join(again.notes)


def test_a_missing_or_damaged_volume_ends_it(tmp_path: Path, model: LoadedModel) -> None:
    disk = _written(tmp_path, None)
    (path,) = (tmp_path / "ct_case" / "200001").glob("*.nii.gz")
    path.write_bytes(b"no volume")
    with pytest.raises(DatasetError, match=r"200001.*cannot be read"):
        disk.items[1].volume(model)
    path.unlink()
    with pytest.raises(DatasetError, match="200001"):
        load_testset(str(tmp_path))


def test_other_names_are_refused(tmp_path: Path) -> None:
    for name in ("phantom:0", "phantom:x", "phantom", str(tmp_path / "none")):
        with pytest.raises(DatasetError, match="neither a folder nor phantom:N"):
            load_testset(name)


def test_no_report_of_a_phantom_is_one_of_training() -> None:
    test = load_testset("phantom:40", trained=1000)
    assert test.overlap["training items"] == 1000
    assert test.overlap["test reports also in training"] == 0
    assert not test.trained


def test_reports_that_training_holds_are_found(tmp_path: Path, model: LoadedModel) -> None:
    assert not _written(tmp_path, model.config.input).trained
    told = tmp_path / "ct_case"
    (told / "200002" / "text.txt").write_bytes((told / "000001" / "text.txt").read_bytes())
    test = load_testset(str(tmp_path))
    assert test.trained == {2}
    assert test.overlap["test reports also in training"] == 1
