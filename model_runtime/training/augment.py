"""Small changes to a batch that leave its report true: no flips, sides must stay sides."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def augment(volumes: Tensor, generator: torch.Generator) -> Tensor:
    """Jitter crop, grey scale and noise of volumes B × 1 × D × H × W in [0, 1]."""
    moved = _jitter_crop(volumes, generator)
    gain = 1 + 0.06 * _normal(len(volumes), generator)
    shift = 0.02 * _normal(len(volumes), generator)
    noise = 0.02 * torch.rand(1, generator=generator)
    grain = torch.randn(moved.shape, generator=generator) * noise
    return (moved * gain + shift + grain).clamp_(0, 1)


def _normal(count: int, generator: torch.Generator) -> Tensor:
    return torch.randn(count, 1, 1, 1, 1, generator=generator)


def _jitter_crop(volumes: Tensor, generator: torch.Generator) -> Tensor:
    """Move by up to 5 % and scale by up to 6 % along each axis."""
    count = len(volumes)
    scale = 1 + 0.06 * (2 * torch.rand(count, 3, generator=generator) - 1)
    move = 0.05 * (2 * torch.rand(count, 3, generator=generator) - 1)
    theta = torch.zeros(count, 3, 4)
    theta[:, [0, 1, 2], [0, 1, 2]] = scale
    theta[:, :, 3] = move
    grid = functional.affine_grid(theta, list(volumes.shape), align_corners=False)
    return functional.grid_sample(volumes, grid, align_corners=False)
