"""A step's tensors follow the model to its device; none is left behind on the processor.

The device is torch's "meta", which refuses to mix with another as a GPU does, but computes
nothing.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from model_runtime.config import InputConfig, ModelConfig, SiglipConfig, VlmConfig
from model_runtime.dcformer import DCFormer
from model_runtime.siglip import Siglip
from model_runtime.training.adapted import AdaptedStage
from model_runtime.training.contrastive import ContrastiveStage
from model_runtime.training.features import compute_features
from model_runtime.training.instruct import InstructStage
from model_runtime.training.loop import Recipe, Trainee
from model_runtime.training.lora import LoraSettings
from model_runtime.training.volumes import VolumeStore
from model_runtime.vlm import Vlm
from model_runtime.weights import LoadedModel


@pytest.fixture(autouse=True)
def masks_are_padded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library asks a mask whether it is all ones, which a tensor without values cannot tell."""
    ask = torch.Tensor.__bool__
    monkeypatch.setattr(
        torch.Tensor, "__bool__", lambda one: False if one.is_meta else ask(one)
    )


def _step(trainee: Trainee) -> None:
    trainee.module.to("meta")
    losses = trainee.loss(np.random.default_rng(0), Recipe(1, batch=3))
    losses["loss"].backward()
    assert losses["loss"].device.type == "meta"
    learnt = [one for one in trainee.module.parameters() if one.requires_grad]
    assert all(one.grad is None or one.grad.device.type == "meta" for one in learnt)


def test_stage_one(siglip_config: SiglipConfig, words: Tokenizer, store: VolumeStore) -> None:
    _step(ContrastiveStage(siglip_config, (1, 1), words, store))


def test_from_nothing(vlm_config: VlmConfig, words: Tokenizer, store: VolumeStore) -> None:
    features = compute_features(DCFormer(vlm_config.encoder), store, views=1)
    _step(InstructStage(vlm_config, words, features))


@pytest.mark.parametrize("encoder", [False, True])
def test_adapters(
    siglip_config: SiglipConfig,
    vlm_config: VlmConfig,
    words: Tokenizer,
    store: VolumeStore,
    encoder: bool,
) -> None:
    config = ModelConfig("b", True, InputConfig(shape=(32, 32, 32)), siglip_config, vlm_config)
    model = LoadedModel(config, words, words, Vlm(vlm_config), Siglip(siglip_config), "0", "")
    _step(AdaptedStage(model, LoraSettings(rank=2, encoder=encoder), store))
