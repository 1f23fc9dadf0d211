"""The loop learns, resumes to the same losses, and stops at a loss that is no number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from model_runtime.config import SiglipConfig, VlmConfig
from model_runtime.dcformer import DCFormer
from model_runtime.training.contrastive import ContrastiveStage
from model_runtime.training.features import Features, compute_features
from model_runtime.training.instruct import InstructStage
from model_runtime.training.loop import DivergedError, Recipe, Trainee, train
from model_runtime.training.volumes import VolumeStore


def _contrastive(config: SiglipConfig, words: Tokenizer, store: VolumeStore) -> ContrastiveStage:
    torch.manual_seed(0)
    return ContrastiveStage(config, (1, 1), words, store)


def _recipe(steps: int) -> Recipe:
    return Recipe(steps, batch=6, learning_rate=3e-3, warmup=3, checkpoint_every=4)


def test_contrastive_training_learns(
    siglip_config: SiglipConfig, words: Tokenizer, store: VolumeStore, run: Path
) -> None:
    losses = train(_contrastive(siglip_config, words, store), _recipe(30), run)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_processes_draw_the_batches_that_the_loop_would(
    siglip_config: SiglipConfig, words: Tokenizer, store: VolumeStore, run: Path
) -> None:
    alone, kept = (_contrastive(siglip_config, words, store) for _ in range(2))
    losses = train(alone, replace(_recipe(3), accumulate=2), run / "alone")
    kept.keep_on("cpu")
    recipe = replace(_recipe(3), accumulate=2, workers=2)
    assert train(kept, recipe, run / "processes") == losses


def test_what_a_worker_cannot_draw_stops_the_run(
    siglip_config: SiglipConfig, words: Tokenizer, store: VolumeStore, run: Path
) -> None:
    too_many = replace(_recipe(3), batch=len(store) + 1, workers=1)
    with pytest.raises(ValueError, match="larger sample than population"):
        train(_contrastive(siglip_config, words, store), too_many, run)


def test_projector_and_language_learn_from_features(
    vlm_config: VlmConfig, words: Tokenizer, store: VolumeStore, run: Path
) -> None:
    torch.manual_seed(0)
    features = compute_features(DCFormer(vlm_config.encoder), store, views=2)
    features.save(run.parent / "features.npz")
    stage = InstructStage(vlm_config, words, Features.load(run.parent / "features.npz"))
    before = {k: v.clone() for k, v in stage.module.vlm.encoder.state_dict().items()}
    losses = train(stage, _recipe(25), run)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])
    after = stage.module.vlm.encoder.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_killed_run_goes_on_to_the_same_losses(
    siglip_config: SiglipConfig, words: Tokenizer, store: VolumeStore, run: Path
) -> None:
    whole = train(_contrastive(siglip_config, words, store), _recipe(8), run / "whole")
    broken = _Killed(_contrastive(siglip_config, words, store), at=6)
    with pytest.raises(KeyboardInterrupt):
        train(broken, _recipe(8), run / "cut")
    again = train(_contrastive(siglip_config, words, store), _recipe(8), run / "cut")
    assert again == pytest.approx(whole[4:], rel=1e-5)
    steps = [json.loads(line)["step"] for line in (run / "cut/log.jsonl").open()]
    assert steps == [0, 1, 2, 3, 4, 5, 4, 5, 6, 7]


class _Killed:
    """A trainee whose process is killed at one step."""

    def __init__(self, trainee: Trainee, at: int) -> None:
        self._trainee, self._left = trainee, at

    @property
    def module(self) -> nn.Module:
        return self._trainee.module

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        return self._trainee.loss(random, recipe)


class _Diverging:
    """A trainee whose loss becomes not-a-number at its third step."""

    def __init__(self) -> None:
        self.module = nn.Linear(1, 1)
        self._steps = 0

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        del random, recipe
        self._steps += 1
        loss = self.module(torch.ones(1)).sum()
        return {"loss": loss * float("nan") if self._steps == 3 else loss}


def test_a_loss_that_is_no_number_stops_with_the_last_checkpoint(run: Path) -> None:
    with pytest.raises(DivergedError, match="step 2"):
        train(_Diverging(), Recipe(9, warmup=1, checkpoint_every=2), run)
    assert torch.load(run / "checkpoint.pt", weights_only=True)["step"] == 2


def test_a_disk_that_fills_up_keeps_the_previous_checkpoint(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train(_Diverging(), Recipe(1, warmup=1), run)

    def full(_state: object, part: Path) -> None:
        Path(part).write_bytes(b"cut")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        train(_Diverging(), Recipe(2, warmup=1), run)
    assert torch.load(run / "checkpoint.pt", weights_only=True)["step"] == 1
