"""The end of stage one: the common space alone, on frozen hidden states, in large batches.

A sigmoid or softmax loss learns from the texts that a volume does not match, so it gains from
more of them than a processor can encode volumes for. With the encoder frozen, only the text
tower and the two projections are trained, on states that were computed once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from model_runtime.phantom.case import sample_case
from model_runtime.siglip import Siglip
from model_runtime.training.batches import Stopwatch
from model_runtime.training.contrastive import Objective, draw_text, encode_texts, matches
from model_runtime.training.features import Features
from model_runtime.training.loop import Recipe, device_of

WHOLE = 0.75
"""Share of the texts that are whole reports; the others are impressions and typed findings."""


@dataclass(frozen=True, eq=False)
class Sides:
    """A batch: the encoder's last states, tokenised texts, and which text holds for which."""

    high: Tensor
    ids: Tensor
    mask: Tensor
    holds: Tensor


class AlignmentStage:
    """The trainee of the common space.

    Parameters
    ----------
    siglip : Siglip
        As stage one left it, or new; its encoder stays as it is.
    objective : Objective
        Its loss; there are no labels here.
    """

    def __init__(
        self,
        siglip: Siglip,
        tokenizer: Tokenizer,
        features: Features,
        objective: Objective | None = None,
    ) -> None:
        self._tokenizer, self._features = tokenizer, features
        self._objective = objective or Objective()
        self._cases = [sample_case(int(seed)) for seed in features.seeds]
        siglip.vision_encoder.requires_grad_(False)
        self.module = siglip
        self.loading, self.data = Stopwatch(), features.digest

    def draw(self, random: np.random.Generator, recipe: Recipe) -> Sides:
        """Draw states of some cases and a text of each."""
        with self.loading:
            rows = random.choice(len(self._cases), recipe.batch, replace=False)
            _, high = self._features.draw(rows, random)
            cases = [self._cases[row] for row in rows]
            texts = [draw_text(case, random, WHOLE) for case in cases]
            ids, mask = encode_texts(self._tokenizer, [text.text for text in texts])
            matched = self._objective.loss == "matched"
            return Sides(high, ids, mask, matches(texts, cases) if matched else torch.eye(len(ids)))

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        """Match of states and texts."""
        return self.loss_of(self.draw(random, recipe))

    def loss_of(self, batch: Sides) -> Mapping[str, Tensor]:
        """Loss of a drawn batch."""
        siglip, device = self.module, device_of(self.module)
        with torch.autocast(device.type, enabled=False):
            image = siglip.project_volume(batch.high.to(device))
        words = siglip.embed_text(batch.ids.to(device), batch.mask.to(device)).float()
        loss = self._objective.match(image, words, siglip, lambda: batch.holds.to(device))
        return {"loss": loss}
