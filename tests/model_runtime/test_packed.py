"""Matrices of a few bits: what the kernels multiply by, and the gradients they lack."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

from model_runtime.packed import Int4Linear, Int8Linear, PackedLinear


@pytest.mark.parametrize("form", [Int8Linear, Int4Linear])
@pytest.mark.parametrize("shape", [(640, 256), (36, 84), (70, 100), (1, 33), (64, 64)])
@pytest.mark.parametrize("rows", [1, 5, 40])
def test_the_kernel_multiplies_by_what_is_unpacked(
    form: type[PackedLinear], shape: tuple[int, int], rows: int
) -> None:
    torch.manual_seed(1)
    whole = nn.Linear(shape[1], shape[0])
    packed = form(whole)
    x = torch.randn(2, rows, shape[1])
    matrix = packed.unpacked(torch.float32)
    assert matrix.shape == shape
    wanted = functional.linear(x, matrix, whole.bias)
    got = packed(x)
    assert got.shape == wanted.shape
    assert got.dtype == torch.float32
    assert (got - wanted).norm() / wanted.norm() < 0.01
    step = 1 / 254 if form is Int8Linear else 1 / 15
    # Half a step of the level, and what bfloat16 takes from scale and offset.
    assert (matrix - whole.weight).abs().max() < 1.2 * step * whole.weight.abs().max()


@pytest.mark.parametrize("form", [Int8Linear, Int4Linear])
def test_packing_some_rows_at_a_time_changes_nothing(
    form: type[PackedLinear], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(3)
    whole = nn.Linear(192, 330)
    kept = whole.weight.detach().clone()
    once = form(whole)
    monkeypatch.setattr("model_runtime.packed._PIECE", 64 * 192)
    often = form(whole)
    assert torch.equal(whole.weight, kept)
    assert all(map(torch.equal, once.buffers(), often.buffers()))


@pytest.mark.parametrize("form", [Int8Linear, Int4Linear])
def test_gradients_flow_through_to_the_image(form: type[PackedLinear]) -> None:
    torch.manual_seed(2)
    packed = form(nn.Linear(96, 48))
    x = torch.randn(3, 96, requires_grad=True)
    packed(x).square().sum().backward()
    y = x.detach().clone().requires_grad_()
    functional.linear(y, packed.unpacked(torch.float32), packed.bias).square().sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    assert (x.grad - y.grad).norm() / y.grad.norm() < 0.01
