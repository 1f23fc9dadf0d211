"""Training on a finished model: its projector alone, or with low-rank adapters on its decoder.

Whatever is not trained stays frozen and out of the checkpoints, which stay small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from model_runtime.phantom.case import Random, sample_case
from model_runtime.projector import DualStreamProjector
from model_runtime.training.augment import Augmentation, Change, augment
from model_runtime.training.lesson import Lesson
from model_runtime.training.loop import Recipe, Stopwatch, device_of
from model_runtime.training.lora import LoraSettings, adapt
from model_runtime.training.m3d_data import M3dStore
from model_runtime.training.m3d_stage import draw_lesson
from model_runtime.training.volumes import VolumeStore
from model_runtime.vlm import Vlm
from model_runtime.weights import LoadedModel

PROJECTOR_ALONE = LoraSettings(rank=0)
"""Stage two: no adapters, and nothing but the projector learns."""


_Drawn = tuple[Tensor, Change, Lesson]


class Adapted(nn.Module):
    """A model of which a part learns; its state is that part."""

    def __init__(self, vlm: Vlm, settings: LoraSettings) -> None:
        super().__init__()
        adapt(vlm, settings)
        self.vlm, self._settings = vlm, settings
        self.register_state_dict_post_hook(_only_trained)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_post_hook(_rest_is_there)  # type: ignore[no-untyped-call]

    def keeps(self, name: str) -> bool:
        """Tell whether a tensor belongs into a checkpoint."""
        return self._settings.keeps(name.removeprefix("vlm."))

    def train(self, mode: bool = True) -> Adapted:
        """Leave a frozen encoder as it is used: its statistics must not move either."""
        super().train(mode)
        if not self._settings.encoder:
            self.vlm.encoder.eval()
        return self

    def image_tokens(self, volume: Tensor) -> Tensor:
        """Encode and project; no states are kept of a frozen encoder."""
        with torch.set_grad_enabled(self._settings.encoder and torch.is_grad_enabled()):
            states = self.vlm.encoder(volume)
        tokens: Tensor = self.vlm.projector(states[-2], states[-1])
        return tokens


def _only_trained(module: nn.Module, state: dict[str, Any], prefix: str, _: object) -> None:
    assert isinstance(module, Adapted)
    for name in [name for name in state if not module.keeps(name.removeprefix(prefix))]:
        del state[name]


def _rest_is_there(module: nn.Module, found: Any) -> None:  # noqa: ANN401
    assert isinstance(module, Adapted)
    found.missing_keys[:] = [name for name in found.missing_keys if module.keeps(name)]


def _lessons(
    base: LoadedModel, store: VolumeStore | M3dStore
) -> Callable[[Sequence[int], Random], Lesson]:
    """Say where the words about a store's volumes come from: the truth, or M3D's files."""
    words, prompt = base.tokenizer, base.config.vlm.prompt
    if isinstance(store, M3dStore):
        return partial(draw_lesson, words, prompt, store)
    cases = [sample_case(int(seed)) for seed in store.seeds]
    return lambda rows, random: Lesson.draw(words, prompt, [cases[row] for row in rows], random)


class AdaptedStage:
    """The trainee: reports and, unless ``reports_only``, questions on volumes.

    Parameters
    ----------
    base : LoadedModel
        It is changed.
    fresh_projector : bool
        Begin with a new projector, as where the base never saw an image.

    Raises
    ------
    ValueError
        Where the volumes are not on the base's grid.
    """

    def __init__(
        self,
        base: LoadedModel,
        settings: LoraSettings,
        store: VolumeStore | M3dStore,
        *,
        reports_only: bool = False,
        fresh_projector: bool = False,
        augmentation: Augmentation = augment,
    ) -> None:
        grid, wanted = store.get([0]).shape[1:], base.config.input.shape
        if grid != wanted:
            raise ValueError(f"the volumes are {grid}, {base.config.name} takes {wanted}")
        self._base, self._store, self._augment = base, store, augmentation
        self._reports_only = reports_only
        self._lesson = _lessons(base, store)
        if fresh_projector:
            config = base.config.vlm
            base.vlm.model.mm_projector = DualStreamProjector(
                config.projector, config.language.hidden_size
            )
        self.module = Adapted(base.vlm, settings)
        self.loading, self.data = Stopwatch(), f"{store.digest} with {base.sha256[:12]}"

    def draw(self, random: np.random.Generator, recipe: Recipe) -> _Drawn:
        """Load volumes, change them a little, and draw what is said and asked about them."""
        with self.loading:
            rows = random.choice(len(self._store), recipe.batch, replace=False).tolist()
            grey = torch.from_numpy(self._store.get(rows))
            return grey, self._augment(grey.shape, random), self._lesson(rows, random)

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        """Cross-entropy of reports, and of two questions each."""
        return self.loss_of(self.draw(random, recipe))

    def loss_of(self, batch: _Drawn) -> Mapping[str, Tensor]:
        """Losses of a drawn batch."""
        device = device_of(self.module)
        grey, change, lesson = batch
        image, lesson = self.module.image_tokens(change(grey.to(device))), lesson.to(device)
        if self._reports_only:
            return {"loss": self.module.vlm.loss(image, *lesson.told)}
        return lesson.losses(self.module.vlm, image)
