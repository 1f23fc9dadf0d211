"""The end of stage one: the common space alone, on frozen hidden states, in large batches.

A sigmoid or softmax loss learns from the texts that a volume does not match, so it gains from
more of them than a processor can encode volumes for. With the encoder frozen, only the text
tower and the two projections are trained, on states that were computed once.

Where the objective has labels, one linear head reads them from the vectors of both sides, and
is thrown away afterwards: what a report says and what a volume shows are then told in the same
directions long before the contrastive loss alone would have put them there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from model_runtime.phantom.case import sample_case
from model_runtime.siglip import Siglip
from model_runtime.training.batches import Stopwatch
from model_runtime.training.contrastive import Objective, draw_text, matches
from model_runtime.training.features import Features
from model_runtime.training.labels import training_space
from model_runtime.training.loop import Recipe, device_of
from model_runtime.training.tokenizer import WORDWISE, by_words, encode_texts

WHOLE = 0.75
"""Share of the texts that are whole reports; the others are impressions and typed findings."""


@dataclass(frozen=True, eq=False)
class Sides:
    """A batch: the encoder's last states, tokenised texts, and which text holds for which.

    ``labels`` are those of the cases; ``tells_all`` marks the texts that tell all of them.
    """

    high: Tensor
    ids: Tensor
    mask: Tensor
    holds: Tensor
    labels: Tensor
    tells_all: Tensor


class LabelledSpace(nn.Module):
    """The contrastive model and a head that reads labels from the vectors of both its sides.

    The head begins with each label's share of the cases, ``shares``, whatever the vectors are.
    """

    def __init__(self, siglip: Siglip, shares: Tensor) -> None:
        super().__init__()
        siglip.vision_encoder.requires_grad_(False)
        for module in siglip.language_encoder.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0  # texts are drawn anew in every step
        self.siglip = siglip
        self.head = nn.Linear(siglip.config.width, len(shares))
        nn.init.zeros_(self.head.weight)
        self.head.bias.data = shares.clamp(1e-3, 1 - 1e-3).logit()

    def named(self, image: Tensor, words: Tensor, batch: Sides) -> Tensor:
        """Cross-entropy of the labels from volumes, and from the texts that tell them all."""
        truth, told = batch.labels.to(image.device), batch.tells_all.to(image.device)
        losses = [
            functional.binary_cross_entropy_with_logits(self.head(x * x.shape[1] ** 0.5), y)
            for x, y in ((image, truth), (words[told], truth[told]))
            if len(x)
        ]
        return torch.stack(losses).mean()


class AlignmentStage:
    """The trainee of the common space.

    Parameters
    ----------
    siglip : Siglip
        As stage one left it, or new; its encoder stays as it is.
    objective : Objective
        Its loss, and the weight of the labels.
    """

    def __init__(
        self,
        siglip: Siglip,
        tokenizer: Tokenizer,
        features: Features,
        objective: Objective | None = None,
    ) -> None:
        self._tokenizer, self._features = tokenizer, features
        self._wordwise = by_words(tokenizer)
        self._objective = objective or Objective()
        self._cases = [sample_case(int(seed)) for seed in features.seeds]
        self._labels = training_space().truth(self._cases)
        self.module = LabelledSpace(siglip, self._labels.mean(dim=0))
        self.loading, self.data = Stopwatch(), features.digest

    def draw(self, random: np.random.Generator, recipe: Recipe) -> Sides:
        """Draw states of some cases and a text of each."""
        with self.loading:
            rows = random.choice(len(self._cases), recipe.batch, replace=False)
            _, high = self._features.draw(rows, random)
            cases = [self._cases[row] for row in rows]
            texts = [draw_text(case, random, WHOLE) for case in cases]
            words = self._wordwise if random.random() < WORDWISE else self._tokenizer
            ids, mask = encode_texts(words, [text.text for text in texts])
            matched = self._objective.loss == "matched"
            holds = matches(texts, cases) if matched else torch.eye(len(ids))
            tells_all = torch.tensor([text.tells_all for text in texts])
            return Sides(high, ids, mask, holds, self._labels[rows], tells_all)

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        """Match of states and texts, plus the labels."""
        return self.loss_of(self.draw(random, recipe))

    def loss_of(self, batch: Sides) -> Mapping[str, Tensor]:
        """Losses of a drawn batch."""
        siglip, device = self.module.siglip, device_of(self.module)
        with torch.autocast(device.type, enabled=False):
            image = siglip.project_volume(batch.high.to(device))
        words = siglip.embed_text(batch.ids.to(device), batch.mask.to(device)).float()
        match = self._objective.match(image, words, siglip, lambda: batch.holds.to(device))
        if not self._objective.aligned_labels:
            return {"loss": match}
        named = self.module.named(image, words, batch)
        loss = match + self._objective.aligned_labels * named
        return {"loss": loss, "match": match, "labels": named}
