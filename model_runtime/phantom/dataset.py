"""Whole synthetic data sets on disk, a split at a time: M3D's layout, NIfTI and DICOM.

A folder holds, for each split, ``cases_SPLIT.json`` (truth and reports) and

- ``M3D_Cap.json``, ``M3D_VQA_SPLIT.csv`` and ``ct_case/SEED/`` in M3D's layout,
- ``nifti/SPLIT/SEED/`` with the scan in HU, the label map of the findings and the truth,
- ``dicom/SPLIT/SEED/`` with a series that the workstation opens.

Cases are written as folders that get their name when they are whole, so a run that ended
early goes on where it was. The same command writes the same bytes.
"""

from __future__ import annotations

import csv
import json
import multiprocessing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

from model_runtime.evaluation.m3d import CAPTIONS, COLUMNS, KINDS, DatasetError
from model_runtime.evaluation.m3d_writing import QUESTION_STREAM, table_row
from model_runtime.phantom.case import Case, sample_case
from model_runtime.phantom.dataset_cases import SHAPES, Shape, image_name, truth_of, write_case
from model_runtime.phantom.language import questions
from model_runtime.phantom.splits import Overlap, overlap, seeds_of

SPLITS = {
    "train": "training",
    "validation": "validation",
    "test": "test",
    "held-out": "held-out style",
}
"""Splits as M3D names them, and what :mod:`.splits` calls them; the last is not M3D's."""
_SETTINGS = "dataset.json"


@dataclass(frozen=True)
class DataSet:
    """A split to be written: where, how many cases, in which layouts.

    ``shape`` is (slices, rows, columns) of a volume; without, each layout has its own.
    """

    folder: Path
    split: str
    count: int
    layouts: Sequence[str] = ("m3d",)
    shape: Shape | None = None
    seeds: range = field(init=False)

    def __post_init__(self) -> None:
        """Find the seeds; a split that has fewer than ``count`` is an error."""
        object.__setattr__(self, "seeds", seeds_of(SPLITS[self.split], self.count))

    def case(self, seed: int) -> Case:
        """Draw a case, in the style of the split."""
        return sample_case(seed, held_out=self.split == "held-out")

    def voxels(self, layout: str) -> Shape:
        """Voxels of a volume in a layout."""
        return self.shape or SHAPES[layout]

    def place(self, layout: str, seed: int) -> Path:
        """Folder of a case in a layout."""
        within = "ct_case" if layout == "m3d" else f"{layout}/{self.split}"
        return self.folder / within / f"{seed:06d}"


def write_dataset(data: DataSet, processes: int = 1) -> Iterator[bool]:
    """Write a split, yielding for each case whether anything of it had to be written.

    Raises
    ------
    DatasetError
        Where the folder holds volumes of another size, or a listing that cannot be read.
    """
    data.folder.mkdir(parents=True, exist_ok=True)
    _keep_settings(data)
    if processes == 1:
        yield from map(partial(_write, data), data.seeds)
    else:
        # Threads of the numerical libraries do not survive a fork.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(processes, context) as pool:
            yield from pool.map(partial(_write, data), data.seeds)
    truths = [truth_of(data.case(seed)) for seed in data.seeds]
    _write_json(data.folder / f"cases_{data.split}.json", truths)
    if "m3d" in data.layouts:
        _list_m3d(data)


def _write(data: DataSet, seed: int) -> bool:
    case = data.case(seed)
    written = [
        write_case(case, layout, data.place(layout, seed), data.voxels(layout))
        for layout in data.layouts
    ]
    return any(written)


def _keep_settings(data: DataSet) -> None:
    """Remember the size of the volumes, which goes on as it began."""
    path = data.folder / _SETTINGS
    kept: dict[str, Any] = _read_json(path) if path.exists() else {}
    for layout in data.layouts:
        wanted = list(data.voxels(layout))
        held = kept.setdefault(layout, wanted)
        if held != wanted:
            raise DatasetError(
                f"{data.folder} holds {layout} volumes of {tuple(held)} voxels, not "
                f"{tuple(wanted)}. Go on with --shape {','.join(map(str, held))}, or write "
                "into another folder."
            )
    _write_json(path, kept)


def _list_m3d(data: DataSet) -> None:
    """Write the listing and the tables of questions, those of other splits kept."""
    path = data.folder / CAPTIONS
    listing: dict[str, Any] = _read_json(path) if path.exists() else {}
    items = {seed: _item(data, seed) for seed in data.seeds}
    listing[data.split] = list(items.values())
    order = list(SPLITS)
    _write_json(path, {name: listing[name] for name in sorted(listing, key=order.index)})
    tables = {name: data.folder / f"M3D_VQA_{name}{data.split}.csv" for name in ("", "yn_")}
    with ExitStack() as files:
        writers = {
            name: csv.DictWriter(
                files.enter_context(_part(table).open("w", encoding="utf-8", newline="")), COLUMNS
            )
            for name, table in tables.items()
        }
        for writer in writers.values():
            writer.writeheader()
        for seed, item in items.items():
            for asked in questions(data.case(seed), np.random.default_rng([seed, QUESTION_STREAM])):
                writers["" if asked.kind in KINDS else "yn_"].writerow(table_row(item, asked))
    for table in tables.values():
        _part(table).replace(table)


def _item(data: DataSet, seed: int) -> dict[str, str]:
    place = f"ct_case/{seed:06d}"
    return {"image": f"{place}/{image_name(data.case(seed))}", "text": f"{place}/text.txt"}


def overlaps(folder: Path) -> Mapping[tuple[str, str], Overlap]:
    """Compare the findings of the reports of every two splits that a folder holds.

    Raises
    ------
    DatasetError
        Where a listing of cases cannot be read.
    """
    held = {
        split: [_findings(told["report"]) for told in _read_json(path)]
        for split in SPLITS
        if (path := folder / f"cases_{split}.json").exists()
    }
    return {(a, b): overlap(held[a], held[b]) for a, b in combinations(held, 2)}


def repeated(folder: Path) -> Mapping[str, int]:
    """Count, within each split of a folder, the reports whose findings another one has too."""
    found: dict[str, int] = {}
    for split in SPLITS:
        path = folder / f"cases_{split}.json"
        if path.exists():
            told = [_findings(case["report"]) for case in _read_json(path)]
            found[split] = len(told) - len(set(told))
    return found


def _findings(told: str) -> str:
    """Cut a report down to what was found; technique and impression are alike more often."""
    return told.partition("Findings: ")[2].partition("\nImpression:")[0]


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


def _write_json(path: Path, told: object) -> None:
    """Write a file, whole or not at all."""
    part = _part(path)
    part.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def _read_json(path: Path) -> Any:  # noqa: ANN401
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DatasetError(f"{path} is damaged: {error}. Delete it and write again.") from error


def summary(folder: Path) -> Iterable[str]:
    """Tell in lines how much the reports of the splits in a folder overlap."""
    for split, count in repeated(folder).items():
        yield f"{split}: {count} reports repeat the findings of another one of this split"
    shared = overlaps(folder)
    for (first, second), found in shared.items():
        yield f"{second} against {first}: {found}"
    if not shared:
        yield "only one split is here, so there is no other to compare its reports with"
