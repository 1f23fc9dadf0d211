"""Volumes of phantoms on the model's grid, drawn once and kept on disk between evaluations."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_runtime.config import InputConfig
from model_runtime.evaluation.m3d import DatasetError
from model_runtime.phantom.case import Case, sample_case
from model_runtime.phantom.splits import split_of
from model_runtime.training.volumes import SHARD_CASES, VolumeStore, model_volume, render_shards


class Grids:
    """The cases of some seeds, 8 bits a voxel, in a folder.

    Parameters
    ----------
    folder : Path
        Holds a folder for each input that a model may have; missing cases are drawn into it.
    seeds : range
        All of one split.
    config : InputConfig
        Of the model that is evaluated.
    processes : int
        How many draw at a time.

    Raises
    ------
    DatasetError
        Where the folder holds volumes that cannot be read, or that are not those of the seeds.
    """

    def __init__(self, folder: Path, seeds: range, config: InputConfig, processes: int) -> None:
        mine = folder / _word(config) / split_of(seeds[0]).replace(" ", "-")
        shards = -(-len(seeds) // SHARD_CASES)
        try:
            render_shards(mine, seeds[0], shards * SHARD_CASES, config, processes)
            self._store = VolumeStore.open(mine)
        except ValueError as error:
            raise DatasetError(f"The drawn volumes in {mine} cannot be used: {error}") from error
        self._places = {int(seed): place for place, seed in enumerate(self._store.seeds)}
        # What was drawn by another version of the phantoms would be scored against this one's
        # words.
        for seed in (seeds[0], seeds[-1]):
            case = sample_case(seed, split_of(seed) == "held-out style")
            if not np.array_equal(self._kept(case), model_volume(case, config)):
                raise DatasetError(
                    f"The drawn volumes in {mine} are of other phantoms. Delete that folder."
                )

    def __call__(self, case: Case) -> Tensor:
        """Give the volume of a case, in [0, 1]."""
        return torch.from_numpy(self._kept(case)).float() / 255

    def _kept(self, case: Case) -> NDArray[np.uint8]:
        volume: NDArray[np.uint8] = self._store.get([self._places[case.seed]])[0]
        return volume


def _word(config: InputConfig) -> str:
    """Name an input by its grid and by a sum over all that makes its grey values."""
    told = repr(sorted(asdict(config).items(), key=str)).encode()
    grid = "x".join(map(str, config.shape))
    return f"{grid}-{hashlib.sha256(told).hexdigest()[:8]}"
