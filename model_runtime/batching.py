"""Several volumes' texts, written side by side.

The decoder is bound by reading its weights, so a step for eight rows costs little more than
a step for one. Each row starts from its own image prefix. Prompts of different length are
padded in front; padding is masked and takes no position, so every row is what it would be
alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from model_runtime.decode import Sampling, chosen, is_looping
from model_runtime.stepping import KeyValues, stacked, step
from model_runtime.vlm import Vlm


@dataclass(frozen=True, eq=False)
class Ask:
    """One row: an image's prefix (it is copied), the token ids behind it, how to write."""

    prefix: KeyValues
    prompt: Sequence[int]
    sampling: Sampling
    limit: int


@dataclass
class Row:
    """What one row has written: token ids with their natural-log probabilities."""

    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    ended: bool = False
    looped: bool = False
    broken: bool = False


def write_together(
    vlm: Vlm, asks: Sequence[Ask], check: Callable[[], None] = lambda: None
) -> list[Row]:
    """Write one text per ask until every row has ended.

    Parameters
    ----------
    asks
        Their prefixes are all of one length, and none of their prompts is empty.
    check
        Called before each step; raises to stop.

    Returns
    -------
    list of Row
        A row whose numbers broke down is ``broken`` and must not be used; the others go on.
    """
    cache, mask, positions, embeddings = _laid_out(vlm, asks)
    generators = [torch.Generator().manual_seed(ask.sampling.seed) for ask in asks]
    rows = [Row() for _ in asks]
    for _ in range(max(ask.limit for ask in asks)):
        check()
        states = step(vlm.model, cache, embeddings, positions, mask)
        logits = vlm.lm_head(states[:, -1])
        following = [
            _extended(vlm, row, line, ask, generator)
            for row, line, ask, generator in zip(
                rows, logits.cpu(), asks, generators, strict=True
            )
        ]
        if all(row.ended for row in rows):
            break
        embeddings = vlm.embed(torch.tensor(following, device=mask.device)[:, None])
        mask = torch.nn.functional.pad(mask, (0, 1), value=1)
        positions = positions[:, -1:] + 1
    return rows


def _extended(vlm: Vlm, row: Row, logits: Tensor, ask: Ask, generator: torch.Generator) -> int:
    """Add the next token to a row; an ended one repeats its end token, unread."""
    eos = vlm.config.prompt.eos_token
    if not row.ended and not torch.isfinite(logits).all():
        row.ended = row.broken = True
    if row.ended:
        return max(eos, 0)
    logprobs = torch.log_softmax(logits, dim=-1)
    token = chosen(logprobs, ask.sampling, generator)
    if token == eos:
        row.ended = True
        return token
    row.ids.append(token)
    row.logprobs.append(float(logprobs[token]))
    row.looped = is_looping(row.ids)
    row.ended = row.looped or len(row.ids) >= ask.limit
    return token


def _laid_out(vlm: Vlm, asks: Sequence[Ask]) -> tuple[KeyValues, Tensor, Tensor, Tensor]:
    """Stack the caches; returns cache, mask, positions and embeddings of the padded prompts."""
    cache = stacked([ask.prefix for ask in asks])
    prompts = [ask.prompt for ask in asks]
    front = cache.length
    longest = max(len(prompt) for prompt in prompts)
    padded = [[0] * (longest - len(prompt)) + list(prompt) for prompt in prompts]
    real = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    embeddings = vlm.embed(torch.tensor(padded, device=_device(vlm)))
    mask = torch.nn.functional.pad(real, (front, 0), value=1).to(embeddings.device)
    positions = (front + real.cumsum(1) - 1).clamp_min(front).to(embeddings.device)
    return cache, mask, positions, embeddings


def _device(vlm: Vlm) -> torch.device:
    return next(vlm.parameters()).device

