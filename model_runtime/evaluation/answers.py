"""What a loaded model writes and chooses for many scans at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from model_runtime.api import VolumeInput
from model_runtime.batching import Ask, write_together
from model_runtime.decode import Sampling, prefix_cache
from model_runtime.phantom.case import Case
from model_runtime.phantom.language import Question
from model_runtime.phantom.render import render
from model_runtime.preprocess import prepare
from model_runtime.prompt import choice_answer, question_prompt
from model_runtime.vlm import Vlm
from model_runtime.weights import LoadedModel

ACQUIRED = (96, 192, 192)
"""Voxels of a test acquisition, with table and air around the patient."""
_BATCH = 40


def model_input(case: Case, model: LoadedModel) -> Tensor:
    """Scan a case and prepare it as the program does; shape (1, z, y, x)."""
    voxels, matrix = render(case, ACQUIRED)
    part = case.region.value.upper()
    volume = VolumeInput(f"synthetic {case.seed}", voxels, matrix, "CT", part)
    return torch.from_numpy(prepare(volume, model.config.input, None).grey)[None]


def write_reports(model: LoadedModel, image: Tensor, limit: int = 200) -> list[str]:
    """Draft a report for each row of image tokens (N × tokens × hidden), greedily."""
    out: list[str] = []
    prompt = model.tokenizer.encode(model.config.vlm.prompt.report, add_special_tokens=False).ids
    for start in range(0, len(image), _BATCH):
        asks = [
            Ask(prefix_cache(model.vlm, row[None]), prompt, Sampling(), limit)
            for row in image[start : start + _BATCH]
        ]
        out += [model.tokenizer.decode(row.ids) for row in write_together(model.vlm, asks)]
    return out


def choose(model: LoadedModel, image: Tensor, asked: Sequence[tuple[int, Question]]) -> list[str]:
    """Answer closed questions by the likelihood of each choice.

    ``asked`` holds the row of ``image`` and the question.
    """
    lines = [
        (row, question_prompt(question.text, question.choices), choice_answer(question.choices, n))
        for row, question in asked
        for n in range(len(question.choices))
    ]
    scores: list[float] = []
    for start in range(0, len(lines), 4 * _BATCH):
        scores += _likelihoods(model.vlm, model.tokenizer, image, lines[start : start + 4 * _BATCH])
    answers, place = [], 0
    for _, question in asked:
        mine = scores[place : place + len(question.choices)]
        answers.append(question.choices[int(np.argmax(mine))])
        place += len(question.choices)
    return answers


def _likelihoods(
    vlm: Vlm, tokenizer: Tokenizer, image: Tensor, lines: Sequence[tuple[int, str, str]]
) -> list[float]:
    """Natural-log probability of the answer in each line (row, prompt, answer)."""
    prompts = [tokenizer.encode(prompt, add_special_tokens=False).ids for _, prompt, _ in lines]
    answers = [tokenizer.encode(answer, add_special_tokens=False).ids for *_, answer in lines]
    width = max(len(p) + len(a) for p, a in zip(prompts, answers, strict=True))
    ids = torch.zeros((len(lines), width), dtype=torch.long)
    mask = torch.zeros((len(lines), width), dtype=torch.long)
    for n, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        ids[n, : len(prompt) + len(answer)] = torch.tensor([*prompt, *answer])
        mask[n, : len(prompt) + len(answer)] = 1
    rows = image[[row for row, *_ in lines]]
    embeddings = vlm.prompt_embeddings(rows, ids)
    front = embeddings.shape[1] - width
    whole = torch.nn.functional.pad(mask, (front, 0), value=1)
    logprobs = torch.log_softmax(vlm.logits(embeddings, whole)[:, front - 1 : -1], dim=-1)
    each = logprobs.gather(2, ids[..., None])[..., 0]
    return [
        float(each[n, len(prompt) : len(prompt) + len(answer)].sum())
        for n, (prompt, answer) in enumerate(zip(prompts, answers, strict=True))
    ]
