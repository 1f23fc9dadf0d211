"""Reading M3D's layout: what is there, and what must not pass."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from model_runtime.evaluation.m3d import (
    COLUMNS,
    DatasetError,
    overlap,
    prepared_text,
    read_captions,
    read_prepared,
    read_questions,
)

_ROW = {
    "Image Path": "ct/1/axial.npy",
    "Text": "ct/1/text.txt",
    "Question Type": "2",
    "Question": "What is the phase?",
    "Choice A": "arterial",
    "Choice B": "delayed, late",
    "Choice C": "portal venous",
    "Choice D": "non-contrast",
    "Answer": "Delayed",
    "Answer Choice": "B",
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two volumes with texts, a listing and a table."""
    for number in "12":
        folder = tmp_path / "ct" / number
        folder.mkdir(parents=True)
        np.save(folder / "axial.npy", np.full((1, 4, 6, 6), 0.5, np.float32))
        text = f"Title: case {number}\nstudy_findings: A nodule\nof {number} mm.\n"
        (folder / "text.txt").write_text(text)
    rows = [{"image": f"ct/{n}/axial.npy", "text": f"ct/{n}/text.txt"} for n in "12"]
    (tmp_path / "M3D_Cap.json").write_text(json.dumps({"train": rows[:1], "test": rows}))
    _write(tmp_path, [_ROW])
    return tmp_path


def _write(folder: Path, rows: list[dict[str, str]], columns: tuple[str, ...] = COLUMNS) -> None:
    (folder / "M3D_VQA").mkdir(exist_ok=True)
    with (folder / "M3D_VQA" / "M3D_VQA_test.csv").open("w", newline="") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)


def test_captions_and_questions_are_read(data: Path) -> None:
    captions = read_captions(data, "test")
    assert [item.text for item in captions] == ["A nodule of 1 mm.", "A nodule of 2 mm."]
    assert captions[1].image == data / "ct/2/axial.npy"
    (asked,) = read_questions(data, "test")
    assert asked.image == data / "ct/1/axial.npy"
    assert asked.question.kind == "phase"
    assert asked.question.answer == "delayed, late"
    assert asked.question.choices[3] == "non-contrast"
    assert read_prepared(asked.image).shape == (4, 6, 6)


def test_texts_are_prepared_as_published() -> None:
    assert prepared_text("x discussion: b\nstudy_findings: a\nb") == "a b"
    assert prepared_text("Title: x\ndiscussion: told\nso") == "told so"
    assert prepared_text(" All of\nit. ") == "All of it."


def test_wrong_columns_are_named(data: Path) -> None:
    columns = tuple("Choice_D" if name == "Choice D" else name for name in COLUMNS)
    _write(data, [_ROW | {"Choice_D": "x"}], columns)
    with pytest.raises(DatasetError, match=r"lacks the columns Choice D\..*instead: Choice_D\."):
        read_questions(data, "test")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Question Type": "7"}, "line 2: '7' is no question type"),
        ({"Answer Choice": "E"}, "line 2: 'E' is not the letter"),
        ({"Answer Choice": "AB"}, "line 2: 'AB' is not the letter"),
        ({"Choice C": "", "Choice D": "", "Answer Choice": "C"}, "'C' is not the letter"),
        ({"Choice B": ""}, "one left out"),
        ({"Question": " "}, "no question"),
        ({"Image Path": "ct/9/axial.npy"}, "'ct/9/axial.npy', which is not in"),
    ],
)
def test_a_row_that_cannot_be_used_fails(data: Path, change: dict[str, str], said: str) -> None:
    _write(data, [_ROW | change])
    with pytest.raises(DatasetError, match=said):
        read_questions(data, "test")


def test_a_short_row_fails(data: Path) -> None:
    path = data / "M3D_VQA" / "M3D_VQA_test.csv"
    path.write_text(path.read_text() + "ct/1/axial.npy,t,1\n")
    with pytest.raises(DatasetError, match="line 3: not as many fields"):
        read_questions(data, "test")


def test_what_is_missing_is_named(data: Path) -> None:
    with pytest.raises(DatasetError, match=r"no items under 'validation'"):
        read_captions(data, "validation")
    with pytest.raises(DatasetError, match=r"M3D_VQA_train\.csv is neither in"):
        read_questions(data, "train")
    (data / "ct/2/text.txt").write_text("Title: x\nstudy_findings:\n")
    with pytest.raises(DatasetError, match=r"2/text\.txt says nothing"):
        read_captions(data, "test")
    (data / "ct/2/text.txt").unlink()
    with pytest.raises(DatasetError, match=r"'ct/2/text\.txt', which is not in"):
        read_captions(data, "test")
    (data / "M3D_Cap.json").write_text("{")
    with pytest.raises(DatasetError, match="cannot be read as JSON"):
        read_captions(data, "test")


def test_a_damaged_volume_fails(data: Path) -> None:
    path = data / "ct/1/axial.npy"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DatasetError, match="cannot be read"):
        read_prepared(path)
    np.save(path, np.full((4, 6, 6), -1000, np.int16))
    with pytest.raises(DatasetError, match="from -1000 to -1000"):
        read_prepared(path)
    np.save(path, np.array([[["a"]]], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match="cannot be read"):
        read_prepared(path)
    np.save(path, np.zeros((6, 6), np.float32))
    with pytest.raises(DatasetError, match="not a volume"):
        read_prepared(path)


def test_overlap_is_counted(data: Path) -> None:
    train, test = read_captions(data, "train"), read_captions(data, "test")
    found = overlap(train, test)
    assert found["test volumes also in training"] == 1
    assert found["test reports also in training"] == 1
    assert found["share of test reports also in training"] == 0.5
    assert found["test reports that another test item has too"] == 0
