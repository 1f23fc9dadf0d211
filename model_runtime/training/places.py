"""Where each finding of the training cases lies, as cells of the evidence maps' stage.

``places-NNNNNNN.npz`` stands beside each shard of volumes: ``counts`` (cases,) tells how many
findings each case has, ``cells`` (all of them, z, y, x) which cells their masks touch.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_runtime.config import InputConfig
from model_runtime.evidence_maps import Grid, cells_touching, grid_of
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.render import masks
from model_runtime.similarity import FINEST
from model_runtime.training.volumes import SHARD_CASES

Cells = NDArray[np.bool_]


def places_of(seed: int, shape: Grid) -> Cells:
    """Mark the cells that each finding of a case touches; shape (findings, z, y, x)."""
    case = sample_case(seed)
    seen = [cells_touching(mask, FINEST) for mask in masks(case, shape, body_only=True)]
    return np.array(seen, np.bool_).reshape(-1, *grid_of(shape, FINEST))


def mark_shards(
    folder: Path, first: int, count: int, config: InputConfig, processes: int = 2
) -> None:
    """Mark the places of the cases ``first … first + count`` that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(first, first + count, SHARD_CASES)
    ends = [min(start + SHARD_CASES, first + count) for start in starts]
    with ProcessPoolExecutor(processes) as pool:
        work = [
            pool.submit(_mark_shard, _path(folder, start), range(start, end), config.shape)
            for start, end in zip(starts, ends, strict=True)
        ]
        for one in work:
            one.result()


def _path(folder: Path, first: int) -> Path:
    return folder / f"places-{first:07d}.npz"


def _mark_shard(path: Path, seeds: range, shape: Grid) -> None:
    if path.exists():
        return
    cells = [places_of(seed, shape) for seed in seeds]
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        np.savez(file, counts=np.array([len(one) for one in cells]), cells=np.concatenate(cells))
    part.replace(path)


@dataclass(frozen=True, eq=False)
class PlaceStore:
    """The places of some training cases, in their order; each (findings, z, y, x)."""

    cells: tuple[Cells, ...]

    @classmethod
    def open(cls, folder: Path, seeds: Sequence[int] | NDArray[np.int64]) -> PlaceStore:
        """Read the places of the cases of these seeds.

        Raises
        ------
        ValueError
            Where a file is missing or damaged, or a case is in none of them; it is named.
        """
        known: dict[int, Cells] = {}
        for path in sorted(folder.glob("places-*.npz")):
            known |= _read(path)
        lacking = next((int(seed) for seed in seeds if int(seed) not in known), None)
        if lacking is not None:
            raise ValueError(
                f"the places of case {lacking} are not in {folder}; render it with --places"
            )
        return cls(tuple(known[int(seed)] for seed in seeds))


def _read(path: Path) -> dict[int, Cells]:
    try:
        with np.load(path) as table:
            counts, cells = table["counts"], table["cells"]
        split = np.split(cells, np.cumsum(counts)[:-1])
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it and mark it again") from error
    first = int(path.stem.split("-")[1])
    return {first + place: one for place, one in enumerate(split)}
