"""Stage one: volumes and texts learn one space (SigLIP), helped by labels from the truth.

Two things differ from the published recipe, because a small encoder has to learn on a CPU
within an hour: a head that names the phantom's labels, thrown away afterwards, and a text
that also holds for another case of the batch counts as a match of that case too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional

from model_runtime.config import SiglipConfig
from model_runtime.dcformer import Block
from model_runtime.phantom.case import Case, Random, sample_case
from model_runtime.phantom.language import finding_sentences, impression, short_name, technique
from model_runtime.siglip import Siglip
from model_runtime.training.augment import Augmentation, Change, augment
from model_runtime.training.distributed_loss import gathered_softmax_loss, ring_sigmoid_loss
from model_runtime.training.labels import training_space
from model_runtime.training.loop import Recipe, Stopwatch, device_of
from model_runtime.training.places import PlaceStore
from model_runtime.training.pointing import Pointed, draw_pointed, pointing_loss
from model_runtime.training.tokenizer import WORDWISE, by_words, encode_texts
from model_runtime.training.training_form import stage_maps, tokens_of
from model_runtime.training.volumes import VolumeStore

FIRST_SCALE = 0.1
"""Layer scale at the start; the published 1e-6 needs far longer training than this."""


@dataclass(frozen=True)
class Text:
    """A text of the batch and the findings it claims; ``whole`` claims there are no others.

    ``tells_all`` marks a report, which tells degrees, sizes and normal organs too.
    """

    text: str
    claims: frozenset[str]
    whole: bool
    tells_all: bool = False

    def holds_for(self, names: frozenset[str], claims: frozenset[str]) -> bool:
        """Tell whether the text is true of a case; see :func:`names_of` and :func:`claims_of`."""
        return self.claims == names if self.whole else self.claims <= claims


@cache
def names_of(case: Case) -> frozenset[str]:
    """Name the findings of a case as the impression does."""
    return frozenset(short_name(finding) for finding in case.findings)


@cache
def claims_of(case: Case) -> frozenset[str]:
    """List what can be typed to search for a case: findings with and without place and degree."""
    told = set()
    for finding in case.findings:
        for form in (finding, replace(finding, degree=""), replace(finding, degree="", place="")):
            told.add(" ".join(short_name(form).split()))
    return frozenset(told)


def draw_text(case: Case, random: Random, whole: float = 0.45) -> Text:
    """Draw all sentences, an impression or one finding as a user would type it.

    ``whole`` is the share of the first; of the rest, four in eleven are impressions.
    """
    names = names_of(case)
    kind = random.random()
    if kind < whole:
        # Sizes and normal organs make it this case's own: nobody else's match.
        own = frozenset((f"case {case.seed}",))
        sentences = (technique(case), *finding_sentences(case, random), impression(case))
        return Text(" ".join(sentences), own, whole=True, tells_all=True)
    if kind < whole + 4 * (1 - whole) / 11 or not names:
        return Text(_case(impression(case), random), names, whole=True)
    typed = sorted(claims_of(case))
    one = typed[int(random.integers(len(typed)))]
    return Text(_case(one, random), frozenset((one,)), whole=False)


def _case(text: str, random: Random) -> str:
    return text.lower() if random.random() < 0.5 else text


def matches(texts: Sequence[Text], cases: Sequence[Case]) -> Tensor:
    """Matrix (cases, texts) of which text holds for which case; the diagonal always does."""
    out = torch.eye(len(cases))
    known = [(names_of(case), claims_of(case)) for case in cases]
    for column, text in enumerate(texts):
        if text.tells_all:  # of its own case alone
            continue
        rows = [row for row, (names, claims) in enumerate(known) if text.holds_for(names, claims)]
        out[rows, column] = 1
    return out


def pairwise_loss(
    image: Tensor, text: Tensor, t_prime: Tensor, bias: Tensor, match: Tensor
) -> Tensor:
    """Sigmoid loss of arXiv 2303.15343 with given matches; with the identity, the published one."""
    logits = image @ text.T * t_prime.exp() + bias
    return -functional.logsigmoid((2 * match - 1) * logits).sum() / len(image)


@dataclass(frozen=True)
class Objective:
    """What stage one minimises.

    Attributes
    ----------
    loss : str
        ``matched``: sigmoid loss in which a text may hold for several volumes of this process;
        ``sigmoid``: the published one, each text for its own volume only, over all processes;
        ``softmax``: that of CLIP, over all processes, for comparison.
    labels : float
        Weight of the auxiliary label heads of the encoder; 0 as published.
    aligned_labels : float
        That of the head which reads both sides at the end of the stage.
    reports : float
        Share of the texts that are whole reports; without them all texts are short.
    pointing : float
        Weight of :func:`model_runtime.training.pointing.pointing_loss`; 0 as published.
    """

    loss: str = "matched"
    labels: float = 40.0
    aligned_labels: float = 40.0
    reports: float = 0.45
    pointing: float = 0.0

    def __post_init__(self) -> None:
        """Check the loss's name and the share."""
        if not 0 <= self.reports <= 1:
            raise ValueError(f"reports has to be between 0 and 1, not {self.reports}")
        if self.loss not in {"matched", "sigmoid", "softmax"}:
            raise ValueError(f"loss has to be matched, sigmoid or softmax, not {self.loss!r}")

    def match(
        self, image: Tensor, words: Tensor, siglip: Siglip, holds: Callable[[], Tensor]
    ) -> Tensor:
        """Loss of unit vectors B × width; ``holds`` gives the matrix that ``matched`` needs."""
        if self.loss == "sigmoid":
            return ring_sigmoid_loss(image, words, siglip.t_prime, siglip.bias)
        if self.loss == "softmax":
            return gathered_softmax_loss(image, words, siglip.t_prime)
        return pairwise_loss(image, words, siglip.t_prime, siglip.bias, holds())


class LabelledSiglip(nn.Module):
    """The contrastive model and its auxiliary label heads.

    One reads both token streams, as the projector will; one reads the mean of the last, which
    is all that the common space gets.
    """

    def __init__(self, config: SiglipConfig, tokens: tuple[int, int], labels: int) -> None:
        super().__init__()
        self.siglip = Siglip(config)
        low, high = config.encoder.channels[3:]
        self.placed = _label_head(low * tokens[0] + high * tokens[1], labels)
        self.pooled = _label_head(high, labels)
        for module in self.siglip.modules():
            if isinstance(module, Block):
                nn.init.constant_(module.scale, FIRST_SCALE)

    def named(self, states: Sequence[Tensor], truth: Tensor) -> Tensor:
        """Cross-entropy of the labels (B × labels) from the encoder's hidden states."""
        flat = torch.cat((states[-2].flatten(1), states[-1].flatten(1)), dim=1)
        seen = (self.placed(flat), self.pooled(states[-1].mean(dim=1)))
        losses = [functional.binary_cross_entropy_with_logits(x.float(), truth) for x in seen]
        return (losses[0] + losses[1]) / 2


def _label_head(width: int, labels: int) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(width), nn.Dropout(0.1), nn.Linear(width, labels))


@dataclass(frozen=True, eq=False)
class Pairs:
    """A batch: volumes, tokenised texts, which text holds for which volume, and the labels.

    ``grey`` is empty where the volumes already lie beside the model; ``rows`` names them.
    ``pointed`` is there where maps are learnt.
    """

    rows: Tensor
    grey: Tensor
    change: Change
    ids: Tensor
    mask: Tensor
    holds: Tensor
    labels: Tensor
    pointed: Pointed | None


class ContrastiveStage:
    """The trainee of stage one."""

    def __init__(
        self,
        config: SiglipConfig,
        tokens: tuple[int, int],
        tokenizer: Tokenizer,
        store: VolumeStore,
        *,
        augmentation: Augmentation = augment,
        objective: Objective | None = None,
        places: PlaceStore | None = None,
    ) -> None:
        self._places = places
        self._augment, self._objective = augmentation, objective or Objective()
        self._store, self._tokenizer = store, tokenizer
        self._wordwise = by_words(tokenizer)
        self._cases = [sample_case(int(seed)) for seed in store.seeds]
        self.space = training_space()
        self._labels = self.space.truth(self._cases)
        self.module = LabelledSiglip(config, tokens, len(self.space))
        self.loading, self.data = Stopwatch(), store.digest
        self._resident: Tensor | None = None

    @property
    def cases(self) -> int:
        """Number of the cases."""
        return len(self._cases)

    def keep_on(self, device: torch.device | str) -> None:
        """Copy all volumes to where the model will lie, 8 bits a voxel, rather than each batch."""
        shape = (len(self._store), *self._store.shards[0].shape[1:])
        self._resident, place = torch.empty(shape, dtype=torch.uint8, device=device), 0
        for shard in self._store.shards:
            self._resident[place : place + len(shard)] = torch.from_numpy(np.array(shard))
            place += len(shard)

    def draw(self, random: np.random.Generator, recipe: Recipe) -> Pairs:
        """Load volumes, and draw how they change and a text of each."""
        with self.loading:
            rows = random.choice(len(self._cases), recipe.batch, replace=False)
            loaded = self._store.get([] if self._resident is not None else rows)
            change = self._augment((len(rows), *loaded.shape[1:]), random)
            cases = [self._cases[row] for row in rows]
            texts = [draw_text(case, random, self._objective.reports) for case in cases]
            words = self._wordwise if random.random() < WORDWISE else self._tokenizer
            ids, mask = encode_texts(words, [text.text for text in texts])
            matched = self._objective.loss == "matched"
            holds = matches(texts, cases) if matched else torch.eye(len(cases))
            places, grey = torch.from_numpy(rows), torch.from_numpy(loaded)
            pointed = self._draw_pointed(rows, random)
            return Pairs(places, grey, change, ids, mask, holds, self._labels[rows], pointed)

    def _draw_pointed(self, rows: NDArray[np.int64], random: np.random.Generator) -> Pointed | None:
        if self._places is None:
            return None
        marked = [self._places.cells[row] for row in rows]
        cases = [self._cases[row] for row in rows]
        return draw_pointed(cases, marked, self._tokenizer, random)

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        """Match of volumes and texts, plus the labels."""
        return self.loss_of(self.draw(random, recipe))

    def loss_of(self, batch: Pairs) -> Mapping[str, Tensor]:
        """Losses of a drawn batch."""
        siglip, device = self.module.siglip, device_of(self.module)
        if self._resident is None:
            volume = batch.change(batch.grey.to(device))
        else:
            volume = batch.change(self._resident[batch.rows.to(device)])
        # Half precision is for the texts: on a processor it does not speed up the convolutions,
        # and grey steps of small lesions are fine ones.
        with torch.autocast("cpu", enabled=False):
            maps = stage_maps(siglip.vision_encoder, volume)
            states = [tokens_of(state) for state in maps]
            image = siglip.project_volume(states[-1])
        words = siglip.embed_text(batch.ids.to(device), batch.mask.to(device)).float()
        match = self._objective.match(image, words, siglip, lambda: batch.holds.to(device))
        named = self.module.named(states, batch.labels.to(device))
        loss = match + self._objective.labels * named
        losses = {"loss": loss, "match": match, "labels": named}
        if batch.pointed is None:
            return losses
        pointing = pointing_loss(siglip, maps, image, batch.pointed)
        return losses | {"loss": loss + self._objective.pointing * pointing, "pointing": pointing}
