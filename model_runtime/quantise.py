"""The language model in fewer bits: bfloat16, or its layers' matrices in eight or four.

Embeddings, head, projector and encoder stay as they were loaded: they were trained in full.
The work goes layer by layer and frees each whole matrix as soon as it is packed, so a model
whose weights are mapped from disk never lies in memory whole.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from model_runtime.errors import WeightsError
from model_runtime.packed import Int4Linear, Int8Linear, PackedLinear, int4_bytes, int8_bytes
from model_runtime.placement import Precision
from model_runtime.vlm import Vlm

MATRICES = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linear maps of a decoder layer that are packed."""

_FORMS: dict[Precision, type[PackedLinear]] = {
    Precision.INT8: Int8Linear,
    Precision.INT4: Int4Linear,
}
_SIZES = {Precision.INT8: int8_bytes, Precision.INT4: int4_bytes}


def quantise(vlm: Vlm, precision: Precision, device: str | None = None) -> None:
    """Store the language model in ``precision``, in place, layer by layer.

    Parameters
    ----------
    device
        Where the model will run. Each layer is moved there before it is packed, and the
        rest of the model at the end; by default everything stays where it is. A four-bit
        matrix cannot be moved afterwards.

    Raises
    ------
    ValueError
        Where the precision is unknown or the model has been packed before.
    WeightsError
        Where this torch cannot multiply in that precision on that device.
    """
    precision = Precision(precision)
    if any(isinstance(module, PackedLinear) for module in vlm.modules()):
        raise ValueError(
            "The language model is packed already; load it again to store it in "
            f"{precision.value}."
        )
    where = torch.device(device) if device else vlm.lm_head.weight.device
    if precision in _FORMS:
        _try_kernel(precision, where)
    for layer in _layers(vlm):
        layer.to(where)
        quantise_layer(layer, precision)
    if precision is Precision.BFLOAT16:
        for module in _narrowed_parts(vlm):
            _narrow(module)
    vlm.to(where)


def quantise_layer(layer: nn.Module, precision: Precision) -> None:
    """Store one decoder layer in ``precision``, in place, on the device where it lies."""
    if precision is Precision.BFLOAT16:
        _narrow(layer)
    if precision not in _FORMS:
        return
    for block in (layer.self_attn, layer.mlp):
        for name, whole in list(block.named_children()):  # type: ignore[union-attr]
            if name in MATRICES:
                setattr(block, name, _FORMS[precision](whole))


def weight_bytes(module: nn.Module) -> int:
    """Bytes of everything that a network stores."""
    stored = [*module.parameters(), *module.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in stored)


def predicted_bytes(vlm: Vlm, precision: Precision) -> int:
    """Bytes that :func:`weight_bytes` would find after :func:`quantise`.

    Works on the meta device, so it can be asked before anything is loaded.
    """
    total = weight_bytes(vlm)
    if precision is Precision.BFLOAT16:
        for module in _narrowed_parts(vlm):
            for weight in module.parameters():
                total -= weight.numel() * (weight.element_size() - 2)
    if precision in _SIZES:
        for layer in _layers(vlm):
            for name, module in layer.named_modules():
                if name.rpartition(".")[2] in MATRICES:
                    matrix = module.weight
                    total -= matrix.numel() * matrix.element_size()
                    rows, columns = matrix.shape
                    total += _SIZES[precision](rows, columns, matrix.device.type)
    return total


def _layers(vlm: Vlm) -> Iterator[nn.Module]:
    yield from vlm.model.layers  # type: ignore[misc]


def _narrowed_parts(vlm: Vlm) -> Iterator[nn.Module]:
    """Name what bfloat16 narrows: all of the decoder but its head."""
    yield from _layers(vlm)
    yield vlm.model.embed_tokens  # type: ignore[misc]
    yield vlm.model.norm  # type: ignore[misc]


def _narrow(module: nn.Module) -> None:
    """Halve weights, not buffers: rotary frequencies need every bit."""
    for weight in module.parameters():
        weight.data = weight.data.to(torch.bfloat16)


def _try_kernel(precision: Precision, device: torch.device) -> None:
    """Multiply once before anything is changed."""
    try:
        small = nn.Linear(128, 64, bias=False, device=device)
        _FORMS[precision](small)(torch.zeros(1, 128, device=device))
    except (AttributeError, NotImplementedError, RuntimeError) as error:
        raise WeightsError(
            f"This torch ({torch.__version__}) cannot multiply by {precision.value} weights on "
            f"{device.type}: {error}. Choose bfloat16."
        ) from error
