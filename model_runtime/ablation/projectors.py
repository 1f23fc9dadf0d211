"""The projectors that the dual-stream mixer is compared with, all giving as many tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model_runtime.config import ProjectorConfig
from model_runtime.projector import DualStreamProjector, MixerLayer, Mlp

PROJECTORS = ("dual", "low", "high", "pooled")
"""Both streams (the paper's), the low or the high one alone, and an MLP on pooled tokens."""


class OneStream(nn.Module):
    """A mixer of the dual one's kind on one of the two hidden states."""

    def __init__(self, config: ProjectorConfig, width: int, *, low: bool) -> None:
        super().__init__()
        tokens, channels = config.low_input if low else config.high_input
        middle = max(config.low_tokens[0] if low else config.high_tokens[0], 1)
        self._low = low
        self.mixer = nn.Sequential(
            MixerLayer((tokens, middle), (channels, width // 2)),
            MixerLayer((middle, config.image_tokens), (width // 2, width)),
        )

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Return B × image tokens × width."""
        out: Tensor = self.mixer(low if self._low else high)
        return out


class PooledMlp(nn.Module):
    """An MLP on neighbouring tokens' means, as projectors by pooling do.

    The high tokens are taken as they are and the low ones averaged in equal runs, so that as
    many come out as from the mixer.
    """

    def __init__(self, config: ProjectorConfig, width: int) -> None:
        super().__init__()
        self._low_tokens = config.image_tokens - config.high_input[0]
        self.low = Mlp(config.low_input[1], width)
        self.high = Mlp(config.high_input[1], width)

    def forward(self, low: Tensor, high: Tensor) -> Tensor:
        """Return B × image tokens × width."""
        pooled = nn.functional.adaptive_avg_pool1d(low.transpose(1, 2), self._low_tokens)
        return torch.cat((self.low(pooled.transpose(1, 2)), self.high(high)), dim=1)


def build_projector(kind: str, config: ProjectorConfig, width: int) -> nn.Module:
    """Build one of :data:`PROJECTORS`.

    Raises
    ------
    ValueError
        For another name.
    """
    if kind == "dual":
        return DualStreamProjector(config, width)
    if kind in {"low", "high"}:
        return OneStream(config, width, low=kind == "low")
    if kind == "pooled":
        return PooledMlp(config, width)
    raise ValueError(f"a projector is one of {', '.join(PROJECTORS)}, not {kind!r}")
