"""Convolutions and maxima along one axis of channels-last maps, B × H × W × D × C.

With the channels last, the lines along one axis are the columns (or rows) of a 2D map in the
same memory. On processors the library's fused convolution adds into an existing map, which
saves a pass over memory per axis; it is not a documented interface, so the documented one
stands in wherever it is missing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class AxisConv(nn.Module):
    """Sum of three convolutions, along H, W and D, with one bias.

    Parameters
    ----------
    kernels : tuple of Tensor, each shape (outputs, inputs per group, k)
        Along H, W and D; k is odd, or 2 for the taps beside a left-out centre.
    bias : Tensor, shape (outputs,)
    groups : int
    """

    def __init__(
        self, kernels: tuple[Tensor, Tensor, Tensor], bias: Tensor, groups: int = 1
    ) -> None:
        super().__init__()
        for name, kernel in zip("hwd", kernels, strict=True):
            flat = kernel[..., None, :] if name == "d" else kernel[..., None]
            packed = flat.float().contiguous(memory_format=torch.channels_last)
            self.register_parameter(name, nn.Parameter(packed))
        self.bias = nn.Parameter(bias.float())
        self.groups = groups

    @classmethod
    def depthwise(cls, kernels: tuple[Tensor, Tensor, Tensor], bias: Tensor) -> AxisConv:
        """Make one with a kernel per channel."""
        return cls(kernels, bias, groups=len(bias))

    def forward(self, x: Tensor) -> Tensor:
        """Keep the grid; returns B × H × W × D × outputs."""
        batch, height, width, depth, inputs = x.shape
        shapes = (
            (batch, height, width * depth),
            (batch * height, width, depth),
            (1, batch * height * width, depth),
        )
        x = x.contiguous()
        out: Tensor | None = None
        for name, (n, rows, columns) in zip("hwd", shapes, strict=True):
            flat = x.view(n, rows, columns, inputs).permute(0, 3, 1, 2)
            kernel = self.get_parameter(name)
            if out is None:
                out = self._first(flat, kernel)
            else:
                self._add(out.view(n, rows, columns, -1).permute(0, 3, 1, 2), flat, kernel)
            if name == "h":
                out = out.permute(0, 2, 3, 1).contiguous().view(batch, height, width, depth, -1)
        assert out is not None
        return out

    def _first(self, flat: Tensor, kernel: Tensor) -> Tensor:
        padding, dilation = _margins(kernel)
        return functional.conv2d(flat, kernel, self.bias, 1, padding, dilation, self.groups)

    def _add(self, out: Tensor, flat: Tensor, kernel: Tensor) -> None:
        """Add one axis into ``out``."""
        padding, dilation = _margins(kernel)
        if _FUSED and flat.device.type == "cpu":
            torch.ops.mkldnn._convolution_pointwise_.binary(
                out, flat, kernel, None, padding, [1, 1], dilation, self.groups,
                "add", 1.0, None, [], None,
            )  # fmt: skip
        else:
            out += functional.conv2d(flat, kernel, None, 1, padding, dilation, self.groups)


class StarConv(AxisConv):
    """An :class:`AxisConv` of k 3 whose centre is all in the kernel along H."""

    def __init__(self, kernels: tuple[Tensor, Tensor, Tensor], bias: Tensor) -> None:
        along_h, along_w, along_d = kernels
        super().__init__((along_h, along_w[..., ::2], along_d[..., ::2]), bias)


def _margins(kernel: Tensor) -> tuple[list[int], list[int]]:
    """Find padding and dilation that keep the grid; two taps lie on both sides of a gap."""
    sizes = kernel.shape[2:]
    return [size // 2 for size in sizes], [2 if size == 2 else 1 for size in sizes]


def _has_fused() -> bool:
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and hasattr(torch.ops.mkldnn, "_convolution_pointwise_")


_FUSED = _has_fused()


def axis_max(x: Tensor) -> Tensor:
    """Max-pool 3, stride 2, padding 1 on all axes, one axis after the other."""
    for axis in (1, 2, 3):
        size = x.shape[axis]
        half = (size + 1) // 2
        even = x[(slice(None),) * axis + (slice(0, None, 2),)]
        odd = x[(slice(None),) * axis + (slice(1, None, 2),)]
        out = even.clone(memory_format=torch.contiguous_format)
        with_after = out.narrow(axis, 0, size // 2)
        torch.maximum(with_after, odd, out=with_after)
        with_before = out.narrow(axis, 1, half - 1)
        torch.maximum(with_before, odd.narrow(axis, 0, half - 1), out=with_before)
        x = out
    return x
