"""DCFormer for inference: the same function of the same weights, several times faster.

What is merged is merged in double precision when the fast form is made:

- every BatchNorm goes into the convolution before it;
- the three branches of a decomposed convolution share their centre: seven taps instead of
  nine, one bias instead of three;
- the stem has no activation, so its first layer, a linear map of 19 voxels, goes into the
  second: that one reads 20 channels (19 voxels and a constant, which is zero outside the
  grid like any padding) instead of 64;
- layer scale goes into the second matrix of the MLP.

All maps are channels-last, B × H × W × D × C. One axis of a 3D map is then a 2D map in the
same memory, for which the library's convolutions are far better than for 3D ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_runtime.axis_conv import AxisConv, StarConv, axis_max
from model_runtime.dcformer import Block, DCFormer, DecomposedConv
from model_runtime.placement import Placement, Precision

_STRIDE = 4
_REACH = 3
_BASIS = 20
"""Voxels of one stem cell, 7 + 6 + 6, and the constant."""


class FastEncoder(nn.Module):
    """The inference form of a :class:`model_runtime.dcformer.DCFormer`.

    Parameters
    ----------
    plain : DCFormer
        In float32, any device; it is only read.
    dtype : torch.dtype
        What is computed with.
    """

    def __init__(self, plain: DCFormer, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        stages = plain.encoder
        if plain.config.blocks[0] != 1 or plain.config.in_channels != 1:
            raise ValueError("The fast form is made for one stem and one input channel.")
        self.config, self.dtype = plain.config, dtype
        with torch.no_grad():
            self.stem = _FastStem(stages.get_submodule("s0.0"))
            self.stages = nn.ModuleList(
                _fast_stage(stages.get_submodule(f"s{stage}")) for stage in range(1, 5)
            )
        self.to(dtype).eval().requires_grad_(False)

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return next(self.parameters()).device

    def maps(self, volume: Tensor) -> Iterator[Tensor]:
        """Yield the five stages' maps (B × H × W × D × C) one by one.

        ``volume`` is B × 1 × depth × height × width.
        """
        x: Tensor = self.stem(volume.to(self.dtype)[:, 0].permute(0, 2, 3, 1))
        yield x
        for stage in self.stages:
            x = stage(x)
            yield x

    def iterate(self, volume: Tensor) -> Iterator[Tensor]:
        """Yield the five hidden states as :meth:`DCFormer.iterate` does, in float32."""
        for state in self.maps(volume):
            yield as_tokens(state)

    def forward(self, volume: Tensor) -> list[Tensor]:
        """Return the five hidden states; see :meth:`iterate`."""
        return list(self.iterate(volume))


def encoder_dtype(placement: Placement) -> torch.dtype:
    """Choose what an encoder is computed with.

    Half precision only where it was asked for and the processor multiplies in it: elsewhere
    it is slower than float32.
    """
    if placement.precision is Precision.FLOAT32:
        return torch.float32
    if placement.device != "cpu" or torch.cpu.get_capabilities().get("avx512_bf16", False):
        return torch.bfloat16
    return torch.float32


def as_tokens(state: Tensor) -> Tensor:
    """Turn a map B × H × W × D × C into float32 tokens in (depth, height, width) order."""
    return state.permute(0, 3, 1, 2, 4).flatten(1, 3).float()


def _fast_stage(stage: nn.Module) -> nn.Sequential:
    return nn.Sequential(*(_FastBlock(block) for block in stage.children()))


class _FastStem(nn.Module):
    """B × H × W × D voxels to B × H/4 × W/4 × D/4 × C."""

    def __init__(self, stem: nn.Module) -> None:
        super().__init__()
        layers = list(stem.children())
        first, second = _merged(layers[0]), _merged(layers[1])
        taps, bias = _composed(first, second)
        self.second = StarConv(taps, bias)
        self.rest = nn.ModuleList(StarConv(*_merged(layer)) for layer in layers[2:])

    def forward(self, volume: Tensor) -> Tensor:
        # Each map is let go as soon as the next is there: these are the largest of all.
        x = _cells(volume)
        for layer in (self.second, *self.rest):
            x = layer(x)
        return x


class _FastBlock(nn.Module):
    """B × H × W × D × C to the same, or to half the grid with the stage's channels."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        assert isinstance(block, Block)
        self.halve = block.proj is not None
        if block.proj is not None:
            self.project = nn.Parameter(block.proj.weight.flatten(1).clone())
        self.convolution = AxisConv.depthwise(*_branches(block.dwconv))
        widen, _, _, narrow = block.mlp.mlp
        assert isinstance(widen, nn.Linear)
        assert isinstance(narrow, nn.Linear)
        scale = block.scale.double()
        self.widen = nn.Parameter(widen.weight.clone())
        self.widen_bias = nn.Parameter(widen.bias.clone())
        self.narrow = nn.Parameter((narrow.weight * scale[:, None]).float())
        self.narrow_bias = nn.Parameter((narrow.bias * scale).float())

    def forward(self, x: Tensor) -> Tensor:
        if self.halve:
            x = functional.linear(axis_max(x), self.project)
        wide = functional.linear(self.convolution(x), self.widen, self.widen_bias)
        # In place: a stage's first block makes the map that its others go on with.
        torch.ops.aten.gelu_(wide)
        return x.add_(functional.linear(wide, self.narrow, self.narrow_bias))


def _branches(layer: nn.Module) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Fold BatchNorm: kernels (outputs × inputs × k) along H, W and D, and the common bias."""
    assert isinstance(layer, DecomposedConv)
    kernels, total = [], torch.zeros(1, dtype=torch.float64)
    for branch in (layer.c1, layer.c2, layer.c3):
        convolution, norm = branch.children()
        assert isinstance(convolution, nn.Conv3d)
        assert isinstance(norm, nn.BatchNorm3d)
        assert norm.running_var is not None
        assert norm.running_mean is not None
        gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        kernels.append(convolution.weight.double().flatten(2) * gain[:, None, None])
        assert convolution.bias is not None
        bias = (convolution.bias.double() - norm.running_mean.double()) * gain
        total = total.to(bias.device) + bias + norm.bias.double()
    return (kernels[0], kernels[1], kernels[2]), total


def _merged(layer: nn.Module) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """As :func:`_branches`, all centre taps in the first kernel; the others' are zero."""
    (first, second, third), bias = _branches(layer)
    centre = first.shape[-1] // 2
    first[..., centre] += second[..., centre] + third[..., centre]
    second[..., centre] = third[..., centre] = 0
    return (first, second, third), bias


_Layer = tuple[tuple[Tensor, Tensor, Tensor], Tensor]


def _composed(first: _Layer, second: _Layer) -> _Layer:
    """Put the stem's first layer into its second, over the channels of :func:`_cells`."""
    (along_h, along_w, along_d), bias = first
    off = [tap for tap in range(2 * _REACH + 1) if tap != _REACH]
    basis = torch.cat(
        (along_h[:, 0], along_w[:, 0, off], along_d[:, 0, off], bias[:, None]), dim=1
    )
    kernels = [torch.einsum("omk,mi->oik", kernel, basis) for kernel in second[0]]
    return (kernels[0], kernels[1], kernels[2]), second[1]


def _cells(volume: Tensor) -> Tensor:
    """Gather what the first layer reads: B × H × W × D voxels to B × H/4 × W/4 × D/4 × 20."""
    grid = [(size - 1) // _STRIDE + 1 for size in volume.shape[1:]]
    cells = volume.new_empty((len(volume), *grid, _BASIS))
    place = 0
    for axis in (1, 2, 3):
        lines = volume
        for other in {1, 2, 3} - {axis}:
            lines = lines[(slice(None),) * other + (slice(None, None, _STRIDE),)]
        padding = [0, 0] * (3 - axis) + [_REACH, _REACH + _STRIDE]
        lines = functional.pad(lines, padding)
        for tap in range(2 * _REACH + 1):
            if axis > 1 and tap == _REACH:
                continue
            stop = tap + _STRIDE * grid[axis - 1]
            cells[..., place] = lines[(slice(None),) * axis + (slice(tap, stop, _STRIDE),)]
            place += 1
    cells[..., place] = 1
    return cells
