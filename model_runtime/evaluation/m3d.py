"""Test items from disk, in the layout of M3D-Cap (JSON) and M3D-VQA (CSV).

``M3D_Cap.json`` holds for each split a list of ``{"image": PATH, "text": PATH}``; the
tables ``M3D_VQA_SPLIT.csv`` hold a question a row. Paths are relative to the data folder.
Whatever cannot be read ends the evaluation: an item left out, or replaced by another as
the published code does, would change what is measured.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from model_runtime.phantom.language import Question
from model_runtime.prompt import LETTERS

KINDS = ("plane", "phase", "organ", "abnormality", "location")
"""The types of question; their numbers in the table start at 1."""
YES_NO = "yes/no"
CAPTIONS = "M3D_Cap.json"
# Types of question by their number, in the table of five types and in that of yes and no.
_NUMBERS = ({str(n): kind for n, kind in enumerate(KINDS, start=1)}, {"0": YES_NO})
_CHOICES = tuple(f"Choice {letter}" for letter in LETTERS[:4])
COLUMNS = (
    *("Image Path", "Text", "Question Type", "Question"),
    *(*_CHOICES, "Answer", "Answer Choice"),
)
_SECTIONS = ("study_findings:", "discussion:")


class DatasetError(Exception):
    """A test item cannot be used; the message names file, line and fault."""


@dataclass(frozen=True)
class Captioned:
    """A volume and its report, ready for comparison."""

    image: Path
    text: str


@dataclass(frozen=True)
class Asked:
    """A question about a volume."""

    image: Path
    question: Question


def read_captions(folder: Path, split: str) -> list[Captioned]:
    """Read a split of M3D-Cap, texts prepared as published.

    Raises
    ------
    DatasetError
        Where the listing, a text or a volume's file is not there or not what it should be.
    """
    return [_sound(item) for item in each_caption(folder, split)]


def each_caption(folder: Path, split: str) -> Iterator[Captioned | DatasetError]:
    """Read a split of M3D-Cap item by item; an error stands where an item cannot be used.

    Raises
    ------
    DatasetError
        Where the listing itself is not there or not what it should be.
    """
    path = _listing(folder, CAPTIONS)
    try:
        splits = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read as JSON: {error}.") from error
    rows = splits.get(split) if isinstance(splits, dict) else None
    if not isinstance(rows, list) or not rows:
        raise DatasetError(f"{path} has no items under {split!r}.")
    for place, row in enumerate(rows):
        try:
            yield _captioned(folder, path, split, place, row)
        except DatasetError as error:
            yield error


_Item = TypeVar("_Item", Captioned, Asked)


def _sound(item: _Item | DatasetError) -> _Item:
    if isinstance(item, DatasetError):
        raise item
    return item


def _captioned(folder: Path, listing: Path, split: str, place: int, row: object) -> Captioned:
    if not isinstance(row, dict) or not all(
        isinstance(row.get(name), str) for name in ("image", "text")
    ):
        raise DatasetError(f"{listing}: item {place} of {split!r} has no image and text path.")
    text = _existing(folder, listing, row["text"])
    try:
        told = prepared_text(text.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"The text {text} cannot be read: {error}.") from error
    if not told:
        raise DatasetError(f"The text {text} says nothing.")
    return Captioned(_existing(folder, listing, row["image"]), told)


def prepared_text(raw: str) -> str:
    """Keep what stands behind ``study_findings:``, else behind ``discussion:``; one line."""
    for section in _SECTIONS:
        if section in raw:
            raw = raw.split(section, 1)[1]
            break
    return raw.replace("\n", " ").strip()


def read_questions(folder: Path, split: str) -> list[Asked]:
    """Read ``M3D_VQA_SPLIT.csv``.

    Raises
    ------
    DatasetError
        Where a column is missing, or a row is not what it should be.
    """
    return [_sound(item) for item in each_question(folder, split)]


def each_question(
    folder: Path, split: str, *, yes_no: bool = False
) -> Iterator[Asked | DatasetError]:
    """Read ``M3D_VQA_SPLIT.csv`` row by row; an error stands where a row cannot be used.

    Parameters
    ----------
    yes_no
        Read ``M3D_VQA_yn_SPLIT.csv`` instead, whose questions are of type 0.

    Raises
    ------
    DatasetError
        Where the table cannot be read, lacks a column or holds no questions.
    """
    path = _listing(folder, f"M3D_VQA_{'yn_' if yes_no else ''}{split}.csv")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            found = [name.strip() for name in table.fieldnames or ()]
            _check_columns(path, found)
            table.fieldnames = found
            rows = 0
            for row in table:
                rows += 1
                try:
                    yield _asked(folder, path, table.line_num, row, _NUMBERS[yes_no])
                except DatasetError as error:
                    yield error
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"{path} cannot be read as a table: {error}.") from error
    if not rows:
        raise DatasetError(f"{path} holds no questions.")


def _check_columns(path: Path, found: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        others = [name for name in found if name not in COLUMNS]
        beside = f" It has these instead: {', '.join(others)}." if others else ""
        raise DatasetError(f"{path} lacks the columns {', '.join(missing)}.{beside}")


def _asked(
    folder: Path, path: Path, line: int, row: dict[str, Any], kinds: Mapping[str, str]
) -> Asked:
    """Read one row; ``line`` is where it ends in the file, ``kinds`` names its types."""
    if None in row or None in row.values():
        raise DatasetError(f"{path}, line {line}: not as many fields as columns.")
    kind, letter = row["Question Type"].strip(), row["Answer Choice"].strip()
    if kind not in kinds:
        known = "question type from 1 to 5" if len(kinds) > 1 else "yes-or-no question, type 0"
        raise DatasetError(f"{path}, line {line}: {kind!r} is no {known}.")
    choices = [row[name].strip() for name in _CHOICES]
    while choices and not choices[-1]:
        choices.pop()
    if len(choices) < 2 or not all(choices):
        raise DatasetError(f"{path}, line {line}: fewer than two choices, or one left out.")
    if letter not in LETTERS[: len(choices)] or len(letter) != 1:
        raise DatasetError(f"{path}, line {line}: {letter!r} is not the letter of a choice.")
    if not row["Question"].strip() or not row["Answer"].strip():
        raise DatasetError(f"{path}, line {line}: no question, or no answer.")
    # The letter decides, as published, where the answer is worded otherwise than its choice.
    question = Question(
        kinds[kind],
        row["Question"].strip(),
        choices[LETTERS.index(letter)],
        tuple(choices),
    )
    return Asked(_existing(folder, path, row["Image Path"].strip()), question)


def read_prepared(path: Path) -> NDArray[np.float32]:
    """Read a volume prepared as published: ``.npy``, shape (z, y, x) or (1, z, y, x), 0 to 1.

    Raises
    ------
    DatasetError
        Where it cannot be read, or holds something else.
    """
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DatasetError(f"The volume {path} cannot be read: {error}.") from error
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 3 or min(array.shape) < 2 or array.dtype.kind not in "fiu":
        raise DatasetError(f"{path} holds {array.dtype} of shape {array.shape}, not a volume.")
    volume: NDArray[np.float32] = array.astype(np.float32)
    low, high = float(volume.min()), float(volume.max())
    if not (np.isfinite(volume).all() and low >= -1e-3 and high <= 1 + 1e-3):
        raise DatasetError(
            f"{path} holds values from {low:g} to {high:g}; volumes prepared as published lie "
            "between 0 and 1. Give volumes in HU as NIfTI."
        )
    return volume


def overlap(train: Iterable[Captioned], test: Sequence[Captioned]) -> dict[str, int | float]:
    """Count the test items that training has seen: by volume, and by the words of the report.

    Two texts are alike where they differ in white space and case only.
    """
    seen = list(train)
    images, texts = {item.image for item in seen}, {_plain(item.text) for item in seen}
    same_text = sum(_plain(item.text) in texts for item in test)
    return {
        "test items": len(test),
        "training items": len(seen),
        "test volumes also in training": sum(item.image in images for item in test),
        "test reports also in training": same_text,
        "share of test reports also in training": same_text / max(1, len(test)),
        "test reports that another test item has too": len(test)
        - len({_plain(item.text) for item in test}),
    }


def in_training(train: Sequence[Captioned], test: Sequence[Captioned]) -> frozenset[int]:
    """Find the places of the test items whose volume or report training holds too."""
    images, texts = {item.image for item in train}, {_plain(item.text) for item in train}
    return frozenset(
        place
        for place, item in enumerate(test)
        if item.image in images or _plain(item.text) in texts
    )


def _plain(text: str) -> str:
    return " ".join(text.split()).lower()


def _listing(folder: Path, name: str) -> Path:
    """Find a listing in the data folder or one below it."""
    for path in (folder / name, *sorted(folder.glob(f"*/{name}"))):
        if path.is_file():
            return path
    raise DatasetError(f"{name} is neither in {folder} nor in a folder directly below it.")


def _existing(folder: Path, listing: Path, name: str) -> Path:
    path = folder / name
    if not name or not path.is_file():
        raise DatasetError(f"{listing} names {name!r}, which is not in {folder}.")
    return path
