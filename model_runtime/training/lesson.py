"""What is said and asked about the cases of a step, a row for each text.

For models that lay out image and text in their own way; a model from nothing learns from
:mod:`model_runtime.training.packing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer
from torch import Tensor

from model_runtime.config import PromptConfig
from model_runtime.phantom.case import Case, Random
from model_runtime.phantom.language import report
from model_runtime.training.texts import Example, collate, draw_questions
from model_runtime.vlm import Vlm

_ASKED = 2
"""Questions of a case in a step."""

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
    ) -> Lesson:
        """Draw a report and some questions of every case."""
        reports = [report(case, random) for case in cases]
        asked = [draw_questions(case, random, _ASKED) for case in cases]
        return cls.of(tokenizer, prompt, reports, asked)

    @classmethod
    def of(
        cls,
        tokenizer: Tokenizer,
        prompt: PromptConfig,
        reports: Sequence[str],
        asked: Sequence[Sequence[Example]],
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
            )
            for examples in (told, questioned)
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
