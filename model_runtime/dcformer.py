"""DCFormer: a 3D encoder of decomposed convolutions (arXiv 2502.05091, used by 2503.20047).

Volumes come as B × 1 × depth × height × width. Inside, the axes are (height, width,
depth), as in the published weights; tokens go out in (depth, height, width) order.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from model_runtime.config import EncoderConfig

_STAGE_KERNELS = (13, 11, 9, 7)


def _branch(  # noqa: PLR0917
    inputs: int, outputs: int, axis: int, kernel: int, stride: int, groups: int
) -> nn.Module:
    """One convolution along one axis, with its own BatchNorm."""
    size, padding = [1, 1, 1], [0, 0, 0]
    size[axis], padding[axis] = kernel, kernel // 2
    convolution = nn.Conv3d(
        inputs,
        outputs,
        kernel_size=(size[0], size[1], size[2]),
        stride=stride,
        padding=(padding[0], padding[1], padding[2]),
        groups=groups,
    )
    return nn.Sequential(convolution, nn.BatchNorm3d(outputs))


class DecomposedConv(nn.Module):
    """Sum of three parallel convolutions, k×1×1, 1×k×1 and 1×1×k."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__()
        self.c1 = _branch(inputs, outputs, 0, kernel, stride, groups)
        self.c2 = _branch(inputs, outputs, 1, kernel, stride, groups)
        self.c3 = _branch(inputs, outputs, 2, kernel, stride, groups)

    def forward(self, x: Tensor) -> Tensor:
        """Map B × inputs × H × W × D to B × outputs × H/s × W/s × D/s."""
        out: Tensor = self.c1(x) + self.c2(x) + self.c3(x)
        return out


class ChannelMlp(nn.Module):
    """C → 4C → C with GELU, over the last axis."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels),
            nn.GELU(),
            nn.Dropout(0.0),
            nn.Linear(4 * channels, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Keep the shape (..., C)."""
        out: Tensor = self.mlp(x)
        return out


class Block(nn.Module):
    """Depthwise decomposed convolution and channel MLP with a scaled residual.

    The first block of a stage halves the grid: max-pool 3, stride 2, then 1×1×1.
    """

    def __init__(self, inputs: int, channels: int, kernel: int, halve: bool) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels,), 1e-6))
        self.pool = nn.MaxPool3d(3, stride=2, padding=1) if halve else None
        self.proj = nn.Conv3d(inputs, channels, 1, bias=False) if halve else None
        self.dwconv = DecomposedConv(channels, channels, kernel, groups=channels)
        self.mlp = ChannelMlp(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map B × inputs × H × W × D to B × channels at the same or half the grid."""
        if self.pool is not None and self.proj is not None:
            x = self.proj(self.pool(x))
        update: Tensor = self.mlp(self.dwconv(x).permute(0, 2, 3, 4, 1)) * self.scale
        return x + update.permute(0, 4, 1, 2, 3)


class Stages(nn.Module):
    """The stem ``s0`` and four stages ``s1`` … ``s4``."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.channels = config.channels
        for stage in range(5):
            self.add_module(f"s{stage}", self._stage(config, stage))

    @staticmethod
    def _stage(config: EncoderConfig, stage: int) -> nn.Module:
        width = config.channels[stage]
        if stage == 0:
            stems = [_stem(config.in_channels, width) for _ in range(config.blocks[0])]
            return nn.Sequential(*stems)
        before, kernel = config.channels[stage - 1], _STAGE_KERNELS[stage - 1]
        blocks = [
            Block(before if first else width, width, kernel, halve=first)
            for first in (index == 0 for index in range(config.blocks[stage]))
        ]
        return nn.Sequential(*blocks)

    def iterate(self, volume: Tensor) -> Iterator[Tensor]:
        """Yield each stage's map (B × C × H × W × D) as soon as it is computed."""
        x = volume.permute(0, 1, 3, 4, 2)
        for stage in range(5):
            x = self.get_submodule(f"s{stage}")(x)
            yield x


def _stem(inputs: int, width: int) -> nn.Module:
    """Stride 4 on all axes, then three dense ones.

    There is no activation in between: the golden numbers of the published model agree to
    2e-6 without one and not at all with GELU, whatever its description says.
    """
    dense = (DecomposedConv(width, width, 3) for _ in range(3))
    return nn.Sequential(DecomposedConv(inputs, width, 7, stride=4), *dense)


class DCFormer(nn.Module):
    """The encoder: five hidden states of ever coarser, ever wider tokens."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Stages(config)

    def iterate(self, volume: Tensor) -> Iterator[Tensor]:
        """Yield the five hidden states one by one, so that a caller can stop in between.

        Parameters
        ----------
        volume : Tensor, shape (B, 1, depth, height, width)

        Yields
        ------
        Tensor, shape (B, tokens, channels)
            Tokens in (depth, height, width) order.
        """
        for state in self.encoder.iterate(volume):
            yield state.permute(0, 4, 2, 3, 1).flatten(1, 3)

    def forward(self, volume: Tensor) -> list[Tensor]:
        """Return the five hidden states; see :meth:`iterate`."""
        return list(self.iterate(volume))
