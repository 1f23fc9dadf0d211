"""Data sets on disk: the layouts, geometry, truth, and runs that end early."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import SimpleITK as sitk

from model_runtime.evaluation.m3d import (
    COLUMNS,
    DatasetError,
    read_captions,
    read_prepared,
    read_questions,
)
from model_runtime.phantom import dataset_cases
from model_runtime.phantom.__main__ import main
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.dataset import DataSet, overlaps, repeated, write_dataset
from model_runtime.phantom.dataset_cases import label_map, report_of
from model_runtime.phantom.render import acquire, masks, render_for_model

SHAPE = (24, 40, 40)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two test cases in every layout, and two training cases in M3D's."""
    folder = tmp_path_factory.mktemp("data")
    every = ("m3d", "nifti", "dicom")
    assert list(write_dataset(DataSet(folder, "test", 2, every, SHAPE))) == [True, True]
    assert list(write_dataset(DataSet(folder, "train", 2, ("m3d",), SHAPE))) == [True, True]
    return folder


def _bytes(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_m3d_layout_is_read_back_whole(written: Path) -> None:
    captions = read_captions(written, "test")
    assert [item.image.parent.name for item in captions] == ["200000", "200001"]
    for item, seed in zip(captions, (200_000, 200_001), strict=True):
        assert item.text == report_of(sample_case(seed)).replace("\n", " ")
        stored = np.load(item.image)
        assert stored.shape == (1, *SHAPE)
        assert stored.dtype == np.float32
        assert (stored.min(), stored.max()) == (0, 1)
        assert read_prepared(item.image).shape == SHAPE
    assert len(read_captions(written, "train")) == 2
    asked = read_questions(written, "test")
    assert {row.image for row in asked} == {item.image for item in captions}
    assert {row.question.kind for row in asked} <= {
        "plane",
        "phase",
        "organ",
        "abnormality",
        "location",
    }


def test_the_tables_have_m3ds_columns_and_numbers(written: Path) -> None:
    for name, numbers in (("M3D_VQA_test.csv", set("12345")), ("M3D_VQA_yn_test.csv", {"0"})):
        with (written / name).open(encoding="utf-8", newline="") as file:
            table = csv.DictReader(file)
            rows = list(table)
        assert tuple(table.fieldnames or ()) == COLUMNS
        assert rows
        for row in rows:
            assert row["Question Type"] in numbers
            assert row[f"Choice {row['Answer Choice']}"] == row["Answer"]
            assert (written / row["Image Path"]).is_file()
            assert (written / row["Text"]).is_file()


def test_volumes_are_those_that_are_trained_on(written: Path) -> None:
    case = sample_case(200_000)
    window = dataset_cases.demo_config(1).input.windows[case.region]
    grey = render_for_model(case, SHAPE, window)
    stored = read_prepared(read_captions(written, "test")[0].image)
    np.testing.assert_allclose(stored, (grey - grey.min()) / np.ptp(grey), atol=1e-6)


@pytest.mark.parametrize("seed", [200_000, 200_001])
def test_nifti_holds_the_acquisition_in_place(written: Path, seed: int) -> None:
    folder = written / "nifti" / "test" / str(seed)
    scan = sitk.ReadImage(str(folder / "ct.nii.gz"))
    labels = sitk.ReadImage(str(folder / "findings.nii.gz"))
    voxels, matrix = acquire(sample_case(seed), SHAPE)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(scan), voxels)
    for index in ((0, 0, 0), (5, 7, 11)):
        np.testing.assert_allclose(
            scan.TransformContinuousIndexToPhysicalPoint([float(n) for n in index]),
            (matrix @ (*index, 1))[:3],
            atol=1e-3,
        )
    assert labels.GetSize() == scan.GetSize()
    np.testing.assert_allclose(labels.GetOrigin(), scan.GetOrigin(), atol=1e-3)
    np.testing.assert_allclose(labels.GetDirection(), scan.GetDirection(), atol=1e-5)


@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_the_label_map_lies_where_the_finding_is(plane: str) -> None:
    """A pleural effusion of one side lies on that side in every plane."""
    seed = next(
        seed
        for seed in range(2000)
        if (case := sample_case(seed)).plane == plane and case.find("pleural effusion")
    )
    case = sample_case(seed)
    shape = (20, 30, 40)
    voxels, matrix = acquire(case, shape)
    labels = label_map(case, shape, matrix)
    assert labels.shape == voxels.shape
    for label, found in enumerate(case.findings, start=1):
        if found.kind == "pleural effusion":
            inside = np.argwhere(labels == label).mean(axis=0)
            x = float((matrix @ (*inside[::-1], 1))[0])
            assert (x > 0) == (found.place == "left")
            assert abs(float(np.median(voxels[labels == label]))) < 60


def test_smaller_findings_stay_on_top(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = np.zeros((2, 4, 4, 4), np.bool_)
    shown[0, 1, 1, 1] = True
    shown[1] = True
    monkeypatch.setattr(dataset_cases, "masks", lambda case, shape: shown)
    labels = label_map(sample_case(0), (4, 4, 4), np.eye(4))
    assert labels[1, 1, 1] == 1
    assert (labels == 2).sum() == 63


def test_the_truth_counts_the_voxels_of_the_map(written: Path) -> None:
    folder = written / "nifti" / "test" / "200000"
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    image = sitk.ReadImage(str(folder / "findings.nii.gz"))
    labels = sitk.GetArrayFromImage(image)
    assert len(truth["findings"]) == len(sample_case(200_000).findings) > 0
    for told in truth["findings"]:
        count = int((labels == told["label"]).sum())
        assert told["voxels"] == count
        millilitres = count * np.prod(image.GetSpacing()) / 1000
        assert told["volume_ml"] == pytest.approx(millilitres, rel=1e-3, abs=1e-3)
    assert masks(sample_case(200_000), SHAPE).any()
    assert (folder / "report.txt").read_text(encoding="utf-8").rstrip("\n") == truth["report"]


def test_a_dicom_series_a_case(written: Path) -> None:
    files = sorted((written / "dicom" / "test" / "200001").glob("*.dcm"))
    assert len(files) == SHAPE[0]
    assert pydicom.dcmread(files[0]).PatientID == "SYNTHETIC-200001"


def test_what_is_there_is_left_alone_and_what_is_half_done_is_done_again(tmp_path: Path) -> None:
    data = DataSet(tmp_path, "validation", 3, ("m3d", "nifti"), (8, 16, 16))
    assert all(write_dataset(data))
    whole = _bytes(tmp_path)
    kept = data.place("m3d", 100_000) / "text.txt"
    before = kept.stat().st_mtime_ns
    half = data.place("nifti", 100_001)
    half.rename(half.with_name("100001.part"))
    (half.with_name("100001.part") / "ct.nii.gz").write_bytes(b"half")
    assert list(write_dataset(data)) == [False, True, False]
    assert kept.stat().st_mtime_ns == before
    assert _bytes(tmp_path) == whole


def test_a_full_disk_leaves_no_case_that_seems_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    data = DataSet(tmp_path, "train", 1, ("m3d",), (8, 16, 16))
    with monkeypatch.context() as patch:
        patch.setattr(dataset_cases.np, "save", full)
        with pytest.raises(OSError, match="No space left"):
            list(write_dataset(data))
    assert not data.place("m3d", 0).exists()
    assert list(write_dataset(data)) == [True]


def test_two_processes_write_what_one_does(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, processes in ((one, 1), (two, 2)):
        list(write_dataset(DataSet(folder, "train", 2, ("m3d",), (8, 16, 16)), processes))
    assert _bytes(one) == _bytes(two)


def test_the_held_out_style_is_that_of_the_cases(tmp_path: Path) -> None:
    list(write_dataset(DataSet(tmp_path, "held-out", 1, ("m3d",), (8, 16, 16))))
    told = json.loads((tmp_path / "cases_held-out.json").read_text(encoding="utf-8"))
    assert told[0]["held_out_style"]
    assert told[0]["report"] == report_of(sample_case(400_000, held_out=True))


def test_overlap_is_measured_on_what_the_folder_holds(written: Path, tmp_path: Path) -> None:
    assert overlaps(written)["train", "test"].lower_cased == 0
    told = "Technique: {}.\nFindings: {}\nImpression: None."
    for split, reports in {
        "train": [("a", "No nodule."), ("b", "A nodule.")],
        "test": [("c", "No nodule."), ("d", "no nodule"), ("e", "A mass.")],
    }.items():
        cases = [{"report": told.format(*words)} for words in reports]
        (tmp_path / f"cases_{split}.json").write_text(json.dumps(cases))
    found = overlaps(tmp_path)["train", "test"]
    assert (found.reports, found.word_for_word, found.lower_cased) == (3, 1, 2)
    assert repeated(tmp_path) == {"train": 0, "test": 0}


def test_the_command_tells_what_it_wrote_and_what_it_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["dataset", str(tmp_path), "--split", "train", "--count", "1", "--processes", "1"]
    assert main([*words, "--shape", "8,16,16"]) == 0
    assert "1 of 1 train cases written" in capsys.readouterr().out
    assert main([*words, "--shape", "8,16,18"]) == 2
    assert "holds m3d volumes of (8, 16, 16) voxels" in capsys.readouterr().err
    (tmp_path / "M3D_Cap.json").write_text("{")
    assert main([*words, "--shape", "8,16,16"]) == 2
    assert "M3D_Cap.json is damaged" in capsys.readouterr().err
    assert main(["dataset", str(tmp_path), "--split", "train", "--count", "100001"]) == 2
    assert "training has 100000 seeds" in capsys.readouterr().err


def test_the_splits_are_those_of_the_command(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        DataSet(tmp_path, "priors", 1)
    with pytest.raises(DatasetError, match="no items under"):
        list(write_dataset(DataSet(tmp_path, "test", 1, ("m3d",), (8, 16, 16))))
        read_captions(tmp_path, "train")
