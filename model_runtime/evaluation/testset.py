"""What is evaluated on: volumes with their reports and questions, from phantoms or from disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_runtime.evaluation.answers import model_input
from model_runtime.evaluation.m3d import Captioned as DiskItem
from model_runtime.evaluation.m3d import (
    DatasetError,
    in_training,
    overlap,
    read_captions,
    read_questions,
)
from model_runtime.evaluation.m3d_volumes import read_grey
from model_runtime.evaluation.measure import full_text
from model_runtime.phantom.case import Case, sample_case
from model_runtime.phantom.language import Question, questions, report
from model_runtime.phantom.splits import FIRST_SEEDS, seeds_of
from model_runtime.weights import LoadedModel

TEST_SEED = FIRST_SEEDS["test"]
_QUESTION_STREAM = 11
TRAINED = 22_600
"""Training cases of the demonstration model: seeds from 0."""
Drawn = Callable[[Case], Tensor]
"""Gives the volume of a case in [0, 1], shape (z, y, x)."""
Frequent = Counter[tuple[str, str, str]]
"""How often each answer was right: by type, question and answer."""


@dataclass(frozen=True, eq=False)
class Item:
    """A volume with the caption that it is searched by and the report that is wanted."""

    name: str
    caption: str
    report: str
    volume: Callable[[LoadedModel], Tensor]
    case: Case | None = None


@dataclass(frozen=True, eq=False)
class TestSet:
    """Items, questions as (place of the item, question), and what training tells of answers.

    ``common_report`` is the report that training holds most often, ``trained`` are the places
    of items whose report or volume training holds too.
    """

    __test__ = False
    name: str
    items: Sequence[Item]
    asked: Sequence[tuple[int, Question]]
    frequent: Frequent
    common_report: str = ""
    trained: frozenset[int] = frozenset()
    notes: Sequence[str] = ()
    overlap: dict[str, Any] = field(default_factory=dict)


def load_testset(
    name: str, trained: int = TRAINED, held_out: bool = False, drawn: Drawn | None = None
) -> TestSet:
    """Open ``phantom:N``, the first N test seeds, or a folder in M3D's layout.

    Parameters
    ----------
    trained
        How many seeds from 0 a model for the phantoms was trained on.
    held_out
        Take the phantoms of the style, of words and pictures, that is never trained on.
    drawn
        Gives the volumes of phantoms, straight on the model's grid; without, each is scanned
        and prepared as the program does, which takes about ten times as long.

    Raises
    ------
    DatasetError
        Where the name is neither, or an item of the folder cannot be used.
    """
    if name.startswith("phantom:"):
        return phantoms(phantom_seeds(name, held_out), trained, held_out, drawn)
    if not Path(name).is_dir():
        raise DatasetError(f"{name!r} is neither a folder nor phantom:N with N of at least 1.")
    if held_out:
        raise DatasetError("Only phantoms have a held-out style.")
    return from_disk(Path(name))


def phantom_seeds(name: str, held_out: bool = False) -> range:
    """List the seeds of ``phantom:N`` in the usual or the held-out style.

    Raises
    ------
    DatasetError
    """
    try:
        return seeds_of("held-out style" if held_out else "test", phantom_count(name))
    except ValueError as error:
        raise DatasetError(f"{name!r}: {error}.") from error


def phantom_count(name: str) -> int:
    """Read the N of ``phantom:N``.

    Raises
    ------
    DatasetError
    """
    kind, _, count = name.partition(":")
    if kind != "phantom" or not count.isdecimal() or int(count) < 1:
        raise DatasetError(f"{name!r} is neither a folder nor phantom:N with N of at least 1.")
    return int(count)


def phantoms(
    seeds: Sequence[int],
    training: int = TRAINED,
    held_out: bool = False,
    drawn: Drawn | None = None,
) -> TestSet:
    """Draw the test items of some seeds; compare them with so many training seeds."""
    cases = [sample_case(seed, held_out) for seed in seeds]
    items = [_phantom_item(case, drawn) for case in cases]
    asked = [
        (place, question)
        for place, case in enumerate(cases)
        for question in _questions(case)
    ]
    trained = [sample_case(seed) for seed in range(training)]
    seen = [DiskItem(Path(f"synthetic {case.seed}"), _report(case)) for case in trained]
    told = [DiskItem(Path(item.name), item.report) for item in items]
    style = ", in the held-out style of words and pictures" if held_out else ""
    return TestSet(
        f"synthetic cases, seeds {seeds[0]} to {seeds[-1]}{style}",
        items,
        asked,
        counted(question for case in trained for question in _questions(case)),
        _commonest(item.text for item in seen),
        in_training(seen, told),
        (
            f"overlap and frequent answers: against the training seeds 0 to {training - 1}",
            "volumes: drawn straight on the model's grid"
            if drawn
            else "volumes: scanned and prepared as the program does",
        ),
        overlap(seen, told),
    )


def _phantom_item(case: Case, drawn: Drawn | None) -> Item:
    return Item(
        f"synthetic {case.seed}",
        full_text(case),
        _report(case),
        lambda model: drawn(case)[None, None] if drawn else model_input(case, model)[None],
        case,
    )


def _report(case: Case) -> str:
    return report(case, np.random.default_rng(case.seed))


def _questions(case: Case) -> list[Question]:
    return questions(case, np.random.default_rng([case.seed, _QUESTION_STREAM]))


def from_disk(folder: Path) -> TestSet:
    """Open a folder in M3D's layout; every test item must be readable.

    Raises
    ------
    DatasetError
    """
    captions, asked = read_captions(folder, "test"), read_questions(folder, "test")
    items = [_disk_item(item.image, item.text) for item in captions]
    places = {item.image: place for place, item in enumerate(captions)}
    for question in asked:
        # A question may be about a volume that has no report in the test split.
        if question.image not in places:
            places[question.image] = len(items)
            items.append(_disk_item(question.image, ""))
    notes, seen, trained = [], list[DiskItem](), asked
    try:
        seen = read_captions(folder, "train")
    except DatasetError as error:
        notes.append(f"overlap is not measured, the commonest report is the test's: {error}")
    try:
        trained = read_questions(folder, "train")
    except DatasetError as error:
        notes.append(f"frequent answers are those of the test table itself: {error}")
    return TestSet(
        f"M3D layout in {folder.name}",
        items,
        [(places[row.image], row.question) for row in asked],
        counted(row.question for row in trained),
        _commonest(item.text for item in seen or captions),
        in_training(seen, captions),
        notes,
        overlap(seen, captions) if seen else {},
    )


def _commonest(reports: Iterable[str]) -> str:
    return Counter(reports).most_common(1)[0][0]


def counted(asked: Iterable[Question]) -> Frequent:
    """Count the right answers to each question."""
    return Counter((question.kind, question.text, question.answer) for question in asked)


def _disk_item(path: Path, text: str) -> Item:
    return Item(path.name, text, text, lambda model: read_volume(path, model))


def read_volume(path: Path, model: LoadedModel) -> Tensor:
    """Read a volume for a model, shape (1, 1, z, y, x).

    Raises
    ------
    DatasetError
    """
    return torch.from_numpy(np.ascontiguousarray(read_grey(path, model.config.input)))[None, None]
