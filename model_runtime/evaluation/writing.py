"""What a model sees of many test items at a time, and what it writes about them.

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
from model_runtime.dcformer import DCFormer
from model_runtime.decode import Sampling, prefix_cache
from model_runtime.evaluation.testset import Item
from model_runtime.fast_encoder import FastEncoder
from model_runtime.phantom.language import Question
from model_runtime.prompt import question_prompt
from model_runtime.stepping import KeyValues, LayerKeyValues
from model_runtime.weights import LoadedModel

TOGETHER = 64
"""Texts in a batch."""
_ENCODED = 4
BROKEN = "The model computed values that are not numbers."
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
    seeing = _encoder(model.vlm.encoder) if images else None
    finding = _encoder(model.siglip.vision_encoder) if vectors else None
    seen, found = [], []
    for start in range(0, len(items), _ENCODED):
        part = [item.volume(model) for item in items[start : start + _ENCODED]]
        volumes = torch.cat(part).to(next(model.vlm.parameters()).device)
        if seeing:
            seen.append(_image(model, seeing, volumes))
        if finding:
            found.append(model.siglip.project_volume(finding(volumes)[-1]).float().cpu())
    rows = torch.cat(found).numpy() if finding else None
    if not seeing:
        return None, rows
    own, blank = torch.cat(seen), _image(model, seeing, torch.zeros_like(volumes[:1]))
    return Images(own, blank.expand(len(own), -1, -1), own.roll(1, dims=0)), rows


def _encoder(plain: DCFormer) -> FastEncoder | DCFormer:
    """Take the form for inference, as the program does, where there is one."""
    return FastEncoder(plain) if plain.config.blocks[0] == 1 else plain


def _image(model: LoadedModel, encoder: FastEncoder | DCFormer, volumes: Tensor) -> Tensor:
    states = encoder(volumes)
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
    """Write in batches of prompts of like length; the results stand in the order asked."""
    prompts = [prompt_ids(model, prompt) for _, prompt in asked]
    order = sorted(range(len(asked)), key=lambda place: len(prompts[place]))
    out: dict[int, Row] = {}
    for start in range(0, len(order), TOGETHER):
        part = order[start : start + TOGETHER]
        prefixes = _prefixes(model, images[[asked[place][0] for place in part]])
        asks = [
            Ask(prefix, prompts[place], replace(sampling, seed=sampling.seed + place), limit)
            for prefix, place in zip(prefixes, part, strict=True)
        ]
        rows = write_together(model.vlm, asks)
        if any(row.broken for row in rows):
            raise BrokenAnswerError(BROKEN)
        out.update(zip(part, rows, strict=True))
    return [out[place] for place in range(len(asked))]


def _prefixes(model: LoadedModel, images: Tensor) -> list[KeyValues]:
    """Run image tokens through the decoder together; a cache for each row."""
    whole = prefix_cache(model.vlm, images)
    kept = [(layer.keys, layer.values) for layer in whole.layers]
    return [
        KeyValues(
            [
                LayerKeyValues(keys[row : row + 1], values[row : row + 1])
                for keys, values in kept
                if keys is not None and values is not None
            ]
        )
        for row in range(len(images))
    ]


def report_prompt(model: LoadedModel) -> str:
    """Prompt that asks for a report, as trained."""
    return model.config.vlm.prompt.report


def asking(model: LoadedModel, question: Question, closed: bool) -> str:
    """Prompt that asks a question, as trained."""
    choices = question.choices if closed else ()
    return model.config.vlm.prompt.before_question + question_prompt(question.text, choices)


def prompt_ids(model: LoadedModel, prompt: str) -> list[int]:
    """Cut a prompt into tokens as the model was given it in training."""
    ids: list[int] = model.tokenizer.encode(prompt, add_special_tokens=False).ids
    return ids[1:] if model.config.vlm.prompt.drops_first_text_token else ids
