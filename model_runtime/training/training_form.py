"""The encoder's training form: the same function of the same weights, channels last.

A decomposed convolution works along one axis at a time, so with the channels last each of its
branches is a 2D convolution on the same memory, which the processor library trains up to twice
as fast as the 3D one. Batch statistics are kept per branch, as in the published form.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_runtime.dcformer import Block, DCFormer, DecomposedConv


def hidden_states(encoder: DCFormer, volume: Tensor) -> list[Tensor]:
    """Return what ``encoder(volume)`` does, with gradients.

    Parameters
    ----------
    encoder : DCFormer
        In training mode its batch norms use, and remember, the statistics of this batch.
    volume : Tensor, shape (B, 1, depth, height, width)

    Returns
    -------
    list of Tensor
        Five hidden states (B, tokens, channels), tokens in (depth, height, width) order.
    """
    return [tokens_of(state) for state in stage_maps(encoder, volume)]


def tokens_of(state: Tensor) -> Tensor:
    """B × H × W × D × C as B × tokens × C, tokens in (depth, height, width) order."""
    return state.permute(0, 3, 1, 2, 4).flatten(1, 3)


def stage_maps(encoder: DCFormer, volume: Tensor) -> list[Tensor]:
    """Return the five hidden states as they are computed one from another, B × H × W × D × C.

    The last one's gradient at each of the others can be taken. The parameters are those of
    :func:`hidden_states`.
    """
    stages = encoder.encoder
    x = _stem(stages.get_submodule("s0"), volume.permute(0, 1, 3, 4, 2))
    states = [x]
    for stage in range(1, 5):
        for block in stages.get_submodule(f"s{stage}").children():
            x = _block(cast(Block, block), x)
        states.append(x)
    return states


def _stem(stem: nn.Module, volume: Tensor) -> Tensor:
    """Map B × 1 × H × W × D to B × H/4 × W/4 × D/4 × C."""
    layers = list(stem.modules())
    first, *dense = (layer for layer in layers if isinstance(layer, DecomposedConv))
    x = _strided(first, volume)
    for layer in dense:
        x = _along_axes(layer, x)
    return x


def _strided(layer: DecomposedConv, volume: Tensor) -> Tensor:
    """Apply the first layer; a branch needs only every fourth line across its axis."""
    total: Tensor | None = None
    for axis, branch in enumerate((layer.c1, layer.c2, layer.c3)):
        convolution, norm = _parts(branch)
        step = convolution.stride[axis]
        lines = [slice(None, None, step)] * 3
        lines[axis] = slice(None)
        kept = volume[(slice(None), slice(None), *lines)]
        stride, padding = [1, 1, 1], [0, 0, 0]
        stride[axis], padding[axis] = step, int(convolution.padding[axis])
        out = functional.conv3d(
            kept, convolution.weight, convolution.bias, tuple(stride), tuple(padding)
        )
        out = _normed(norm, out)
        total = out if total is None else total + out
    assert total is not None
    return total.permute(0, 2, 3, 4, 1).contiguous()


def _block(block: Block, x: Tensor) -> Tensor:
    if block.proj is not None:
        x = functional.linear(_pooled(x), block.proj.weight.flatten(1))
    update: Tensor = block.mlp(_along_axes(block.dwconv, x))
    return x + update * block.scale


def _along_axes(layer: DecomposedConv, x: Tensor) -> Tensor:
    """Sum of the three branches; B × H × W × D × C in and out."""
    batch, height, width, depth, channels = x.shape
    shapes = (
        (batch, height, width * depth),
        (batch * height, width, depth),
        (1, batch * height * width, depth),
    )
    total: Tensor | None = None
    for axis, branch in enumerate((layer.c1, layer.c2, layer.c3)):
        convolution, norm = _parts(branch)
        flat = x.reshape(*shapes[axis], channels).permute(0, 3, 1, 2)
        kernel = convolution.weight.flatten(2)
        kernel = kernel[:, :, None, :] if axis == 2 else kernel[..., None]
        padding = [size // 2 for size in kernel.shape[2:]]
        out = functional.conv2d(
            flat, kernel, convolution.bias, 1, padding, 1, convolution.groups
        )
        out = _normed(norm, out).permute(0, 2, 3, 1).reshape(batch, height, width, depth, -1)
        total = out if total is None else total + out
    assert total is not None
    return total


def _parts(branch: nn.Module) -> tuple[nn.Conv3d, nn.BatchNorm3d]:
    convolution, norm = branch.children()
    return cast(nn.Conv3d, convolution), cast(nn.BatchNorm3d, norm)


def _normed(norm: nn.BatchNorm3d, x: Tensor) -> Tensor:
    return functional.batch_norm(
        x,
        norm.running_mean,
        norm.running_var,
        norm.weight,
        norm.bias,
        norm.training,
        norm.momentum or 0.0,
        norm.eps,
    )


def _pooled(x: Tensor) -> Tensor:
    """Max-pool 3, stride 2, padding 1 on H, W and D, one axis after the other."""
    for axis in (1, 2, 3):
        lines = x.unbind(axis)
        x = torch.stack(
            [_largest(lines[max(0, at - 1) : at + 2]) for at in range(0, len(lines), 2)], axis
        )
    return x


def _largest(lines: tuple[Tensor, ...]) -> Tensor:
    out = lines[0]
    for line in lines[1:]:
        out = torch.maximum(out, line)
    return out
