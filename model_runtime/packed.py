"""Matrices of a few bits per number, multiplied by torch's own weight-only kernels.

On a CPU the kernels are fast for bfloat16 rows only, so a row is narrowed for the product
and its result is given back in the row's own type. Gradients flow to the rows (never to the
matrix), for which the matrix is unpacked for a moment.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

GROUP = 64
"""Neighbouring weights of one row that share a scale and an offset in four bits."""

_ROWS = 64
"""The four-bit matrix is packed in blocks of so many rows, each independent of the others."""

_TILE = 128
"""CUDA's packing takes eight tiles of sixteen columns at a time."""

_PIECE = 2**20
"""So many weights are packed at a time."""

_WIDE = 16
"""From so many rows on, unpacking an eight-bit matrix is cheaper than multiplying by it."""


class PackedLinear(nn.Module):
    """A linear map whose matrix is stored in few bits; maps (..., columns) to (..., rows)."""

    def __init__(self, whole: nn.Linear) -> None:
        super().__init__()
        self.out_features, self.in_features = whole.weight.shape
        # The kernels read past the end of rows that are no multiple of their step.
        self._columns = _up(self.in_features, _step(whole.weight.device.type))
        bias = None if whole.bias is None else whole.bias.detach()
        self.register_buffer("bias", bias)
        self.bias: Tensor | None

    def forward(self, x: Tensor) -> Tensor:
        """Multiply; the result has the type of ``x``."""
        rows = x.reshape(-1, self.in_features)
        if torch.is_grad_enabled() and rows.requires_grad:
            product: Tensor = _Product.apply(rows, self)  # type: ignore[no-untyped-call]
        else:
            product = self.product(rows)
        product = product.reshape(*x.shape[:-1], self.out_features)
        return product if self.bias is None else product + self.bias.to(product.dtype)

    def product(self, rows: Tensor) -> Tensor:
        """Multiply ``rows`` (count × columns) by the transposed matrix."""
        raise NotImplementedError

    def unpacked(self, dtype: torch.dtype) -> Tensor:
        """Rebuild the matrix (rows × columns) as the product sees it."""
        raise NotImplementedError

    def _pieces(self, whole: nn.Linear, rows: int) -> Iterator[tuple[slice, Tensor]]:
        """Yield the matrix in float32, some rows at a time, and which they are.

        It is filled up with zeros to ``rows`` and to whole columns of the kernel. Whole
        matrices in float32 would stay behind as holes in the process's memory.
        """
        step = max(1, _PIECE // self._columns // _ROWS) * _ROWS
        for start in range(0, rows, step):
            stop = min(start + step, rows)
            piece = whole.weight.detach()[start:stop].float()
            filling = (0, self._columns - self.in_features, 0, stop - start - len(piece))
            yield slice(start, stop), functional.pad(piece, filling)

    def _narrowed(self, rows: Tensor) -> Tensor:
        """Give rows the type and the width that the kernels take."""
        filling = (0, self._columns - self.in_features)
        return functional.pad(rows.to(torch.bfloat16), filling).contiguous()

    def extra_repr(self) -> str:
        """Describe for the printed module."""
        return f"{self.in_features}, {self.out_features}"


class _Product(torch.autograd.Function):
    """The kernels have no gradient of their own; nothing but the layer is kept for it."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, layer: PackedLinear) -> Tensor:  # noqa: ANN401
        ctx.layer = layer
        return layer.product(rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:  # noqa: ANN401
        (gradient,) = gradients
        return gradient @ ctx.layer.unpacked(gradient.dtype), None


class Int8Linear(PackedLinear):
    """Eight bits a weight and one scale a row, symmetric about zero."""

    def __init__(self, whole: nn.Linear) -> None:
        super().__init__(whole)
        device, shape = whole.weight.device, (self.out_features, self._columns)
        self.register_buffer("weight", torch.empty(shape, dtype=torch.int8, device=device))
        scale = torch.empty(self.out_features, dtype=torch.bfloat16, device=device)
        self.register_buffer("scale", scale)
        self.weight: Tensor
        self.scale: Tensor
        for place, piece in self._pieces(whole, self.out_features):
            self.scale[place] = piece.abs().amax(1).clamp_min(1e-12) / 127
            levels = (piece / self.scale[place].float()[:, None]).round_()
            self.weight[place] = levels.clamp_(-127, 127).to(torch.int8)

    def product(self, rows: Tensor) -> Tensor:
        """Multiply by the kernel where rows are few, else by the unpacked matrix.

        A GPU unpacks always: what is compiled fuses that into the product.
        """
        if rows.device.type == "cpu" and len(rows) < _WIDE:
            narrow = self._narrowed(rows)
            return torch._weight_int8pack_mm(narrow, self.weight, self.scale).to(rows.dtype)
        matrix = self.weight[:, : self.in_features].to(rows.dtype)
        return functional.linear(rows, matrix) * self.scale.to(rows.dtype)

    def unpacked(self, dtype: torch.dtype) -> Tensor:
        """Rebuild the matrix (rows × columns)."""
        return self.weight[:, : self.in_features].to(dtype) * self.scale.to(dtype)[:, None]


class Int4Linear(PackedLinear):
    """Four bits a weight; a scale and an offset for every :data:`GROUP` weights of a row.

    Columns and rows are filled up with zeros to what the kernels take. The packing is that
    of the device on which the matrix lies: move it first, pack it then.
    """

    def __init__(self, whole: nn.Linear) -> None:
        super().__init__(whole)
        self._packed_on = whole.weight.device.type
        rows = _up(self.out_features, _ROWS)
        pieces = [_four_bits(piece) for _, piece in self._pieces(whole, rows)]
        self.register_buffer("weight", torch.cat([weight for weight, _ in pieces]))
        self.register_buffer("scales", torch.cat([scales for _, scales in pieces], dim=1))
        self.weight: Tensor
        self.scales: Tensor

    def product(self, rows: Tensor) -> Tensor:
        """Multiply by the kernel."""
        if self.weight.device.type != self._packed_on:
            raise RuntimeError(
                f"A four-bit matrix packed for {self._packed_on} was moved to "
                f"{self.weight.device.type}. Pack it where it is used."
            )
        kernel = (
            torch._weight_int4pack_mm_for_cpu
            if self._packed_on == "cpu"
            else torch._weight_int4pack_mm
        )
        product: Tensor = kernel(self._narrowed(rows), self.weight, GROUP, self.scales)
        return product[:, : self.out_features].to(rows.dtype)

    def unpacked(self, dtype: torch.dtype) -> Tensor:
        """Rebuild the matrix (rows × columns)."""
        nibbles = self.weight.reshape(-1).view(torch.uint8)
        order = _order(self._columns, self.weight.device)
        both = torch.stack((nibbles & 15, nibbles >> 4), dim=1).view(-1, len(order))
        levels = both[:, order].view(-1, self._columns // GROUP, GROUP).to(dtype)
        scale, offset = self.scales.transpose(0, 1).to(dtype).unbind(2)
        whole = (levels - 8) * scale[..., None] + offset[..., None]
        return whole.view(-1, self._columns)[: self.out_features, : self.in_features]


def int8_bytes(rows: int, columns: int, device: str = "cpu") -> int:
    """Bytes of a matrix as :class:`Int8Linear` stores it."""
    return rows * _up(columns, _step(device)) + rows * 2


def int4_bytes(rows: int, columns: int, device: str = "cpu") -> int:
    """Bytes of a matrix as :class:`Int4Linear` stores it."""
    stored = _up(rows, _ROWS) * _up(columns, _step(device))
    return stored // 2 + stored // GROUP * 4


def _step(device: str) -> int:
    return _TILE if device == "cuda" else GROUP


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


def _four_bits(piece: Tensor) -> tuple[Tensor, Tensor]:
    """Pack some rows; returns them and their scales and offsets (groups × rows × 2)."""
    grouped = piece.view(len(piece), -1, GROUP)
    low, high = grouped.amin(2), grouped.amax(2)
    scale = ((high - low) / 15).clamp_min(1e-12).bfloat16()
    # Level 8 stands for the offset itself.
    offset = (low + 8 * scale.float()).bfloat16()
    levels = (grouped - offset.float()[..., None]) / scale.float()[..., None] + 8
    # A weight that is no number has no level; its scale carries it to the result.
    levels = levels.nan_to_num_(0).round_().clamp_(0, 15).to(torch.int32)
    scales = torch.stack((scale, offset), dim=2).transpose(0, 1).contiguous()
    return _packed(levels.view(len(piece), -1)), scales


def _packed(levels: Tensor) -> Tensor:
    """Pack levels 0 to 15 (rows × columns, int32) as the device's kernel wants them."""
    if levels.device.type == "cpu":
        return torch._convert_weight_to_int4pack_for_cpu(levels, 1)
    pairs = (levels[:, ::2] << 4 | levels[:, 1::2]).to(torch.uint8)
    return torch._convert_weight_to_int4pack(pairs, _TILE // 16)


@functools.lru_cache(maxsize=8)
def _order(columns: int, device: torch.device) -> Tensor:
    """Find where each weight of a block of rows went.

    The layout depends on the processor, so it is read off: the block's positions
    themselves are packed, four bits at a time.
    """
    count = _ROWS * columns
    places = torch.arange(count, device=device)
    found = torch.zeros_like(places)
    for shift in range(0, count.bit_length(), 4):
        digit = (places >> shift & 15).to(torch.int32)
        nibbles = _packed(digit.view(_ROWS, columns)).reshape(-1).view(torch.uint8)
        found += torch.stack((nibbles & 15, nibbles >> 4), dim=1).view(-1).long() << shift
    order = torch.empty_like(places)
    order[found] = places
    return order
