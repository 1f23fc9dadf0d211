"""The decoder's way through some embeddings and the cache that grows with them.

Modules and weights are the library's; only the way through them is ours. The library's own
makes masks, rotary tables and records of its outputs anew in every layer or step, which for
a small model takes longer than its arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

Decoder: TypeAlias = Any
"""The library's Qwen2Model; its parts are not known to the type checker."""


@dataclass(eq=False)
class LayerKeyValues:
    """What one layer keeps of the tokens so far; B × heads × length × head width each.

    The tensors are replaced, never written to, so several caches may hold the same.
    """

    keys: Tensor | None = None
    values: Tensor | None = None

    def extend(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append new tokens; returns all."""
        if self.keys is not None and self.values is not None:
            keys = torch.cat((self.keys, keys), dim=2)
            values = torch.cat((self.values, values), dim=2)
        self.keys, self.values = keys, values
        return keys, values


@dataclass(eq=False)
class KeyValues:
    """The cache of all layers."""

    layers: list[LayerKeyValues]

    @property
    def length(self) -> int:
        """Tokens held."""
        keys = self.layers[0].keys
        return 0 if keys is None else keys.shape[2]

    def forked(self) -> KeyValues:
        """Make a cache that goes on from here without changing this one."""
        return KeyValues([LayerKeyValues(layer.keys, layer.values) for layer in self.layers])


def stacked(caches: Sequence[KeyValues]) -> KeyValues:
    """Join caches of one length into one with a row for each."""
    rows = zip(*(cache.layers for cache in caches), strict=True)
    return KeyValues(
        [
            LayerKeyValues(
                torch.cat([each.keys for each in layers if each.keys is not None]),
                torch.cat([each.values for each in layers if each.values is not None]),
            )
            for layers in rows
        ]
    )


def empty_cache(decoder: Decoder) -> KeyValues:
    """Make a cache that holds no tokens."""
    return KeyValues([LayerKeyValues() for _ in decoder.layers])


def step(
    decoder: Decoder,
    cache: KeyValues,
    embeddings: Tensor,
    positions: Tensor | None = None,
    mask: Tensor | None = None,
) -> Tensor:
    """Run the decoder over new tokens, extending the cache in place.

    Parameters
    ----------
    embeddings : Tensor, shape (B, length, hidden)
    positions : Tensor of int, shape (B, length), optional
        By default they go on where the cache ends.
    mask : Tensor of bool, shape (B, cache + length), optional
        False for padding, which nothing sees.

    Returns
    -------
    Tensor, shape (B, length, hidden)
        States after the last norm, in the decoder's type.
    """
    x = embeddings.to(decoder.norm.weight.dtype)
    past, length = cache.length, x.shape[1]
    if positions is None:
        positions = torch.arange(past, past + length, device=x.device)[None]
    turn = _rotary(decoder, positions, x.dtype)
    seen = _visible(past, length, mask, x.device)
    for layer, kept in zip(decoder.layers, cache.layers, strict=True):
        x = x + _attention(layer.self_attn, _normed(layer.input_layernorm, x), kept, turn, seen)
        x = x + _mlp(layer.mlp, _normed(layer.post_attention_layernorm, x))
    return _normed(decoder.norm, x)


_Rotary: TypeAlias = tuple[Tensor, Tensor]
_Seen: TypeAlias = tuple[Tensor | None, bool]


def _rotary(decoder: Decoder, positions: Tensor, dtype: torch.dtype) -> _Rotary:
    """Cosine and sine of every position, B × 1 × length × head width (arXiv 2104.09864)."""
    angles = positions[:, None, :, None].float() * decoder.rotary_emb.inv_freq.float()
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def _visible(past: int, length: int, mask: Tensor | None, device: torch.device) -> _Seen:
    """Tell what each new token sees: a mask for the library, or that it is simply causal."""
    if mask is None and length == 1:
        return None, False
    if mask is None and past == 0:
        return None, True
    causal = torch.ones(length, past + length, dtype=torch.bool, device=device).tril(past)
    return (causal if mask is None else causal & mask[:, None, None, :].bool()), False


def _attention(
    part: Decoder, x: Tensor, kept: LayerKeyValues, turn: _Rotary, seen: _Seen
) -> Tensor:
    batch, length, _ = x.shape
    shape = (batch, length, -1, part.head_dim)
    queries = _turned(part.q_proj(x).view(shape).transpose(1, 2), turn)
    new = _turned(part.k_proj(x).view(shape).transpose(1, 2), turn)
    keys, values = kept.extend(new, part.v_proj(x).view(shape).transpose(1, 2))
    mask, causal = seen
    heads = functional.scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, is_causal=causal, enable_gqa=True
    )
    out: Tensor = part.o_proj(heads.transpose(1, 2).reshape(batch, length, -1))
    return out


def _turned(heads: Tensor, turn: _Rotary) -> Tensor:
    cosine, sine = turn
    first, second = heads.chunk(2, dim=-1)
    return heads * cosine + torch.cat((-second, first), dim=-1) * sine


def _mlp(part: Decoder, x: Tensor) -> Tensor:
    out: Tensor = part.down_proj(functional.silu(part.gate_proj(x)) * part.up_proj(x))
    return out


def _normed(norm: Decoder, x: Tensor) -> Tensor:
    return functional.rms_norm(x, norm.weight.shape, norm.weight, norm.variance_epsilon)
