"""Training volumes on disk: 8-bit, windowed, on the model's grid, in shards by seed.

A shard is one ``.npy`` of shape (cases, z, y, x); its name holds the first seed. Shards
are written whole and renamed, so an interrupted rendering leaves none half done.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_runtime.config import InputConfig
from model_runtime.phantom.case import Case, sample_case
from model_runtime.phantom.render import render

_LOG = logging.getLogger(__name__)
SHARD_CASES = 100


def model_volume(case: Case, config: InputConfig) -> NDArray[np.uint8]:
    """Render a case as the model's preprocessing would deliver it, times 255.

    The body fills the grid (body crop), the region's default window maps to 0 … 255.
    The case is drawn on a grid twice as fine and averaged, as the antialiased
    preprocessing of a real acquisition does.
    """
    fine = tuple(2 * count for count in config.shape)
    hu, _ = render(case, (fine[0], fine[1], fine[2]), body_only=True)
    window = config.windows[case.region]
    unit = np.clip((hu.astype(np.float32) - window.low) / (window.high - window.low), 0, 1)
    z, y, x = config.shape
    mean = unit.reshape(z, 2, y, 2, x, 2).mean(axis=(1, 3, 5))
    grey: NDArray[np.uint8] = np.round(mean * 255).astype(np.uint8)
    return grey


def _write_shard(folder: Path, first: int, count: int, config: InputConfig) -> Path:
    path = folder / f"cases-{first:07d}.npy"
    if not path.exists():
        volumes = np.stack(
            [model_volume(sample_case(seed), config) for seed in range(first, first + count)]
        )
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            np.save(file, volumes)
        part.replace(path)
    return path


def render_shards(
    folder: Path, first: int, count: int, config: InputConfig, processes: int = 2
) -> None:
    """Render the cases ``first … first + count`` that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    starts = range(first, first + count, SHARD_CASES)
    with ProcessPoolExecutor(processes) as pool:
        counts = [min(SHARD_CASES, first + count - start) for start in starts]
        work = [
            pool.submit(_write_shard, folder, start, number, config)
            for start, number in zip(starts, counts, strict=True)
        ]
        for done in work:
            _LOG.info("rendered %s", done.result().name)


@dataclass(frozen=True, eq=False)
class VolumeStore:
    """The shards of a folder as one sequence of cases, memory-mapped."""

    shards: tuple[NDArray[np.uint8], ...]
    seeds: NDArray[np.int64]

    @classmethod
    def open(cls, folder: Path) -> VolumeStore:
        """Map the shards of a folder in order of their seeds.

        Raises
        ------
        FileNotFoundError
            Where there are none.
        ValueError
            Where a shard cannot be read; its name is told.
        """
        paths = sorted(folder.glob("cases-*.npy"))
        if not paths:
            raise FileNotFoundError(f"no rendered cases in {folder}; run the render command first")
        shards, seeds = [], []
        for path in paths:
            try:
                shard = np.load(path, mmap_mode="r")
            except (ValueError, OSError, EOFError) as error:
                raise ValueError(f"{path} cannot be read: {error}") from error
            first = int(path.stem.split("-")[1])
            shards.append(shard)
            seeds.append(np.arange(first, first + len(shard)))
        return cls(tuple(shards), np.concatenate(seeds))

    def __len__(self) -> int:
        return len(self.seeds)

    def get(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Copy some volumes; shape (len(indices), z, y, x)."""
        starts = np.cumsum([0, *(len(shard) for shard in self.shards)])
        out = []
        for index in indices:
            shard = int(np.searchsorted(starts, index, side="right")) - 1
            out.append(self.shards[shard][index - starts[shard]])
        return np.stack(out)
