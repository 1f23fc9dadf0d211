"""Phantoms written in the layout of M3D-Cap and M3D-VQA, as :mod:`.m3d` reads it.

Questions to be answered by yes or no are no type of M3D-VQA's five; they go into a table of
their own, ``M3D_VQA_yn_SPLIT.csv``, as M3D keeps them, with two choices.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import VolumeInput
from model_runtime.config import InputConfig
from model_runtime.evaluation.m3d import CAPTIONS, COLUMNS, KINDS
from model_runtime.phantom.case import Case, sample_case
from model_runtime.phantom.language import Question, questions, report
from model_runtime.phantom.render import render
from model_runtime.preprocess import prepare
from model_runtime.prompt import LETTERS

QUESTION_STREAM = 11
"""Stream of a case's randomness from which its questions are drawn, as in the evaluation."""


def write_m3d(
    folder: Path,
    splits: Mapping[str, Iterable[int]],
    acquired: tuple[int, int, int],
    settings: InputConfig | None = None,
) -> Iterator[Case]:
    """Write volumes, reports and questions, yielding each case as it is done.

    Parameters
    ----------
    folder
        Where the listing, the tables and the volumes go.
    splits
        Seeds of each split: ``train``, ``validation``, ``test``.
    acquired
        Voxels (z, y, x) of a scan.
    settings
        Volumes are prepared for this input and written as ``.npy`` with values from 0 to 1,
        shape (1, z, y, x); without, they are NIfTI files in HU with their true geometry.
    """
    listing: dict[str, list[dict[str, str]]] = {}
    folder.mkdir(parents=True, exist_ok=True)
    for split, seeds in splits.items():
        rows = listing.setdefault(split, [])
        with ExitStack() as files:
            writers = {
                name: _table(files, folder / f"M3D_VQA_{name}{split}.csv") for name in ("", "yn_")
            }
            for seed in seeds:
                case = sample_case(seed)
                item = _write_case(folder, case, acquired, settings)
                rows.append(item)
                for question in questions(case, np.random.default_rng([seed, QUESTION_STREAM])):
                    name = "" if question.kind in KINDS else "yn_"
                    writers[name].writerow(table_row(item, question))
                yield case
    (folder / CAPTIONS).write_text(json.dumps(listing, indent=1) + "\n", encoding="utf-8")


def _table(files: ExitStack, path: Path) -> csv.DictWriter[str]:
    """Begin a table of questions, which ends with ``files``."""
    writer = csv.DictWriter(
        files.enter_context(path.open("w", encoding="utf-8", newline="")), COLUMNS
    )
    writer.writeheader()
    return writer


def _write_case(
    folder: Path, case: Case, acquired: tuple[int, int, int], settings: InputConfig | None
) -> dict[str, str]:
    """Write volume and report; returns their paths as the listing holds them."""
    place = f"ct_case/{case.seed:06d}"
    (folder / place).mkdir(parents=True, exist_ok=True)
    voxels, matrix = render(case, acquired)
    phase = case.phase.replace(" ", "_").replace("-", "_")
    if settings is None:
        image = f"{place}/{case.plane.capitalize()}_{phase}.nii.gz"
        _write_nifti(folder / image, voxels, matrix, case.region.value)
    else:
        image = f"{place}/{case.plane.capitalize()}_{phase}.npy"
        volume = VolumeInput(str(case.seed), voxels, matrix, "CT", case.region.value.upper())
        np.save(folder / image, prepare(volume, settings, None).grey[None])
    told = report(case, np.random.default_rng(case.seed))
    text = f"{place}/text.txt"
    (folder / text).write_text(f"study_findings:\n{told}\n", encoding="utf-8")
    return {"image": image, "text": text}


def _write_nifti(
    path: Path, voxels: NDArray[np.int16], matrix: NDArray[np.float64], body_part: str
) -> None:
    import SimpleITK as sitk

    image = sitk.GetImageFromArray(voxels)
    spacing = np.linalg.norm(matrix[:3, :3], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((matrix[:3, :3] / spacing).ravel().tolist())
    image.SetOrigin(matrix[:3, 3].tolist())
    image.SetMetaData("ITK_FileNotes", body_part)  # becomes the header's description
    sitk.WriteImage(image, str(path), useCompression=True)


def table_row(item: Mapping[str, str], question: Question) -> dict[str, str | int]:
    """Lay a question out in the columns of M3D-VQA; ``item`` is its entry of M3D-Cap."""
    choices = dict(zip(LETTERS[:4], question.choices, strict=False))
    number = KINDS.index(question.kind) + 1 if question.kind in KINDS else 0
    return {
        "Image Path": item["image"],
        "Text": item["text"],
        "Question Type": number,
        "Question": question.text,
        **{f"Choice {letter}": choices.get(letter, "") for letter in LETTERS[:4]},
        "Answer": question.answer,
        "Answer Choice": LETTERS[question.choices.index(question.answer)],
    }
