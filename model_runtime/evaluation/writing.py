"""What a model writes, chooses and embeds for many test items at a time.

Unlike :mod:`.answers`, which serves the demonstration model's own measurements, the words
around a question are those of the model's configuration, so published models fit too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_runtime.batching import Ask, Row, write_together
from model_runtime.decode import Sampling, prefix_cache
from model_runtime.evaluation.testset import Item
from model_runtime.phantom.language import Question
from model_runtime.prompt import choice_answer, question_prompt
from model_runtime.weights import LoadedModel, text_ids

_TOGETHER = 40
GREEDY = Sampling()
PUBLISHED = Sampling(temperature=1.0, top_p=1.0, seed=42)
"""As the published scripts draw: temperature 1, no nucleus, seed 42."""


class BrokenAnswerError(Exception):
    """The model computed values that are not numbers; no figure can be made of that."""


@dataclass(frozen=True, eq=False)
class Images:
    """What the decoder sees of the items, and what the blind baselines let it see.

    All of shape (N, image tokens, hidden).
    """

    own: Tensor
    removed: Tensor
    other: Tensor

    def take(self, places: Sequence[int]) -> Images:
        """Keep some items; the other case is the one before among those kept."""
        own = self.own[list(places)]
        return Images(own, self.removed[: len(own)], own.roll(1, dims=0))

    def named(self) -> dict[str, Tensor]:
        """Give them by the names that stand in the results."""
        return {
            "model": self.own,
            "image removed": self.removed,
            "image of another case": self.other,
        }


def encode(
    model: LoadedModel, items: Sequence[Item], images: bool = True, vectors: bool = True
) -> tuple[Images | None, NDArray[np.float32] | None]:
    """Open each volume once; encode it for the decoder, for retrieval, or for both.

    Returns
    -------
    Images or None
        Beside the items' own, those of an empty volume and of the item before.
    ndarray of float32 or None
        Unit vectors from the contrastive encoder, shape (N, width).

    Raises
    ------
    DatasetError
        Where a volume cannot be read.
    WeightsError
        Where vectors are asked of a model without a contrastive encoder.
    """
    device = next(model.vlm.parameters()).device
    seen, found = [], []
    for item in items:
        volume = item.volume(model).to(device)
        if images:
            seen.append(_image(model, volume))
        if vectors:
            found.append(model.siglip.embed_volume(volume).float().cpu())
    rows = torch.cat(found).numpy() if vectors else None
    if not images:
        return None, rows
    own, blank = torch.cat(seen), _image(model, torch.zeros_like(volume))
    return Images(own, blank.expand(len(own), -1, -1), own.roll(1, dims=0)), rows


def _image(model: LoadedModel, volume: Tensor) -> Tensor:
    states = model.vlm.encoder(volume)
    return model.vlm.project(states[-2], states[-1])


def write_texts(
    model: LoadedModel,
    images: Tensor,
    asked: Sequence[tuple[int, str]],
    sampling: Sampling,
    limit: int,
) -> list[str]:
    """Write an answer to each (row of ``images``, prompt).

    With a temperature the n-th text is drawn with the sampling's seed + n.

    Raises
    ------
    BrokenAnswerError
    """
    rows = write_rows(model, images, asked, sampling, limit)
    return [str(model.tokenizer.decode(row.ids)).strip() for row in rows]


def write_rows(
    model: LoadedModel,
    images: Tensor,
    asked: Sequence[tuple[int, str]],
    sampling: Sampling,
    limit: int,
) -> list[Row]:
    """Write as :func:`write_texts` does; gives the tokens with their log probabilities."""
    if sampling.temperature == 0 and images.stride(0) == 0:
        # Every row is the same image: the same prompt is answered alike.
        prompts = list(dict.fromkeys(prompt for _, prompt in asked))
        known = _written(model, images, [(0, prompt) for prompt in prompts], sampling, limit)
        told = dict(zip(prompts, known, strict=True))
        return [told[prompt] for _, prompt in asked]
    return _written(model, images, asked, sampling, limit)


def _written(
    model: LoadedModel,
    images: Tensor,
    asked: Sequence[tuple[int, str]],
    sampling: Sampling,
    limit: int,
) -> list[Row]:
    out: list[Row] = []
    for start in range(0, len(asked), _TOGETHER):
        part = asked[start : start + _TOGETHER]
        # Questions about one image start from one cache; each ask copies it.
        caches = {row: prefix_cache(model.vlm, images[row][None]) for row in {r for r, _ in part}}
        asks = [
            Ask(
                caches[row],
                _ids(model, prompt),
                replace(sampling, seed=sampling.seed + start + place),
                limit,
            )
            for place, (row, prompt) in enumerate(part)
        ]
        rows = write_together(model.vlm, asks)
        if any(row.broken for row in rows):
            raise BrokenAnswerError("The model computed values that are not numbers.")
        out += rows
    return out


def report_prompt(model: LoadedModel) -> str:
    """Prompt that asks for a report, as trained."""
    return model.config.vlm.prompt.report


def asking(model: LoadedModel, question: Question, closed: bool) -> str:
    """Prompt that asks a question, as trained."""
    choices = question.choices if closed else ()
    return model.config.vlm.prompt.before_question + question_prompt(question.text, choices)


def choice_shares(
    model: LoadedModel, images: Tensor, asked: Sequence[tuple[int, Question]]
) -> list[NDArray[np.float64]]:
    """Probability of each choice of each question, from the likelihood of its wording."""
    before = model.config.vlm.prompt.before_answer
    lines = [
        (row, asking(model, question, closed=True), before + choice_answer(question.choices, n))
        for row, question in asked
        for n in range(len(question.choices))
    ]
    scores: list[float] = []
    for start in range(0, len(lines), 2 * _TOGETHER):
        scores += _likelihoods(model, images, lines[start : start + 2 * _TOGETHER])
    shares, place = [], 0
    for _, question in asked:
        mine = np.array(scores[place : place + len(question.choices)])
        place += len(question.choices)
        shares.append(np.exp(mine - mine.max()) / np.exp(mine - mine.max()).sum())
    return shares


def _likelihoods(
    model: LoadedModel, images: Tensor, lines: Sequence[tuple[int, str, str]]
) -> list[float]:
    """Natural-log probability of the answer in each line (row, prompt, answer).

    Raises
    ------
    BrokenAnswerError
    """
    prompts = [_ids(model, prompt) for _, prompt, _ in lines]
    answers = [
        model.tokenizer.encode(answer, add_special_tokens=False).ids for *_, answer in lines
    ]
    spans = [(len(p), len(p) + len(a)) for p, a in zip(prompts, answers, strict=True)]
    width = max(end for _, end in spans)
    ids = torch.zeros((len(lines), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for n, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        ids[n, : spans[n][1]] = torch.tensor([*prompt, *answer])
        mask[n, : spans[n][1]] = 1
    rows = images[[row for row, *_ in lines]]
    ids, mask = ids.to(rows.device), mask.to(rows.device)
    front = rows.shape[1]
    embeddings = torch.cat((rows, model.vlm.embed(ids)), dim=1)
    whole = torch.nn.functional.pad(mask, (front, 0), value=1)
    logits = model.vlm.logits(embeddings, whole)[:, front - 1 : -1].float()
    each = torch.log_softmax(logits, dim=-1).gather(2, ids[..., None])[..., 0].cpu()
    sums = [float(each[n, start:end].sum()) for n, (start, end) in enumerate(spans)]
    if not np.isfinite(sums).all():
        raise BrokenAnswerError("The model computed values that are not numbers.")
    return sums


def _ids(model: LoadedModel, prompt: str) -> list[int]:
    ids: list[int] = model.tokenizer.encode(prompt, add_special_tokens=False).ids
    return ids[1:] if model.config.vlm.prompt.drops_first_text_token else ids


def embed_captions(model: LoadedModel, captions: Sequence[str]) -> NDArray[np.float32]:
    """Compute unit vectors of texts, shape (N, width)."""
    device = model.siglip.t_prime.device
    rows = []
    for caption in captions:
        ids = torch.tensor([text_ids(model, caption)], device=device)
        rows.append(model.siglip.embed_text(ids, torch.ones_like(ids)).float().cpu())
    out: NDArray[np.float32] = torch.cat(rows).numpy()
    return out
