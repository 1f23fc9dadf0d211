"""The three questions: which encoder, which contrastive loss, which projector."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from model_runtime.ablation.encoders import (
    ENCODERS,
    EncoderStage,
    build_siglip,
    similarities,
)
from model_runtime.ablation.projecting import judge, stage_with
from model_runtime.ablation.projectors import PROJECTORS
from model_runtime.config import ModelConfig, demo_config
from model_runtime.evaluation.intervals import difference, estimate, mean_of
from model_runtime.evaluation.retrieval import rank_own
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.language import report
from model_runtime.siglip import Siglip
from model_runtime.training.alignment import AlignmentStage
from model_runtime.training.contrastive import Objective
from model_runtime.training.features import Features
from model_runtime.training.loop import Recipe, Trainee, train
from model_runtime.training.volumes import VolumeStore

LOSSES = tuple((loss, batch) for batch in (16, 128) for loss in ("sigmoid", "softmax"))
_READ_AT_ONCE = 32


@dataclass(frozen=True)
class Budget:
    """What every variant gets: cases seen, batch, learning rate, seed.

    ``device`` and ``workers`` say where and by how many processes, which changes no figure but
    by rounding.
    """

    seen: int
    batch: int
    rate: float
    seed: int
    device: str = "cpu"
    workers: int = 0

    def recipe(self, batch: int | None = None) -> Recipe:
        """Turn it into steps; another batch sees as many cases in as many fewer steps."""
        size = batch or self.batch
        steps = max(1, self.seen // size)
        return Recipe(
            steps, size, self.rate, warmup=max(1, steps // 20), seed=self.seed,
            checkpoint_every=max(1, steps // 4), workers=self.workers,
        )  # fmt: skip


Values = dict[str, NDArray[np.float64]]
"""Figures by name, one value a held-out case."""


def encoder_question(run: Path, data: Path, test: Path, budget: Budget) -> dict[str, Any]:
    """DCFormer or a 3D vision transformer, both from nothing with the sigmoid loss."""
    config, tokenizer = _model(run)
    store, held = VolumeStore.open(data), VolumeStore.open(test)
    reached, seconds = {}, {}
    for kind in ENCODERS:
        torch.manual_seed(budget.seed)
        siglip = build_siglip(kind, config)
        stage = EncoderStage(siglip, tokenizer, store, Objective("sigmoid"))
        stage.module.to(budget.device)
        seconds[kind] = _trained(stage, budget.recipe(), run / "ablation" / f"encoder-{kind}")
        reached[kind] = _found(siglip, tokenizer, _volumes(held), held.seeds)
    return _answer("encoder", reached, seconds, budget, dict.fromkeys(ENCODERS, ENCODERS[0]))


def loss_question(run: Path, data: Path, test: Path, budget: Budget) -> dict[str, Any]:
    """Sigmoid or softmax, at batch 16 and 128, on the same frozen encoder's states."""
    config, tokenizer = _model(run)
    features, held = Features.load(data), Features.load(test)
    reached, seconds = {}, {}
    for loss, batch in LOSSES:
        torch.manual_seed(budget.seed)
        siglip, name = Siglip(config.siglip), f"{loss} {batch}"
        stage = AlignmentStage(siglip, tokenizer, features, Objective(loss, aligned_labels=0.0))
        folder = run / "ablation" / f"loss-{loss}-{batch}"
        stage.module.to(budget.device)
        seconds[name] = _trained(stage, budget.recipe(batch), folder)
        states = torch.from_numpy(held.high[:, 0]).float()
        reached[name] = _found(siglip, tokenizer, [states], held.seeds)
    against = {f"{loss} {batch}": f"sigmoid {batch}" for loss, batch in LOSSES}
    return _answer("loss", reached, seconds, budget, against)


def projector_question(run: Path, data: Path, test: Path, budget: Budget) -> dict[str, Any]:
    """Both streams mixed, one of them, or an MLP on pooled tokens, before the same decoder."""
    config, tokenizer = _model(run)
    features, held = Features.load(data), Features.load(test)
    reached, seconds = {}, {}
    for kind in PROJECTORS:
        torch.manual_seed(budget.seed)
        stage = stage_with(kind, config, tokenizer, features)
        stage.module.to(budget.device)
        seconds[kind] = _trained(stage, budget.recipe(), run / "ablation" / f"projector-{kind}")
        judged = judge(stage.module.vlm, tokenizer, held)
        right = [judged.right[judged.cases == place].mean() for place in range(len(held.seeds))]
        reached[kind] = {
            "closed questions right, %": 100 * np.array(right),
            "cross-entropy of the report": judged.report_loss,
        }
    against = dict.fromkeys(PROJECTORS, PROJECTORS[0])
    return _answer("projector", reached, seconds, budget, against)


def _model(run: Path) -> tuple[ModelConfig, Tokenizer]:
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    return demo_config(tokenizer.get_vocab_size()), tokenizer


def _trained(stage: Trainee, recipe: Recipe, folder: Path) -> float:
    """Train a variant; return the seconds of all its steps."""
    began = time.monotonic()
    train(stage, recipe, folder)
    return time.monotonic() - began


def _volumes(store: VolumeStore) -> list[Tensor]:
    starts = range(0, len(store), _READ_AT_ONCE)
    rows = [list(range(start, min(start + _READ_AT_ONCE, len(store)))) for start in starts]
    return [torch.from_numpy(store.get(part))[:, None].float() / 255 for part in rows]


def _found(
    siglip: Siglip, tokenizer: Tokenizer, volumes: list[Tensor], seeds: NDArray[np.int64]
) -> Values:
    """Chance that a held-out volume finds its report, and a report its volume, in percent."""
    reports = [report(sample_case(int(seed)), np.random.default_rng(int(seed))) for seed in seeds]
    cosines = similarities(siglip, tokenizer, volumes, reports)
    out = {}
    for way, scores in (("volume to text", cosines), ("text to volume", cosines.T)):
        ranks = rank_own(scores)
        for k in (1, 10):
            out[f"R@{k} {way}, %"] = 100 * ranks.expected(k)
    return out


def _answer(
    question: str,
    reached: dict[str, Values],
    seconds: dict[str, float],
    budget: Budget,
    against: dict[str, str],
) -> dict[str, Any]:
    """Put figures, intervals and paired differences from the paper's choice together.

    ``against`` names the paper's choice that each variant is compared with, itself included.
    """
    table: dict[str, Any] = {}
    for name, values in reached.items():
        rows = {}
        for figure, each in values.items():
            mean = mean_of(each)
            apart = difference(mean, mean_of(reached[against[name]][figure]))
            rows[figure] = {
                "value": asdict(estimate(mean, len(each))),
                "less the paper's": asdict(estimate(apart, len(each))),
            }
        table[name] = rows | {"training seconds": round(seconds[name], 1)}
    cases = len(next(iter(next(iter(reached.values())).values())))
    return {
        "question": question, "compared with": against, "budget": asdict(budget),
        "held-out cases": cases, "variants": table,
    }  # fmt: skip
