"""The training form computes what the published form does, forwards and backwards."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from model_runtime.config import EncoderConfig
from model_runtime.dcformer import Block, DCFormer
from model_runtime.training.training_form import hidden_states


@pytest.mark.parametrize("shape", [(16, 32, 32), (24, 48, 40), (32, 64, 64)])
@pytest.mark.parametrize("training", [True, False])
def test_same_states_gradients_and_statistics(shape: tuple[int, int, int], training: bool) -> None:
    torch.manual_seed(3)
    plain = DCFormer(EncoderConfig((1, 1, 2, 1, 1), (8, 12, 16, 24, 32))).double()
    for module in plain.modules():
        if isinstance(module, Block):
            nn.init.constant_(module.scale, 0.3)
    plain.train(training)
    quick = copy.deepcopy(plain)
    volume = torch.rand(3, 1, *shape, dtype=torch.float64)
    ours, theirs = hidden_states(quick, volume), plain(volume)
    weights = [torch.randn_like(state) for state in theirs]
    for mine, published in zip(ours, theirs, strict=True):
        assert mine.shape == published.shape
        torch.testing.assert_close(mine, published, rtol=1e-9, atol=1e-9)
    for states in (ours, theirs):
        sum((s * w).sum() for s, w in zip(states, weights, strict=True)).backward()
    for (name, mine), published in zip(
        quick.named_parameters(), plain.parameters(), strict=True
    ):
        torch.testing.assert_close(mine.grad, published.grad, rtol=1e-7, atol=1e-7, msg=name)
    for (name, mine), published in zip(quick.named_buffers(), plain.buffers(), strict=True):
        if not name.endswith("num_batches_tracked"):
            torch.testing.assert_close(mine, published, rtol=1e-9, atol=1e-9, msg=name)
