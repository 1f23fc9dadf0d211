"""The training loop: AdamW, warm-up and cosine, checkpoints, exact resume.

Step ``n`` draws everything random from ``(seed, n)``, so a run that is killed and resumed
computes the losses that it would have computed.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recipe:
    """How long and how fast; ``checkpoint_every`` counts steps."""

    steps: int
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 50
    seed: int = 0
    checkpoint_every: int = 100
    clip: float = 1.0
    bf16: bool = False

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then cosine to 2 %."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        share = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1, share))) / 2)


class Trainee(Protocol):
    """What the loop trains: modules, and the loss of a step."""

    @property
    def module(self) -> nn.Module:
        """Everything that is learnt and saved in a checkpoint."""

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        """Losses by name; ``"loss"`` is the one that is minimised."""


class DivergedError(RuntimeError):
    """The loss is not a number; the last checkpoint is still good."""


def _groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay matrices only: not norms, biases, scales or the loss's temperature."""
    learnt = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in learnt if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in learnt if p.ndim <= 1], "weight_decay": 0.0},
    ]


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> None:
    """Write beside, then rename, so that a full disk keeps the previous checkpoint."""
    part = path.with_suffix(".part")
    torch.save(dict(state), part)
    part.replace(path)


def train(trainee: Trainee, recipe: Recipe, folder: Path) -> list[float]:
    """Train to ``recipe.steps``, resuming from the folder's checkpoint if there is one.

    Returns
    -------
    list of float
        The losses of this call's steps. They are also in ``log.jsonl``.

    Raises
    ------
    DivergedError
        At the first loss that is not finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "checkpoint.pt"
    optimizer = torch.optim.AdamW(_groups(trainee.module, recipe.weight_decay), betas=(0.9, 0.98))
    start = 0
    if path.exists():
        state = torch.load(path, weights_only=True)
        trainee.module.load_state_dict(state["module"])
        optimizer.load_state_dict(state["optimizer"])
        start = state["step"]
    trainee.module.train()
    losses = []
    for step in range(start, recipe.steps):
        losses.append(_step(trainee, optimizer, recipe, step, folder))
        if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == recipe.steps:
            state = {
                "module": trainee.module.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step + 1,
            }
            save_checkpoint(path, state)
    return losses


def _step(
    trainee: Trainee, optimizer: torch.optim.Optimizer, recipe: Recipe, step: int, folder: Path
) -> float:
    began = time.monotonic()
    torch.manual_seed(recipe.seed * 1_000_003 + step)
    random = np.random.default_rng([recipe.seed, step])
    for group in optimizer.param_groups:
        group["lr"] = recipe.rate(step)
    with torch.autocast("cpu", torch.bfloat16, enabled=recipe.bf16):
        losses = trainee.loss(random, recipe)
    loss = losses["loss"]
    if not torch.isfinite(loss):
        raise DivergedError(f"the loss of step {step} is {loss.item()}")
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(trainee.module.parameters(), recipe.clip)
    optimizer.step()
    row = {name: round(value.item(), 5) for name, value in losses.items()}
    row |= {"step": step, "seconds": round(time.monotonic() - began, 3)}
    with (folder / "log.jsonl").open("a") as log:
        log.write(json.dumps(row) + "\n")
    if step % 20 == 0:
        _LOG.info("%s", row)
    return float(loss.item())
