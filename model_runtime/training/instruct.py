"""Stages two and three: the projector, then with it the language model, on frozen features.

The demonstration model's language model starts from nothing, so both stages train all of
it; the encoder stays as stage one left it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from model_runtime.config import PromptConfig, VlmConfig
from model_runtime.phantom.case import Case, Random, sample_case
from model_runtime.phantom.language import report
from model_runtime.training.features import Features
from model_runtime.training.labels import training_space
from model_runtime.training.loop import Recipe, Stopwatch, device_of
from model_runtime.training.packing import Packed
from model_runtime.training.texts import Example, draw_questions
from model_runtime.training.tokenizer import WORDWISE, by_words
from model_runtime.vlm import Vlm

_LABEL_WEIGHT = 20.0


def said_and_asked(case: Case, prompt: PromptConfig, random: Random) -> list[Example]:
    """Draw a report of a case, and the questions that are asked about it at a time."""
    texts = [
        Example(prompt.report, report(case, random)),
        *(
            Example(prompt.before_question + one.prompt, one.answer)
            for one in draw_questions(case, random)
        ),
    ]
    return [Example(one.prompt, prompt.before_answer + one.answer) for one in texts]


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
    texts: Packed
    labels: Tensor


class InstructStage:
    """The trainee of stages two and three: reports and questions from frozen features."""

    def __init__(self, config: VlmConfig, tokenizer: Tokenizer, features: Features) -> None:
        self._tokenizer, self._features = tokenizer, features
        self._wordwise = by_words(tokenizer)
        self._prompt = config.prompt
        self._cases = [sample_case(int(seed)) for seed in features.seeds]
        self._labels = training_space().truth(self._cases)
        self.module = LabelledVlm(config, self._labels.shape[1])
        self.loading, self.data = Stopwatch(), features.digest

    def draw(self, random: np.random.Generator, recipe: Recipe) -> Taught:
        """Draw cases, a view of each, and what is said and asked about them."""
        with self.loading:
            rows = random.choice(len(self._cases), recipe.batch, replace=False)
            low, high = self._features.draw(rows, random)
            cases = [self._cases[row] for row in rows]
            asking = self._wordwise if random.random() < WORDWISE else self._tokenizer
            texts = [said_and_asked(case, self._prompt, random) for case in cases]
            packed = Packed.of(self._tokenizer, self._prompt, texts, asking)
            return Taught(low, high, packed, self._labels[rows])

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        """Cross-entropy of reports and of questions, plus the labels."""
        return self.loss_of(self.draw(random, recipe))

    def loss_of(self, batch: Taught) -> Mapping[str, Tensor]:
        """Losses of a drawn batch."""
        device = device_of(self.module)
        image = self.module.vlm.projector(batch.low.to(device), batch.high.to(device))
        losses = batch.texts.to(device).losses(self.module.vlm, image)
        named = functional.binary_cross_entropy_with_logits(
            self.module.labels(image).float(), batch.labels.to(device)
        )
        return losses | {"loss": losses["loss"] + _LABEL_WEIGHT * named, "labels": named}
