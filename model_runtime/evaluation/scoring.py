"""What a model makes of texts that are given: how likely each choice is, where a caption lies."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model_runtime.decode import prefix_cache
from model_runtime.evaluation.writing import (
    BROKEN,
    TOGETHER,
    BrokenAnswerError,
    asking,
    prompt_ids,
)
from model_runtime.phantom.language import Question
from model_runtime.prompt import choice_answer
from model_runtime.stepping import KeyValues, LayerKeyValues, step
from model_runtime.weights import LoadedModel, text_ids


def choice_shares(
    model: LoadedModel, images: Tensor, asked: Sequence[tuple[int, Question]]
) -> list[NDArray[np.float64]]:
    """Probability of each choice of each question, from the likelihood of its wording."""
    prompts = [prompt_ids(model, asking(model, question, closed=True)) for _, question in asked]
    order = sorted(range(len(asked)), key=lambda place: len(prompts[place]))
    out: dict[int, NDArray[np.float64]] = {}
    for start in range(0, len(order), TOGETHER):
        part = order[start : start + TOGETHER]
        rows = images[[asked[place][0] for place in part]]
        choices = [_choice_ids(model, asked[place][1]) for place in part]
        scores = _likelihoods(model, rows, [prompts[place] for place in part], choices)
        for place, mine in zip(part, scores, strict=True):
            out[place] = np.exp(mine - mine.max()) / np.exp(mine - mine.max()).sum()
    return [out[place] for place in range(len(asked))]


def _choice_ids(model: LoadedModel, question: Question) -> list[list[int]]:
    before = model.config.vlm.prompt.before_answer
    return [
        model.tokenizer.encode(
            before + choice_answer(question.choices, n), add_special_tokens=False
        ).ids
        for n in range(len(question.choices))
    ]


def _likelihoods(
    model: LoadedModel,
    images: Tensor,
    prompts: Sequence[Sequence[int]],
    choices: Sequence[Sequence[Sequence[int]]],
) -> list[NDArray[np.float64]]:
    """Natural-log probability of each choice behind its row's image and prompt.

    Image and prompt are run once for all choices of a question.

    Raises
    ------
    BrokenAnswerError
    """
    vlm, device = model.vlm, images.device
    front = images.shape[1]
    ids, real = _padded(prompts, in_front=True)
    mask = functional.pad(real, (front, 0), value=1).to(device)
    places = mask.cumsum(1) - 1
    cache = prefix_cache(vlm, images)
    told = vlm.embed(ids.to(device))
    last = step(vlm.model, cache, told, places[:, front:].clamp_min(0), mask)[:, -1:]
    counts = torch.tensor([len(row) for row in choices], device=device)
    answers, said = _padded([ids for row in choices for ids in row], in_front=False)
    answers, said = answers.to(device), said.to(device)
    each = _repeated(cache, counts)
    mask = torch.cat((mask.repeat_interleave(counts, 0), said), dim=1)
    first = places[:, -1:].repeat_interleave(counts, 0) + 1
    spots = first + torch.arange(answers.shape[1], device=device)
    states = step(vlm.model, each, vlm.embed(answers), spots, mask)
    states = torch.cat((last.repeat_interleave(counts, 0), states[:, :-1]), dim=1)
    shares = torch.log_softmax(vlm.lm_head(states), dim=-1)
    sums = (shares.gather(2, answers[..., None])[..., 0] * said).sum(dim=1).double().cpu()
    if not torch.isfinite(sums).all():
        raise BrokenAnswerError(BROKEN)
    return np.split(sums.numpy(), np.cumsum([len(row) for row in choices])[:-1])


def _padded(rows: Sequence[Sequence[int]], in_front: bool) -> tuple[Tensor, Tensor]:
    """Lay ids of different lengths out with zeros, and mark which are real."""
    ids = torch.zeros((len(rows), max(map(len, rows))), dtype=torch.long)
    real = torch.zeros_like(ids)
    for n, row in enumerate(rows):
        place = slice(ids.shape[1] - len(row), None) if in_front else slice(len(row))
        ids[n, place], real[n, place] = torch.tensor(row), 1
    return ids, real


def _repeated(cache: KeyValues, counts: Tensor) -> KeyValues:
    """Give every choice a row of its own."""
    return KeyValues(
        [
            LayerKeyValues(
                layer.keys.repeat_interleave(counts, 0), layer.values.repeat_interleave(counts, 0)
            )
            for layer in cache.layers
            if layer.keys is not None and layer.values is not None
        ]
    )


def embed_captions(model: LoadedModel, captions: Sequence[str]) -> NDArray[np.float32]:
    """Compute unit vectors of texts, shape (N, width)."""
    device = model.siglip.t_prime.device
    texts = [text_ids(model, caption) for caption in captions]
    order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
    out = np.zeros((len(texts), model.siglip.config.width), np.float32)
    for start in range(0, len(order), TOGETHER):
        part = order[start : start + TOGETHER]
        ids, real = _padded([texts[place] for place in part], in_front=False)
        rows = model.siglip.embed_text(ids.to(device), real.to(device))
        out[part] = rows.float().cpu().numpy()
    return out
