"""DCFormer against a vision transformer: the published contrastive stage with either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor, nn

from model_runtime.ablation.vit3d import Vit3d
from model_runtime.config import ModelConfig
from model_runtime.dcformer import Block, DCFormer
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.language import report
from model_runtime.siglip import Siglip
from model_runtime.training.augment import Change, augment
from model_runtime.training.batches import Stopwatch
from model_runtime.training.contrastive import Objective
from model_runtime.training.loop import Recipe, device_of
from model_runtime.training.tokenizer import encode_texts
from model_runtime.training.training_form import hidden_states
from model_runtime.training.volumes import VolumeStore

ENCODERS = ("dcformer", "vit")
PATCH = (8, 16, 16)
WIDTH, LAYERS, HEADS = 256, 6, 4
_FIRST_SCALE = 0.1
_BATCH = 16
_Batch = tuple[Tensor, Change, Tensor, Tensor]


def build_siglip(kind: str, config: ModelConfig) -> Siglip:
    """Build the contrastive model with the bundled model's DCFormer or a transformer as large.

    Raises
    ------
    ValueError
        For another name.
    """
    if kind == "dcformer":
        siglip = Siglip(config.siglip)
        for module in siglip.modules():
            if isinstance(module, Block):
                nn.init.constant_(module.scale, _FIRST_SCALE)
        return siglip
    if kind != "vit":
        raise ValueError(f"an encoder is one of {', '.join(ENCODERS)}, not {kind!r}")
    siglip = Siglip(config.siglip)
    encoder = Vit3d(config.input.shape, PATCH, WIDTH, LAYERS, HEADS)
    siglip.vision_encoder = encoder  # type: ignore[assignment]
    siglip.mm_vision_proj = nn.Linear(WIDTH, config.siglip.width)
    return siglip


def last_state(encoder: nn.Module, volume: Tensor) -> Tensor:
    """Return an encoder's last hidden state, B × tokens × width, with gradients."""
    if isinstance(encoder, DCFormer):
        return hidden_states(encoder, volume)[-1]
    out: Tensor = encoder(volume)[-1]
    return out


class EncoderStage:
    """The trainee: volumes and whole reports, nothing else to learn from."""

    def __init__(
        self, siglip: Siglip, tokenizer: Tokenizer, store: VolumeStore, objective: Objective
    ) -> None:
        self._tokenizer, self._store = tokenizer, store
        self._objective = replace(objective, labels=0.0)
        self._cases = [sample_case(int(seed)) for seed in store.seeds]
        self.module = siglip
        self.loading, self.data = Stopwatch(), store.digest

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        """Match of volumes and reports."""
        return self.loss_of(self.draw(random, recipe))

    def draw(self, random: np.random.Generator, recipe: Recipe) -> _Batch:
        """Load volumes, and draw how they change and a report of each."""
        with self.loading:
            rows = random.choice(len(self._cases), recipe.batch, replace=False)
            grey = torch.from_numpy(self._store.get(rows))
            change = augment(grey.shape, random)
            texts = [report(self._cases[row], random) for row in rows]
            return grey, change, *encode_texts(self._tokenizer, texts)

    def loss_of(self, batch: _Batch) -> Mapping[str, Tensor]:
        """Losses of a drawn batch."""
        grey, change, ids, mask = batch
        siglip, device = self.module, device_of(self.module)
        with torch.autocast("cpu", enabled=False):
            state = last_state(siglip.vision_encoder, change(grey.to(device)))
            image = siglip.project_volume(state)
        words = siglip.embed_text(ids.to(device), mask.to(device)).float()
        own = torch.eye(len(ids), device=device)
        return {"loss": self._objective.match(image, words, siglip, lambda: own)}


def similarities(
    siglip: Siglip, tokenizer: Tokenizer, volumes: Sequence[Tensor], reports: Sequence[str]
) -> NDArray[np.float32]:
    """Cosines of last states or volumes (rows) and reports (columns), N × N.

    ``volumes`` are B × 1 × z × y × x each, or B × tokens × width of a frozen encoder.
    """
    siglip.eval()
    images, words, device = [], [], device_of(siglip)
    with torch.inference_mode():
        for part in volumes:
            given = part.to(device)
            state = last_state(siglip.vision_encoder, given) if part.ndim == 5 else given
            images.append(siglip.project_volume(state))
        for start in range(0, len(reports), _BATCH):
            ids, mask = encode_texts(tokenizer, reports[start : start + _BATCH])
            words.append(siglip.embed_text(ids.to(device), mask.to(device)))
    cosines: NDArray[np.float32] = (torch.cat(images) @ torch.cat(words).T).cpu().numpy()
    return cosines
