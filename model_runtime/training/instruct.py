"""Stages two and three: the projector, then with it the language model, on frozen features.

The demonstration model's language model starts from nothing, so both stages train all of
it; the encoder stays as stage one left it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from model_runtime.config import PromptConfig, VlmConfig
from model_runtime.phantom.case import Case, Random, sample_case
from model_runtime.phantom.language import Question, questions, report
from model_runtime.prompt import choice_answer, question_prompt
from model_runtime.training.features import Features
from model_runtime.training.labels import LabelSpace
from model_runtime.training.loop import Recipe, Stopwatch, device_of
from model_runtime.training.tokenizer import WORDWISE, by_words
from model_runtime.vlm import IGNORED_LABEL, Vlm

_ASKING = ("Is there ", "Does the scan show ", "Do you see ")
_LABEL_WEIGHT = 20.0
_LABEL_CASES = 4000
_ASKED = 2
"""Questions of a case in a step."""


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


def draw_questions(case: Case, count: int, random: Random) -> list[Example]:
    """Draw distinct questions of a case."""
    asked = questions(case, random)
    order = random.permutation(len(asked))[:count]
    return [question_example(asked[place], random) for place in order]


def collate(
    tokenizer: Tokenizer,
    examples: Sequence[Example],
    eos: int,
    pad: int,
    asking: Tokenizer | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Tokenise and pad: ids, labels (answer and end only) and mask, each B × length.

    ``asking`` cuts the prompts where the answers' tokenizer does not.
    """
    asking = asking or tokenizer
    rows, starts = [], []
    for example in examples:
        prompt = asking.encode(example.prompt, add_special_tokens=False).ids
        answer = tokenizer.encode(example.answer, add_special_tokens=False).ids
        rows.append([*prompt, *answer, eos])
        starts.append(len(prompt))
    width = max(map(len, rows), default=0)
    ids = torch.full((len(rows), width), pad)
    labels = torch.full((len(rows), width), IGNORED_LABEL)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for place, (row, start) in enumerate(zip(rows, starts, strict=True)):
        ids[place, : len(row)] = torch.tensor(row)
        labels[place, start : len(row)] = torch.tensor(row[start:])
        mask[place, : len(row)] = 1
    return ids, labels, mask


Rows = tuple[Tensor, Tensor, Tensor]
"""Ids, labels and mask, as :func:`collate` returns them."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """The texts of one step: each case's report, and questions with the case of each."""

    told: Rows
    asked: Rows
    owners: Tensor

    @classmethod
    def draw(
        cls,
        tokenizer: Tokenizer,
        prompt: PromptConfig,
        cases: Sequence[Case],
        random: Random,
        asking: Tokenizer | None = None,
    ) -> Lesson:
        """Draw a report and some questions of every case."""
        reports = [report(case, random) for case in cases]
        asked = [draw_questions(case, _ASKED, random) for case in cases]
        return cls.of(tokenizer, prompt, reports, asked, asking)

    @classmethod
    def of(
        cls,
        tokenizer: Tokenizer,
        prompt: PromptConfig,
        reports: Sequence[str],
        asked: Sequence[Sequence[Example]],
        asking: Tokenizer | None = None,
    ) -> Lesson:
        """Lay out the report and the questions, if any, of every case."""
        told = [Example(prompt.report, text) for text in reports]
        owners = torch.tensor(
            [place for place, examples in enumerate(asked) for _ in examples], dtype=torch.long
        )
        questioned = [
            Example(prompt.before_question + one.prompt, one.answer) for two in asked for one in two
        ]
        sides = [
            collate(
                tokenizer,
                [Example(one.prompt, prompt.before_answer + one.answer) for one in examples],
                prompt.eos_token,
                prompt.pad_token,
                words,
            )
            for examples, words in ((told, None), (questioned, asking))
        ]
        return cls(sides[0], sides[1], owners)

    def to(self, device: torch.device) -> Lesson:
        """Move to where the model lies."""
        sides = [tuple(part.to(device) for part in side) for side in (self.told, self.asked)]
        told, asked = ((ids, labels, mask) for ids, labels, mask in sides)
        return Lesson(told, asked, self.owners.to(device))

    def losses(self, vlm: Vlm, image: Tensor) -> dict[str, Tensor]:
        """Cross-entropy of the reports and the answers, and the sum that is minimised.

        ``image`` is B × image tokens × hidden size, in the order of the cases.
        """
        written = vlm.loss(image, *self.told)
        if not len(self.owners):
            return {"loss": written, "report": written}
        answered = vlm.loss(image[self.owners], *self.asked)
        return {"loss": written + 0.5 * answered, "report": written, "answer": answered}


class LabelledVlm(nn.Module):
    """The model and an auxiliary label head on its image tokens, used in training only."""

    def __init__(self, config: VlmConfig, labels: int) -> None:
        super().__init__()
        self.vlm = Vlm(config)
        self.vlm.encoder.requires_grad_(False)
        width = config.projector.image_tokens * config.language.hidden_size
        self.labels = nn.Sequential(nn.Flatten(), nn.LayerNorm(width), nn.Linear(width, labels))


@dataclass(frozen=True, eq=False)
class Taught:
    """A batch: hidden states of the volumes, the texts about them, and the labels."""

    low: Tensor
    high: Tensor
    lesson: Lesson
    labels: Tensor


class InstructStage:
    """The trainee of stages two and three: reports and questions from frozen features."""

    def __init__(self, config: VlmConfig, tokenizer: Tokenizer, features: Features) -> None:
        self._tokenizer, self._features = tokenizer, features
        self._wordwise = by_words(tokenizer)
        self._prompt = config.prompt
        self._cases = [sample_case(int(seed)) for seed in features.seeds]
        space = LabelSpace.of(sample_case(seed) for seed in range(_LABEL_CASES))
        self._labels = torch.from_numpy(np.stack([space.encode(case) for case in self._cases]))
        self.module = LabelledVlm(config, len(space))
        self.loading, self.data = Stopwatch(), features.digest

    def draw(self, random: np.random.Generator, recipe: Recipe) -> Taught:
        """Draw cases, a view of each, and what is said and asked about them."""
        with self.loading:
            rows = random.choice(len(self._cases), recipe.batch, replace=False)
            low, high = self._features.draw(rows, random)
            cases = [self._cases[row] for row in rows]
            asking = self._wordwise if random.random() < WORDWISE else self._tokenizer
            lesson = Lesson.draw(self._tokenizer, self._prompt, cases, random, asking)
            return Taught(low, high, lesson, self._labels[rows])

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        """Cross-entropy of reports and of some questions each, plus the labels."""
        return self.loss_of(self.draw(random, recipe))

    def loss_of(self, batch: Taught) -> Mapping[str, Tensor]:
        """Losses of a drawn batch."""
        device = device_of(self.module)
        image = self.module.vlm.projector(batch.low.to(device), batch.high.to(device))
        losses = batch.lesson.to(device).losses(self.module.vlm, image)
        named = functional.binary_cross_entropy_with_logits(
            self.module.labels(image).float(), batch.labels.to(device)
        )
        return losses | {"loss": losses["loss"] + _LABEL_WEIGHT * named, "labels": named}
