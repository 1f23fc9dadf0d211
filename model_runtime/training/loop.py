"""The training loop: accelerate, AdamW, warm-up and cosine, checkpoints, exact resume.

Step ``n`` draws everything random, the order of the data too, from ``(seed, n)``, so a run
that is killed and resumed computes the losses that it would have computed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from model_runtime.training import processes
from model_runtime.training.acceleration import (
    LossOf,
    accelerator_for,
    enable_recomputing,
    load_optimizer,
    scalars,
    unshard,
    whole,
)
from model_runtime.training.batches import Ahead, Source, Stopwatch, Workers
from model_runtime.training.checkpointing import load_checkpoint, save_checkpoint
from model_runtime.training.journal import Journal

__all__ = [
    "Ahead", "DivergedError", "DrawsAhead", "Recipe", "Stopwatch", "Trainee", "device_of", "train",
]  # fmt: skip

_LOG = logging.getLogger(__name__)
_ONLY_PACE = {"prefetch", "workers", "fsdp"}
"""Keys of a recipe that change no loss."""


@dataclass(frozen=True)
class Recipe:
    """How long and how fast; ``checkpoint_every`` counts steps.

    ``floor`` is the share of the learning rate that the cosine ends with.

    ``bf16`` computes in half the precision where that is safe; ``recompute`` keeps fewer
    states of the transformers in memory and computes them again on the way back.

    ``accumulate`` averages the gradients of so many batches before a step; ``fsdp`` shards
    weights, gradients and the optimizer's state over the processes (FSDP2); ``prefetch`` steps
    are drawn in advance by a thread, or by ``workers`` processes.
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
    accumulate: int = 1
    fsdp: bool = False
    prefetch: int = 1
    workers: int = 0

    def schedule(self, optimizer: torch.optim.Optimizer, step: int = 0) -> LambdaLR:
        """Set the learning rate of a step: linear warm-up, then cosine to the floor."""
        from transformers import optimization

        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"] = self.learning_rate
        schedule: LambdaLR = optimization.get_cosine_with_min_lr_schedule_with_warmup_lr_rate(
            optimizer,
            self.warmup,
            self.steps,
            last_epoch=step - 1,
            min_lr_rate=self.floor,
            warmup_lr_rate=1 / max(1, self.warmup),
        )
        return schedule


class Trainee(Protocol):
    """What the loop trains: modules, and the loss of a step.

    It may have more: ``loading``, a :class:`Stopwatch` of the time that its batches take,
    ``data``, a word that changes when its data do, and the two methods of
    :class:`DrawsAhead`, by which its batches are loaded while the step before computes.
    """

    @property
    def module(self) -> nn.Module:
        """Everything that is learnt and saved in a checkpoint."""

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        """Losses by name; ``"loss"`` is the one that is minimised."""


@runtime_checkable
class DrawsAhead(Protocol):
    """A trainee whose batches can be drawn in advance; ``loss`` does both for one step."""

    def draw(self, random: np.random.Generator, recipe: Recipe) -> object:
        """Load and draw a batch; nothing random but from ``random``, and without the module."""

    def loss_of(self, batch: Any) -> Mapping[str, Tensor]:  # noqa: ANN401
        """Losses of a drawn batch, by name."""


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
        self._data = str(getattr(trainee, "data", ""))
        self._accelerator = accelerator_for(
            trainee.module,
            folder,
            bf16=recipe.bf16,
            accumulate=recipe.accumulate,
            fsdp=recipe.fsdp,
        )
        self._saved = self._begin(load_checkpoint(self._path))
        self._loading: Stopwatch = getattr(trainee, "loading", Stopwatch())
        self._ahead: Source | None = None
        if isinstance(trainee, DrawsAhead) and (recipe.prefetch or recipe.workers):
            self._ahead = self._drawn_ahead(trainee)
            self._loading = self._ahead.waiting
        self._journal = Journal(folder, self._accelerator, self._saved, recipe.steps)
        trainee.module.train()
        if recipe.recompute:
            enable_recomputing(trainee.module)

    def go(self) -> list[float]:
        losses, recipe = [], self._recipe
        with ExitStack() as stack:
            stack.enter_context(self._journal.opened())
            if self._ahead is not None:
                stack.enter_context(self._ahead.opened())
            for step in range(self._saved, recipe.steps):
                losses.append(self._step(step))
                if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == recipe.steps:
                    self._save(step + 1)
        unshard(self._trainee.module)
        return losses

    def _begin(self, state: Mapping[str, Any] | None) -> int:
        """Load the checkpoint, then let accelerate wrap the loss and shard what is sharded."""
        module, recipe = self._trainee.module, self._recipe
        if state is not None:
            module.load_state_dict(state["module"])
            self._tell_changes(state)
        processes.begin_alike(module)
        self._optimizer = torch.optim.AdamW(_groups(module, recipe.weight_decay), betas=(0.9, 0.98))
        self._model, self._stepper = self._accelerator.prepare(
            LossOf(module, self._loss), self._optimizer
        )
        if state is not None:
            load_optimizer(self._optimizer, state["optimizer"])
        step = 0 if state is None else int(state["step"])
        self._schedule = recipe.schedule(self._optimizer, step)
        return step

    def _tell_changes(self, state: Mapping[str, Any]) -> None:
        for name, now in self._identity().items():
            before = state.get("identity", {}).get(name, now)
            if before != now:
                _LOG.warning(
                    "%s was %s up to step %d and is %s now: the losses will differ from those "
                    "of an uninterrupted run", name, before, state["step"], now
                )  # fmt: skip

    def _identity(self) -> dict[str, Any]:
        """List what has to stay for a resumed run to compute an unbroken one's losses."""
        recipe = asdict(self._recipe)
        return {"data": self._data} | {n: v for n, v in recipe.items() if n not in _ONLY_PACE}

    def _drawn_ahead(self, trainee: DrawsAhead) -> Source:
        recipe, steps = self._recipe, range(self._saved, self._recipe.steps)

        def draw(random: np.random.Generator) -> object:
            return trainee.draw(random, recipe)

        kind, count = (Workers, recipe.workers) if recipe.workers else (Ahead, recipe.prefetch)
        return kind(draw, self._generator, recipe.accumulate, steps, count)

    def _generator(self, step: int) -> np.random.Generator:
        return np.random.default_rng(processes.generator_seed(self._recipe.seed, step))

    def _loss(self, batch: Any) -> Mapping[str, Tensor]:  # noqa: ANN401
        """Losses of a batch drawn ahead, or of one that the trainee draws itself."""
        if self._ahead is not None:
            assert isinstance(self._trainee, DrawsAhead)
            return self._trainee.loss_of(batch)
        return self._trainee.loss(batch, self._recipe)

    def _save(self, step: int) -> None:
        state = {
            "module": whole(self._trainee.module.state_dict()),
            "optimizer": whole(self._optimizer.state_dict()),
            "step": step,
            "identity": self._identity(),
        }
        if processes.rank() == 0:
            save_checkpoint(self._path, state)
        processes.wait_for_all()
        self._saved = step

    def _step(self, step: int) -> float:
        recipe = self._recipe
        began, loaded = time.monotonic(), self._loading.seconds
        torch.manual_seed(recipe.seed * 1_000_003 + step + 7919 * processes.rank())
        rate = float(self._optimizer.param_groups[0]["lr"])
        sums: dict[str, float] = {}
        for batch in self._batches(step):
            with self._accelerator.accumulate(self._model):
                losses = self._model(batch)
                self._check(losses["loss"], f"the loss of step {step}")
                self._accelerator.backward(losses["loss"])
                self._update(step)
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value.item() / recipe.accumulate
        self._schedule.step()
        seconds, loading = time.monotonic() - began, self._loading.seconds - loaded
        self._journal.tell(step, sums, rate, seconds, loading)
        return sums["loss"]

    def _batches(self, step: int) -> list[Any]:
        if self._ahead is not None:
            return self._ahead.of(step)
        return [self._generator(step)] * self._recipe.accumulate

    def _update(self, step: int) -> None:
        """Move the weights, if this batch is the last of its step."""
        if not self._accelerator.sync_gradients:
            return
        if self._recipe.fsdp:
            processes.average_gradients(scalars(self._trainee.module))
        norm = self._accelerator.clip_grad_norm_(self._model.parameters(), self._recipe.clip)
        self._check(whole(norm), f"the gradient's norm of step {step}")
        self._stepper.step()
        self._stepper.zero_grad()

    def _check(self, value: Tensor, what: str) -> None:
        if processes.finite_everywhere(value):
            return
        good = (
            f"the last good checkpoint is {self._path} of step {self._saved}"
            if self._saved
            else "there is no checkpoint yet"
        )
        raise DivergedError(f"{what} is {value.item()}; {good}")
