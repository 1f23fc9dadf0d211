"""Training data in M3D's layout: read as they are, faults counted and named."""

from __future__ import annotations

import csv
import json
import logging
from pathlib import Path

import numpy as np
import pytest

from model_runtime.config import InputConfig, demo_config
from model_runtime.evaluation.m3d import CAPTIONS, COLUMNS, DatasetError, read_prepared
from model_runtime.evaluation.m3d_volumes import read_grey
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.dataset import DataSet, write_dataset
from model_runtime.phantom.dataset_cases import report_of
from model_runtime.resample import smoothed
from model_runtime.training.m3d_data import M3dStore

SETTINGS = InputConfig(shape=(8, 16, 16))
CASES = 4


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("m3d")
    list(write_dataset(DataSet(folder, "train", CASES, ("m3d",), (8, 16, 16))))
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """Copy the data, so that a test may spoil them."""
    for path in written.rglob("*"):
        if path.is_file():
            target = tmp_path / path.relative_to(written)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return tmp_path


def _image(folder: Path, place: int) -> Path:
    listing = json.loads((folder / CAPTIONS).read_text(encoding="utf-8"))
    return folder / str(listing["train"][place]["image"])


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _write(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns)
        table.writeheader()
        table.writerows(rows)


def test_volumes_texts_and_questions_belong_together(folder: Path) -> None:
    store = M3dStore.open(folder, SETTINGS)
    assert len(store) == CASES
    assert store.seeds.tolist() == list(range(CASES))
    assert store.grid == (8, 16, 16)
    for place in (2, 0):
        expected = np.round(read_prepared(_image(folder, place)) * 255)
        np.testing.assert_array_equal(store.get([place])[0], expected)
        assert store.reports([place]) == [report_of(sample_case(place)).replace("\n", " ")]
    assert store.get([1, 3]).dtype == np.uint8
    images = [_image(folder, place).relative_to(folder).as_posix() for place in range(CASES)]
    for name, kinds in (("M3D_VQA_train.csv", 5), ("M3D_VQA_yn_train.csv", 1)):
        for row in _rows(folder / name):
            asked = store.questions([images.index(row["Image Path"])])[0]
            found = [one for one in asked if one.text == row["Question"]]
            assert row["Answer"] in [one.answer for one in found]
            assert all((one.kind == "yes/no") == (kinds == 1) for one in found)
    total = sum(len(asked) for asked in store.questions(range(CASES)))
    assert total == sum(
        len(_rows(folder / name)) for name in ("M3D_VQA_train.csv", "M3D_VQA_yn_train.csv")
    )


def test_volumes_are_brought_to_the_models_grid_once(folder: Path) -> None:
    finer = InputConfig(shape=(4, 8, 8), smoothing=0.7)
    store = M3dStore.open(folder, finer)
    cells = read_prepared(_image(folder, 0)).reshape(4, 2, 8, 2, 8, 2).mean((1, 3, 5))
    np.testing.assert_allclose(store.get([0])[0] / 255, smoothed(cells, 0.7), atol=0.003)
    files = {path: path.stat().st_mtime_ns for path in (folder / "prepared").iterdir()}
    assert len(files) == CASES
    M3dStore.open(folder, finer)
    assert {path: path.stat().st_mtime_ns for path in (folder / "prepared").iterdir()} == files
    np.save(_image(folder, 0), np.zeros((1, 8, 16, 16), np.float32))
    assert not M3dStore.open(folder, finer).get([0]).any()


def test_a_prepared_volume_that_was_cut_is_made_again(folder: Path) -> None:
    before = M3dStore.open(folder, SETTINGS).get([0, 1, 2, 3])
    cut = next((folder / "prepared").iterdir())
    cut.write_bytes(cut.read_bytes()[:-50])
    np.testing.assert_array_equal(M3dStore.open(folder, SETTINGS).get([0, 1, 2, 3]), before)


def test_every_fault_is_counted_and_named(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    cut, gone, text, values = (_image(folder, place) for place in range(4))
    cut.write_bytes(cut.read_bytes()[:-100])
    gone.unlink()
    (text.parent / "text.txt").write_bytes(b"\xff\xfe\xff")
    kept = np.load(values)
    with pytest.raises(DatasetError, match="3 of 4 volumes and reports") as caught:
        M3dStore.open(folder, SETTINGS)
    for path in (cut, gone, text):
        assert path.parent.name in str(caught.value)
    with caplog.at_level(logging.WARNING):
        store = M3dStore.open(folder, SETTINGS, skip_damaged=True)
    assert len(store) == 1
    np.testing.assert_array_equal(store.get([0])[0], np.round(kept[0] * 255))
    assert "3 of 4 volumes and reports" in caplog.text
    assert cut.name in caplog.text
    np.save(values, kept * 700)
    with pytest.raises(DatasetError, match=r"4 of 4 .*between 0 and 1"):
        M3dStore.open(folder, SETTINGS, skip_damaged=True)


def test_wrong_columns_are_named(folder: Path) -> None:
    path = folder / "M3D_VQA_train.csv"
    names = {"Answer Choice": "Letter", "Question Type": "Kind"}
    rows = [{names.get(key, key): value for key, value in row.items()} for row in _rows(path)]
    _write(path, [names.get(name, name) for name in COLUMNS], rows)
    with pytest.raises(
        DatasetError, match="lacks the columns Question Type, Answer Choice"
    ) as told:
        M3dStore.open(folder, SETTINGS, skip_damaged=True)
    assert "Kind, Letter" in str(told.value)


def test_rows_that_cannot_be_used_are_counted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = folder / "M3D_VQA_train.csv"
    rows = _rows(path)
    rows[0]["Answer Choice"] = "E"
    rows[1]["Image Path"] = "ct_case/none.npy"
    _write(path, list(COLUMNS), rows)
    with pytest.raises(DatasetError, match=f"2 of {len(rows)} questions of M3D_VQA_train.csv"):
        M3dStore.open(folder, SETTINGS)
    with caplog.at_level(logging.WARNING):
        store = M3dStore.open(folder, SETTINGS, skip_damaged=True)
    assert "'E' is not the letter of a choice" in caplog.text
    assert "ct_case/none.npy" in caplog.text
    kinds = [one.kind for asked in store.questions(range(CASES)) for one in asked]
    assert sum(kind != "yes/no" for kind in kinds) == len(rows) - 2


def test_questions_may_be_absent_a_listing_may_not(folder: Path) -> None:
    for path in folder.glob("*.csv"):
        path.unlink()
    assert M3dStore.open(folder, SETTINGS).questions([0]) == [()]
    with pytest.raises(DatasetError, match="no items under 'validation'"):
        M3dStore.open(folder, SETTINGS, "validation")
    (folder / CAPTIONS).write_text("{")
    with pytest.raises(DatasetError, match="cannot be read as JSON"):
        M3dStore.open(folder, SETTINGS)


def test_the_digest_follows_the_texts(folder: Path) -> None:
    first = M3dStore.open(folder, SETTINGS).digest
    assert M3dStore.open(folder, SETTINGS).digest == first
    (_image(folder, 1).parent / "text.txt").write_text("Another report.")
    assert M3dStore.open(folder, SETTINGS).digest != first


def test_two_processes_prepare_what_one_does(folder: Path) -> None:
    rows = list(range(CASES))
    two = M3dStore.open(folder, SETTINGS, prepared=folder / "two", processes=2).get(rows)
    np.testing.assert_array_equal(M3dStore.open(folder, SETTINGS).get(rows), two)


def test_nifti_is_prepared_as_the_program_does(tmp_path: Path) -> None:
    data = DataSet(tmp_path, "train", 1, ("nifti",), (24, 48, 48))
    list(write_dataset(data))
    settings = demo_config(1).input
    grey = read_grey(data.place("nifti", 0) / "ct.nii.gz", settings)
    assert grey.shape == settings.shape
    assert 0.05 < grey.mean() < 0.95
