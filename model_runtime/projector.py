"""Dual-stream MLP-Mixer: two hidden states of the encoder become image tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_runtime.config import ProjectorConfig


class Mlp(nn.Module):
    """Linear, GELU, Linear; the hidden width equals the output width."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.mm_projector = nn.Sequential(
            nn.Linear(inputs, outputs),
            nn.Sequential(nn.GELU(), nn.Linear(outputs, outputs)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., inputs) to (..., outputs)."""
        out: Tensor = self.mm_projector(x)
        return out


class MixerLayer(nn.Module):
    """Mix across tokens, then across channels; both may change in number. No residual."""

    def __init__(self, tokens: tuple[int, int], channels: tuple[int, int]) -> None:
        super().__init__()
        self.ln1 = nn.LayerNorm(channels[0])
        self.mlp1 = Mlp(*tokens)
        self.ln2 = nn.LayerNorm(channels[0])
        self.mlp2 = Mlp(*channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map B × tokens[0] × channels[0] to B × tokens[1] × channels[1]."""
        mixed = self.mlp1(self.ln1(x).transpose(1, 2)).transpose(1, 2)
        out: Tensor = self.mlp2(self.ln2(mixed))
        return out


def _stream(source: tuple[int, int], tokens: tuple[int, int], width: int) -> nn.Sequential:
    return nn.Sequential(
        MixerLayer((source[0], tokens[0]), (source[1], width // 2)),
        MixerLayer((tokens[0], tokens[1]), (width // 2, width)),
    )


class DualStreamProjector(nn.Module):
    """Low- and high-level hidden states to image tokens of the language model's width."""

    def __init__(self, config: ProjectorConfig, width: int) -> None:
        super().__init__()
        self.low_mixer = _stream(config.low_input, config.low_tokens, width)
        self.high_mixer = _stream(config.high_input, config.high_tokens, width)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Return B × image tokens × width, the low stream first."""
        return torch.cat((self.low_mixer(low), self.high_mixer(high)), dim=1)
