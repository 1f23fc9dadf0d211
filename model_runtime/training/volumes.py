"""Training volumes on disk: 8-bit, windowed, on the model's grid, in shards by seed.

A shard is one ``.npy`` of shape (cases, z, y, x); its name holds the first seed. Shards
are written whole and renamed, so an interrupted rendering leaves none half done.
``shards.json`` lists what was rendered, so that a file that is gone is missed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_runtime.config import InputConfig
from model_runtime.phantom.case import Case, sample_case
from model_runtime.phantom.render import render_for_model
from model_runtime.phantom.splits import split_of
from model_runtime.resample import smoothed

_LOG = logging.getLogger(__name__)
SHARD_CASES = 100
_LISTING = "shards.json"
_NAMED = 10


def model_volume(case: Case, config: InputConfig) -> NDArray[np.uint8]:
    """Render a case as the model's preprocessing would deliver it, times 255.

    The body fills the grid (body crop), the region's default window maps to 0 … 255.
    """
    unit = render_for_model(case, config.shape, config.windows[case.region])
    grey: NDArray[np.uint8] = np.round(smoothed(unit, config.smoothing) * 255).astype(np.uint8)
    return grey


def _case(seed: int) -> Case:
    return sample_case(seed, held_out=split_of(seed) == "held-out style")


def _write_shard(folder: Path, first: int, count: int, config: InputConfig) -> Path:
    path = folder / f"cases-{first:07d}.npy"
    if not path.exists():
        volumes = np.stack(
            [model_volume(_case(seed), config) for seed in range(first, first + count)]
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
        for done, number in zip(work, counts, strict=True):
            path = done.result()
            _write_listing(folder, _read_listing(folder) | {path.name: number})
            _LOG.info("rendered %s", path.name)


def _read_listing(folder: Path) -> dict[str, int]:
    """Cases of each shard that was rendered; empty for a folder without the list."""
    path = folder / _LISTING
    if not path.is_file():
        return {}
    try:
        return {str(name): int(count) for name, count in json.loads(path.read_text()).items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is damaged: {error}; render the cases again") from error


def _write_listing(folder: Path, listing: Mapping[str, int]) -> None:
    part = folder / f"{_LISTING}.part"
    part.write_text(json.dumps(dict(sorted(listing.items())), indent=1) + "\n", encoding="utf-8")
    part.replace(folder / _LISTING)


def _read_shard(path: Path, count: int | None, like: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    """Map one shard and check that it is what the others are.

    Raises
    ------
    ValueError
        Saying what is wrong with it.
    """
    try:
        shard: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path.name} cannot be read ({error})") from error
    if shard.dtype != np.uint8 or shard.ndim != 4:
        raise ValueError(f"{path.name} holds no volumes ({shard.dtype}, shape {shard.shape})")
    if count is not None and len(shard) != count:
        raise ValueError(f"{path.name} holds {len(shard)} cases in place of {count}")
    if like is not None and shard.shape[1:] != like.shape[1:]:
        raise ValueError(f"{path.name} has the grid {shard.shape[1:]}, others {like.shape[1:]}")
    return shard


def _mapped(
    folder: Path, names: Sequence[str], listing: Mapping[str, int]
) -> tuple[dict[int, NDArray[np.uint8]], list[str]]:
    """Map shards, by their first seed, and say what is wrong with the others."""
    shards: dict[int, NDArray[np.uint8]] = {}
    faults = []
    for name in names:
        if not (folder / name).exists():
            faults.append(f"{name} is missing")
            continue
        like = next(iter(shards.values()), None)
        try:
            shard = _read_shard(folder / name, listing.get(name), like)
        except ValueError as error:
            faults.append(str(error))
        else:
            shards[int(Path(name).stem.split("-")[1])] = shard
    return shards, faults


def _tell(folder: Path, faults: Sequence[str], files: int, *, skip: bool) -> None:
    """Count and name the files that cannot be used; an error unless they may be left out."""
    if not faults:
        return
    more = len(faults) - _NAMED
    named = "; ".join(faults[:_NAMED]) + (f"; and {more} more" if more > 0 else "")
    text = f"{len(faults)} of {files} training files in {folder} cannot be used: {named}"
    if not skip:
        raise ValueError(f"{text}. Delete the damaged ones and render them again.")
    _LOG.warning("%s. Training goes on without them.", text)


@dataclass(frozen=True, eq=False)
class VolumeStore:
    """The shards of a folder as one sequence of cases, memory-mapped."""

    shards: tuple[NDArray[np.uint8], ...]
    seeds: NDArray[np.int64]

    @classmethod
    def open(cls, folder: Path, *, skip_damaged: bool = False) -> VolumeStore:
        """Map the shards of a folder in order of their seeds.

        Files that are missing or damaged are counted and named; others never stand in for them.

        Parameters
        ----------
        skip_damaged : bool
            Go on without them, with a warning, in place of an error.

        Raises
        ------
        FileNotFoundError
            Where there are none.
        ValueError
            Where shards cannot be read; their number and names are told.
        """
        listing = _read_listing(folder)
        names = sorted({path.name for path in folder.glob("cases-*.npy")} | listing.keys())
        if not names:
            raise FileNotFoundError(f"no rendered cases in {folder}; run the render command first")
        shards, faults = _mapped(folder, names, listing)
        _tell(folder, faults, len(names), skip=skip_damaged and bool(shards))
        seeds = [np.arange(first, first + len(shard)) for first, shard in shards.items()]
        return cls(tuple(shards.values()), np.concatenate(seeds))

    @property
    def digest(self) -> str:
        """A word that changes when the cases or their order do."""
        return hashlib.sha256(self.seeds.astype("<i8").tobytes()).hexdigest()[:12]

    def __len__(self) -> int:
        return len(self.seeds)

    def get(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Copy some volumes; shape (len(indices), z, y, x)."""
        starts = np.cumsum([0, *(len(shard) for shard in self.shards)])
        out = np.empty((len(indices), *self.shards[0].shape[1:]), np.uint8)
        for row, index in enumerate(indices):
            shard = int(np.searchsorted(starts, index, side="right")) - 1
            out[row] = self.shards[shard][index - starts[shard]]
        return out
