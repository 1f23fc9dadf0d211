"""The training loop: AdamW, warm-up and cosine, checkpoints, exact resume, several processes.

Step ``n`` draws everything random, the order of the data too, from ``(seed, n)``, so a run
that is killed and resumed computes the losses that it would have computed.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from model_runtime.training import processes
from model_runtime.training.checkpointing import load_checkpoint, save_checkpoint

_LOG = logging.getLogger(__name__)
_REPORT_EVERY = 20


@dataclass(frozen=True)
class Recipe:
    """How long and how fast; ``checkpoint_every`` counts steps.

    ``floor`` is the share of the learning rate that the cosine ends with.

    ``bf16`` computes in half the precision where that is safe; ``recompute`` keeps fewer
    states of the transformers in memory and computes them again on the way back.
    """

    steps: int
    batch: int = 32
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: int = 50
    seed: int = 0
    checkpoint_every: int = 100
    clip: float = 1.0
    bf16: bool = False
    recompute: bool = False
    floor: float = 0.02

    def rate(self, step: int) -> float:
        """Learning rate of a step: linear warm-up, then cosine to the floor."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        share = (step - self.warmup) / max(1, self.steps - self.warmup)
        fall = (1 + math.cos(math.pi * min(1, share))) / 2
        return self.learning_rate * (self.floor + (1 - self.floor) * fall)


@dataclass
class Stopwatch:
    """Adds up the time spent in its ``with`` blocks, seconds."""

    seconds: float = 0.0
    _began: float = field(default=0.0, repr=False)

    def __enter__(self) -> None:
        """Start."""
        self._began = time.monotonic()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        self.seconds += time.monotonic() - self._began


class Trainee(Protocol):
    """What the loop trains: modules, and the loss of a step.

    It may have more: ``loading``, a :class:`Stopwatch` of the time that its batches take,
    and ``data``, a word that changes when its data do.
    """

    @property
    def module(self) -> nn.Module:
        """Everything that is learnt and saved in a checkpoint."""

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        """Losses by name; ``"loss"`` is the one that is minimised."""


def device_of(module: nn.Module) -> torch.device:
    """Tell where a network lies."""
    return next(module.parameters()).device


class DivergedError(RuntimeError):
    """The loss or its gradient is not a number; the message names the last good checkpoint."""


def _groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Decay matrices only: not norms, biases, scales or the loss's temperature."""
    learnt = [parameter for parameter in module.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in learnt if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in learnt if p.ndim <= 1], "weight_decay": 0.0},
    ]


def train(trainee: Trainee, recipe: Recipe, folder: Path) -> list[float]:
    """Train to ``recipe.steps``, resuming from the folder's checkpoint if there is one.

    Returns
    -------
    list of float
        The losses of this call's steps. They are also in ``log.jsonl``, with each step's
        seconds and the share of them that loading took.

    Raises
    ------
    DivergedError
        At the first loss or gradient that is not finite.
    CheckpointError
        Where a checkpoint cannot be written or read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return _Run(trainee, recipe, folder).go()


class _Run:
    """One call of :func:`train`."""

    def __init__(self, trainee: Trainee, recipe: Recipe, folder: Path) -> None:
        self._trainee, self._recipe, self._folder = trainee, recipe, folder
        self._path = folder / "checkpoint.pt"
        self._optimizer = torch.optim.AdamW(
            _groups(trainee.module, recipe.weight_decay), betas=(0.9, 0.98)
        )
        self._loading: Stopwatch = getattr(trainee, "loading", Stopwatch())
        self._data = str(getattr(trainee, "data", ""))
        self._saved = self._resume()
        self._device = device_of(trainee.module).type
        processes.begin_alike(trainee.module)
        trainee.module.train()
        if recipe.recompute:
            _recompute(trainee.module)

    def go(self) -> list[float]:
        losses, recipe = [], self._recipe
        for step in range(self._saved, recipe.steps):
            losses.append(self._step(step))
            if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == recipe.steps:
                self._save(step + 1)
        return losses

    def _resume(self) -> int:
        state = load_checkpoint(self._path)
        if state is None:
            return 0
        self._trainee.module.load_state_dict(state["module"])
        self._optimizer.load_state_dict(state["optimizer"])
        for name, now in self._identity().items():
            before = state.get("identity", {}).get(name, now)
            if before != now:
                _LOG.warning(
                    "%s was %s up to step %d and is %s now: the losses will differ from those "
                    "of an uninterrupted run", name, before, state["step"], now
                )  # fmt: skip
        return int(state["step"])

    def _identity(self) -> dict[str, Any]:
        """List what has to stay for a resumed run to compute an unbroken one's losses."""
        return {"data": self._data} | asdict(self._recipe)

    def _save(self, step: int) -> None:
        state = {
            "module": self._trainee.module.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "step": step,
            "identity": self._identity(),
        }
        if processes.rank() == 0:
            save_checkpoint(self._path, state)
        processes.wait_for_all()
        self._saved = step

    def _step(self, step: int) -> float:
        recipe, module = self._recipe, self._trainee.module
        began, loaded = time.monotonic(), self._loading.seconds
        torch.manual_seed(recipe.seed * 1_000_003 + step + 7919 * processes.rank())
        random = np.random.default_rng(processes.generator_seed(recipe.seed, step))
        for group in self._optimizer.param_groups:
            group["lr"] = recipe.rate(step)
        with torch.autocast(self._device, torch.bfloat16, enabled=recipe.bf16):
            losses = self._trainee.loss(random, recipe)
        loss = losses["loss"]
        self._check(loss, f"the loss of step {step}")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        processes.average_gradients(module)
        norm = nn.utils.clip_grad_norm_(module.parameters(), recipe.clip)
        self._check(norm, f"the gradient's norm of step {step}")
        self._optimizer.step()
        row: dict[str, float] = {name: round(value.item(), 5) for name, value in losses.items()}
        seconds = time.monotonic() - began
        share = (self._loading.seconds - loaded) / max(seconds, 1e-9)
        self._log(row | {"step": step, "seconds": round(seconds, 3), "loading": round(share, 3)})
        return float(loss.item())

    def _check(self, value: Tensor, what: str) -> None:
        if processes.finite_everywhere(value):
            return
        good = (
            f"the last good checkpoint is {self._path} of step {self._saved}"
            if self._saved
            else "there is no checkpoint yet"
        )
        raise DivergedError(f"{what} is {value.item()}; {good}")

    def _log(self, row: Mapping[str, float]) -> None:
        if processes.rank():
            return
        with (self._folder / "log.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        if row["step"] % _REPORT_EVERY == 0:
            _LOG.info("%s · loading took %.0f %% of the step", row, 100 * row["loading"])


def _recompute(module: nn.Module) -> None:
    """Turn on gradient checkpointing in every transformer inside."""
    for part in module.modules():
        # The library renamed it; the old name warns.
        for name in ("activation", "gradient"):
            enable = getattr(part, f"{name}_checkpointing_enable", None)
            if callable(enable):
                enable(**{f"{name}_checkpointing_kwargs": {"use_reentrant": False}})
                break
