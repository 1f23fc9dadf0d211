"""Prompts and answers of the rendered cases, and how they become tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from model_runtime.phantom.case import Case, Random
from model_runtime.phantom.language import Question, questions
from model_runtime.prompt import choice_answer, question_prompt
from model_runtime.vlm import IGNORED_LABEL


@dataclass(frozen=True)
class Example:
    """A prompt behind the image, and the answer to learn."""

    prompt: str
    answer: str


def question_example(question: Question, random: Random) -> Example:
    """Ask a question open or closed, in words a user might type."""
    text = rephrased(question.text, random)
    if question.choices and random.random() < 0.6:
        place = question.choices.index(question.answer)
        return Example(
            question_prompt(text, question.choices), choice_answer(question.choices, place)
        )
    return Example(question_prompt(text), question.answer)


def rephrased(text: str, random: Random) -> str:
    """Type a question as users do: sometimes without capitals or question mark."""
    if random.random() < 0.15:
        text = text.lower()
    return text.rstrip("?") if random.random() < 0.1 else text


def draw_questions(case: Case, random: Random, count: int | None = None) -> list[Example]:
    """Draw distinct questions of a case: so many, or all that are asked at a time."""
    asked = questions(case, random)
    order = random.permutation(len(asked))[:count]
    return [question_example(asked[place], random) for place in order]


def token_rows(
    tokenizer: Tokenizer, examples: Sequence[Example], eos: int, asking: Tokenizer | None = None
) -> list[tuple[list[int], int]]:
    """Tokenise prompt, answer and end of each; and tell where its answer begins.

    ``asking`` cuts the prompts where the answers' tokenizer does not.
    """
    rows = []
    for example in examples:
        prompt = (asking or tokenizer).encode(example.prompt, add_special_tokens=False).ids
        answer = tokenizer.encode(example.answer, add_special_tokens=False).ids
        rows.append(([*prompt, *answer, eos], len(prompt)))
    return rows


def collate(
    tokenizer: Tokenizer, examples: Sequence[Example], eos: int, pad: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokenise and pad: ids, labels (answer and end only) and mask, each B × length."""
    rows = token_rows(tokenizer, examples, eos)
    width = max((len(row) for row, _ in rows), default=0)
    ids = torch.full((len(rows), width), pad)
    labels = torch.full((len(rows), width), IGNORED_LABEL)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for place, (row, start) in enumerate(rows):
        ids[place, : len(row)] = torch.tensor(row)
        labels[place, start : len(row)] = torch.tensor(row[start:])
        mask[place, : len(row)] = 1
    return ids, labels, mask
