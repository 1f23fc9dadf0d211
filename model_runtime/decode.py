"""From a prompt to tokens, one at a time, so that streaming and cancelling come for free."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from model_runtime.stepping import KeyValues, empty_cache, step
from model_runtime.vlm import Vlm


class NotANumberError(ArithmeticError):
    """The model's numbers broke down; nothing it would write can be trusted."""


@dataclass(frozen=True)
class Sampling:
    """How a token is chosen; temperature 0 takes the likeliest."""

    temperature: float = 0.0
    top_p: float = 0.9
    seed: int = 0


def prefix_cache(vlm: Vlm, embeddings: Tensor) -> KeyValues:
    """Run the image part of a prompt once; returns the cache that questions start from."""
    cache = empty_cache(vlm.model)
    step(vlm.model, cache, embeddings)
    return cache


def advance(vlm: Vlm, cache: KeyValues, embeddings: Tensor) -> Tensor:
    """Extend a cache in place; returns float32 logits B × length × vocabulary.

    Raises
    ------
    NotANumberError
        Where the logits are not finite.
    """
    return _logits(vlm, step(vlm.model, cache, embeddings))


def _logits(vlm: Vlm, states: Tensor) -> Tensor:
    logits: Tensor = vlm.lm_head(states)
    if not torch.isfinite(logits).all():
        raise NotANumberError("The model computed values that are not numbers.")
    return logits


def tokens(
    vlm: Vlm, cache: KeyValues, prompt: Tensor, sampling: Sampling, limit: int
) -> Iterator[tuple[int, float]]:
    """Yield token ids with their natural-log probability until the end token or the limit.

    Parameters
    ----------
    cache
        A fork of the prefix's cache; it is extended in place.
    prompt : Tensor, shape (1, length, hidden)
        Embeddings of the text behind the prefix.

    Raises
    ------
    NotANumberError
        Where the logits are not finite.
    """
    generator = torch.Generator().manual_seed(sampling.seed)
    embeddings = prompt
    for _ in range(limit):
        # The head is as large as several layers; only the last position needs it.
        last = _logits(vlm, step(vlm.model, cache, embeddings)[:, -1:])[0, 0]
        logprobs = torch.log_softmax(last.cpu(), dim=-1)
        token = chosen(logprobs, sampling, generator)
        if token == vlm.config.prompt.eos_token:
            return
        yield token, float(logprobs[token])
        embeddings = vlm.embed_ids([token])


def chosen(logprobs: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Take the likeliest token, or draw from the nucleus that holds ``top_p``."""
    if sampling.temperature <= 0:
        return int(logprobs.argmax())
    shares = torch.softmax(logprobs / sampling.temperature, dim=-1)
    ordered, order = shares.sort(descending=True)
    outside = ordered.cumsum(0) - ordered >= sampling.top_p
    ordered[outside] = 0
    return int(order[torch.multinomial(ordered, 1, generator=generator)])


def log_likelihood(vlm: Vlm, cache: KeyValues, last: Tensor, ids: list[int]) -> float:
    """Natural-log probability of a whole continuation.

    Parameters
    ----------
    cache
        A fork that already holds the prompt; it is extended in place.
    last : Tensor, shape (vocabulary,)
        Logits of the position before the continuation.
    """
    total = float(torch.log_softmax(last, dim=-1)[ids[0]])
    if len(ids) > 1:
        logits = advance(vlm, cache, vlm.embed_ids(ids[:-1]))[0]
        rows = torch.log_softmax(logits, dim=-1)
        total += float(rows[torch.arange(len(ids) - 1), torch.tensor(ids[1:])].sum())
    return total


def is_looping(ids: list[int], longest: int = 24) -> bool:
    """Tell whether the text ends in one phrase said at least four times, twelve tokens in all."""
    for length in range(1, longest + 1):
        times = max(4, 12 // length)
        tail = ids[-length * times :]
        if len(tail) == length * times and tail == tail[-length:] * times:
            return True
    return False
