"""Train a small network; meet with an accident at one step, as the arguments tell.

Usage: killed.py FOLDER ACCIDENT STEP, where ACCIDENT is none, kill, kill-in-save or full-disk.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from model_runtime.training.loop import Recipe, train

STEPS, EVERY = 12, 4


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Trainee:
    """Dropout draws from torch, the batch from the step's generator."""

    def __init__(self, accident: str, at: int) -> None:
        torch.manual_seed(0)
        self.module = nn.Sequential(nn.Linear(16, 64), nn.Dropout(0.3), nn.Linear(64, 1))
        self._rows = torch.from_numpy(np.random.default_rng(1).standard_normal((50, 16)))
        self._accident, self._left = accident, at

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        if self._left == 0:
            self._meet()
        self._left -= 1
        rows = self._rows[random.choice(50, recipe.batch, replace=False)].float()
        return {"loss": (self.module(rows)[:, 0] - rows.sum(1)).square().mean()}

    def _meet(self) -> None:
        if self._accident == "kill":
            _die()
        if self._accident == "kill-in-save":

            def half(_state: object, part: Path) -> None:
                part.write_bytes(b"PK half")
                _die()

            torch.save = half
        if self._accident == "full-disk":
            resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000))


if __name__ == "__main__":
    torch.set_num_threads(1)
    recipe = Recipe(STEPS, batch=8, warmup=2, checkpoint_every=EVERY)
    train(Trainee(sys.argv[2], int(sys.argv[3])), recipe, Path(sys.argv[1]))
