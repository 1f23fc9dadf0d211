"""The common space learns from frozen states, with labels or without."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from model_runtime.config import SiglipConfig
from model_runtime.siglip import Siglip
from model_runtime.training.alignment import AlignmentStage
from model_runtime.training.contrastive import Objective
from model_runtime.training.features import Features, compute_features
from model_runtime.training.loop import Recipe, train
from model_runtime.training.volumes import VolumeStore


@pytest.fixture(scope="module")
def siglip(siglip_config: SiglipConfig) -> Siglip:
    torch.manual_seed(0)
    return Siglip(siglip_config)


@pytest.fixture(scope="module")
def states(siglip: Siglip, store: VolumeStore) -> Features:
    return compute_features(siglip.vision_encoder, store, views=1)


@pytest.mark.parametrize("labels", [0.0, 40.0])
def test_the_space_learns_and_the_encoder_stays(
    labels: float, siglip: Siglip, states: Features, words: Tokenizer, tmp_path: Path
) -> None:
    before = {name: value.clone() for name, value in siglip.state_dict().items()}
    stage = AlignmentStage(siglip, words, states, Objective(aligned_labels=labels))
    losses = train(stage, Recipe(12, batch=8, learning_rate=3e-3, warmup=1), tmp_path)
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    for name, value in siglip.state_dict().items():
        assert not name.startswith("vision_encoder.") or torch.equal(value, before[name]), name
    assert not torch.equal(before["mm_vision_proj.weight"], siglip.mm_vision_proj.weight)


def test_labels_are_read_from_reports_that_tell_them_all(
    siglip: Siglip, states: Features, words: Tokenizer
) -> None:
    stage = AlignmentStage(siglip, words, states, Objective(aligned_labels=40.0))
    batch = stage.draw(np.random.default_rng(0), Recipe(1, batch=8))
    told = int(batch.tells_all.sum())
    assert 0 < told < 8
    lengths = batch.mask.sum(dim=1)
    assert lengths[batch.tells_all].min() > lengths[~batch.tells_all].max()
    torch.nn.init.normal_(stage.module.head.weight)
    image, text = torch.nn.functional.normalize(torch.randn(2, 8, siglip.config.width), dim=-1)
    named = stage.module.named(image, text, batch)
    others = text.clone()
    others[~batch.tells_all] = 0
    torch.testing.assert_close(stage.module.named(image, others, batch), named)
    assert not torch.equal(stage.module.named(image, text.roll(1, 0), batch), named)


def test_what_was_aligned_is_exported_without_its_head(
    siglip: Siglip, states: Features, words: Tokenizer, tmp_path: Path
) -> None:
    stage = AlignmentStage(siglip, words, states)
    train(stage, Recipe(1, batch=4), tmp_path)
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["module"]
    mine = {n.removeprefix("siglip."): v for n, v in saved.items() if n.startswith("siglip.")}
    assert set(saved) - {f"siglip.{name}" for name in mine} == {"head.weight", "head.bias"}
    Siglip(siglip.config).load_state_dict(mine)
