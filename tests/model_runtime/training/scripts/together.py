"""Train two towers, alone or as one of several processes started by torchrun's variables.

Usage: together.py FOLDER STEPS [fsdp]. Each process takes its slice of the same batches.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from model_runtime.training.distributed_loss import ring_sigmoid_loss
from model_runtime.training.loop import Recipe, train
from model_runtime.training.processes import joined, launched, rank

BATCH, WIDTH = 6, 8


class Towers:
    """Begins differently in every process: the loop has to make them alike."""

    def __init__(self) -> None:
        torch.manual_seed(rank())
        self.module = nn.ModuleDict({side: nn.Linear(WIDTH, WIDTH) for side in ("image", "text")})
        self.module.t_prime = nn.Parameter(torch.tensor(1.0))
        self.module.bias = nn.Parameter(torch.tensor(-1.0))

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        # The same in every process: drawn from torch's seed of the step, less the rank's part.
        torch.manual_seed(torch.initial_seed() - 7919 * rank())
        batch = torch.randn(2, BATCH, WIDTH)
        count = BATCH // dist.get_world_size() if joined() else BATCH
        own = batch[:, rank() * count : (rank() + 1) * count]
        image, text = (
            functional.normalize(self.module[side](rows), dim=-1)
            for side, rows in zip(("image", "text"), own, strict=True)
        )
        loss = ring_sigmoid_loss(image, text, self.module.t_prime, self.module.bias, chunk=2)
        return {"loss": loss}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with launched():
        recipe = Recipe(
            int(sys.argv[2]),
            warmup=2,
            checkpoint_every=3,
            learning_rate=1e-2,
            fsdp="fsdp" in sys.argv,
        )
        towers = Towers()
        train(towers, recipe, Path(sys.argv[1]))
        after = towers.module.state_dict()
        assert all(tensor.__class__ is torch.Tensor for tensor in after.values())
