"""The dual-stream projector against others: the last stage on the same frozen states."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn import functional

from model_runtime.ablation.projectors import build_projector
from model_runtime.config import ModelConfig
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.language import questions, report
from model_runtime.prompt import choice_answer, question_prompt
from model_runtime.training.features import Features
from model_runtime.training.instruct import InstructStage
from model_runtime.training.loop import device_of
from model_runtime.training.texts import Example, collate
from model_runtime.vlm import IGNORED_LABEL, Vlm


@dataclass(frozen=True, eq=False)
class Judged:
    """What a trained projector is worth on held-out cases, one value a case or a question.

    Attributes
    ----------
    report_loss : ndarray
        Mean cross-entropy of the true report's tokens, by case.
    right : ndarray
        1 where the likeliest letter is the right one, by closed question.
    cases : ndarray
        The case of each question.
    """

    report_loss: NDArray[np.float64]
    right: NDArray[np.float64]
    cases: NDArray[np.int64]


def stage_with(
    kind: str, config: ModelConfig, tokenizer: Tokenizer, features: Features
) -> InstructStage:
    """Build the last stage with another projector in the place of the dual one."""
    stage = InstructStage(config.vlm, tokenizer, features)
    width = config.vlm.language.hidden_size
    stage.module.vlm.model.mm_projector = build_projector(kind, config.vlm.projector, width)
    return stage


def judge(vlm: Vlm, tokenizer: Tokenizer, features: Features) -> Judged:
    """Judge a model on the features of held-out cases."""
    vlm.eval()
    losses, right, cases = [], [], []
    low = torch.from_numpy(features.low[:, 0]).float().to(device_of(vlm))
    high = torch.from_numpy(features.high[:, 0]).float().to(device_of(vlm))
    with torch.inference_mode():
        for place, seed in enumerate(features.seeds):
            image = vlm.projector(low[place : place + 1], high[place : place + 1])
            told, asked = _examples(vlm, int(seed))
            losses.append(float(vlm.loss(image, *_rows(vlm, tokenizer, [told]))))
            for example, count in asked:
                right.append(_letter_is_right(vlm, tokenizer, image, example, count))
                cases.append(place)
    return Judged(np.array(losses), np.array(right, np.float64), np.array(cases))


def _examples(vlm: Vlm, seed: int) -> tuple[Example, list[tuple[Example, int]]]:
    case, random = sample_case(seed), np.random.default_rng(seed)
    told = Example(vlm.config.prompt.report, report(case, random))
    asked = []
    for question in questions(case, random):
        place = question.choices.index(question.answer)
        prompt = question_prompt(question.text, question.choices)
        answer = choice_answer(question.choices, place)
        asked.append((Example(prompt, answer), len(question.choices)))
    return told, asked


def _rows(
    vlm: Vlm, tokenizer: Tokenizer, examples: list[Example]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    prompt, device = vlm.config.prompt, device_of(vlm)
    ids, labels, mask = collate(tokenizer, examples, prompt.eos_token, prompt.pad_token)
    return ids.to(device), labels.to(device), mask.to(device)


def _letter_is_right(
    vlm: Vlm, tokenizer: Tokenizer, image: torch.Tensor, example: Example, count: int
) -> bool:
    """Compare the likelihoods of the letters where the answer begins."""
    ids, labels, _ = _rows(vlm, tokenizer, [example])
    first = int((labels[0] != IGNORED_LABEL).nonzero()[0])
    embeddings = vlm.prompt_embeddings(image, ids[:, :first])
    scores = functional.log_softmax(vlm.logits(embeddings)[0, -1], dim=-1)
    letters = [
        tokenizer.encode(letter, add_special_tokens=False).ids[0] for letter in "ABCD"[:count]
    ]
    best = letters[int(scores[letters].argmax())]
    return best == int(labels[0, first])
