"""The encoder that DCFormer is compared with: a plain 3D vision transformer of M3D's kind.

Patches are projected by one strided convolution, places are learnt, and pre-norm transformer
layers follow (arXiv 2404.00578 takes 12 of width 768 on patches of 4 × 16 × 16).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Vit3d(nn.Module):
    """Volumes in, the tokens of the last two layers out, as DCFormer's last two states.

    Parameters
    ----------
    shape, patch : tuple of int
        (z, y, x) of the volume and of a patch; the patch divides the shape.
    width, layers, heads : int
        Of the transformer; its feed-forward layers are four times as wide.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        patch: tuple[int, int, int],
        width: int,
        layers: int,
        heads: int,
    ) -> None:
        super().__init__()
        grid = [size // step for size, step in zip(shape, patch, strict=True)]
        if any(size % step for size, step in zip(shape, patch, strict=True)):
            raise ValueError(f"patches of {patch} do not divide volumes of {shape}")
        self.patches = nn.Conv3d(1, width, patch, patch)
        self.places = nn.Parameter(0.02 * torch.randn(1, grid[0] * grid[1] * grid[2], width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, volume: Tensor) -> list[Tensor]:
        """Map B × 1 × z × y × x to the states (B, tokens, width) after the last two layers."""
        x = self.patches(volume).flatten(2).transpose(1, 2) + self.places
        states = []
        for layer in self.layers:
            x = layer(x)
            states.append(x)
        return [states[-2], self.norm(states[-1])]
