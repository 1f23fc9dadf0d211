"""Training on folders in M3D's layout: the contrastive stage, and lessons for the others.

Such data hold no truth beside their words: there are no labels to name, and a text is taken
to be of its own volume only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn

from model_runtime.config import PromptConfig, SiglipConfig
from model_runtime.dcformer import Block
from model_runtime.phantom.case import Random
from model_runtime.prompt import question_prompt
from model_runtime.siglip import Siglip
from model_runtime.training.augment import Augmentation, Change, augment
from model_runtime.training.contrastive import FIRST_SCALE, Objective
from model_runtime.training.lesson import Lesson
from model_runtime.training.loop import Recipe, Stopwatch, device_of
from model_runtime.training.m3d_data import M3dStore
from model_runtime.training.texts import Example, question_example
from model_runtime.training.tokenizer import encode_texts
from model_runtime.training.training_form import hidden_states

_QUESTIONS = 2
_Batch = tuple[Tensor, Change, Tensor, Tensor]


def corpus(store: M3dStore) -> Iterator[str]:
    """Yield reports and questions, to learn a vocabulary from."""
    for row in range(len(store)):
        yield from store.reports([row])
        for asked in store.questions([row])[0]:
            yield f"{question_prompt(asked.text, asked.choices)} {asked.answer}"


def draw_lesson(
    tokenizer: Tokenizer,
    prompt: PromptConfig,
    store: M3dStore,
    rows: Sequence[int],
    random: Random,
) -> Lesson:
    """Take the report and draw up to two questions of every volume."""
    asked = [_drawn(store, row, random) for row in rows]
    return Lesson.of(tokenizer, prompt, store.reports(rows), asked)


def _drawn(store: M3dStore, row: int, random: Random) -> list[Example]:
    known = store.questions([row])[0]
    order = random.permutation(len(known))[:_QUESTIONS]
    return [question_example(known[place], random) for place in order]


class _Alone(nn.Module):
    """The contrastive model, named in checkpoints as where it has label heads beside it."""

    def __init__(self, config: SiglipConfig) -> None:
        super().__init__()
        self.siglip = Siglip(config)
        for module in self.siglip.modules():
            if isinstance(module, Block):
                nn.init.constant_(module.scale, FIRST_SCALE)


class M3dContrastiveStage:
    """The trainee of stage one on M3D's data: each report for its own volume."""

    def __init__(
        self,
        config: SiglipConfig,
        tokenizer: Tokenizer,
        store: M3dStore,
        *,
        augmentation: Augmentation = augment,
        objective: Objective | None = None,
    ) -> None:
        self._augment, self._objective = augmentation, objective or Objective("sigmoid")
        self._store, self._tokenizer = store, tokenizer
        self.module = _Alone(config)
        self.loading, self.data = Stopwatch(), store.digest

    @property
    def cases(self) -> int:
        """Number of the cases."""
        return len(self._store)

    def draw(self, random: np.random.Generator, recipe: Recipe) -> _Batch:
        """Load volumes, change them a little, and tokenise their reports."""
        with self.loading:
            rows = random.choice(len(self._store), recipe.batch, replace=False).tolist()
            grey = torch.from_numpy(self._store.get(rows))
            change = self._augment(grey.shape, random)
            return grey, change, *encode_texts(self._tokenizer, self._store.reports(rows))

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        """Match of volumes and reports."""
        return self.loss_of(self.draw(random, recipe))

    def loss_of(self, batch: _Batch) -> Mapping[str, Tensor]:
        """Losses of a drawn batch."""
        siglip, device = self.module.siglip, device_of(self.module)
        grey, change, ids, mask = batch
        volume, ids, mask = change(grey.to(device)), ids.to(device), mask.to(device)
        with torch.autocast("cpu", enabled=False):
            image = siglip.project_volume(hidden_states(siglip.vision_encoder, volume)[-1])
        words = siglip.embed_text(ids, mask).float()
        own = torch.eye(len(volume), device=device)
        return {"loss": self._objective.match(image, words, siglip, lambda: own)}
