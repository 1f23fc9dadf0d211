"""What is kept of the last volumes: the encoder's input, the image's prefix, the embedding.

A volume is prepared, encoded and run through the decoder once, however much is asked of it.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_runtime import api
from model_runtime.dcformer import DCFormer
from model_runtime.decode import NotANumberError, prefix_cache
from model_runtime.fast_encoder import FastEncoder, as_tokens, encoder_dtype
from model_runtime.preprocess import ModelInput, preparing
from model_runtime.stepping import KeyValues
from model_runtime.weights import LoadedModel

_KEPT_VOLUMES = 3
_STAGES = 5

Check = Callable[[], None]
"""Raises where the request was cancelled."""


@dataclass
class Counters:
    """How often the costly steps ran."""

    prepared: int = 0
    encoded: int = 0
    prefilled: int = 0
    embedded: int = 0


@dataclass(eq=False)
class Encoded:
    """What is kept of a volume; the later parts come when first asked for."""

    input: ModelInput
    states: tuple[Tensor, Tensor] | None = None
    """The vision-language encoder's last two hidden states, float32."""
    prefix: KeyValues | None = None
    embedding: NDArray[np.float32] | None = None
    contrastive: Tensor | None = None
    """The contrastive encoder's hidden state of stage 2, the last but two, float32."""


class Encodings:
    """The last few volumes, each in its window."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._kept: OrderedDict[tuple[str, api.HuWindow | None], Encoded] = OrderedDict()
        self._encoders: dict[DCFormer, FastEncoder] = {}

    def clear(self) -> None:
        """Forget every volume."""
        self._kept.clear()

    def prepared(
        self, model: LoadedModel, volume: api.VolumeInput, window: api.HuWindow | None, check: Check
    ) -> Generator[api.Event, None, Encoded]:
        """Look the volume up or prepare it; returns what is kept of it."""
        key = (volume.key, window)
        if key not in self._kept:
            ready = yield from _prepared(model, volume, window, check)
            self.counters.prepared += 1
            self._kept[key] = Encoded(ready)
            while len(self._kept) > _KEPT_VOLUMES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        check()
        return self._kept[key]

    def prefix(
        self, model: LoadedModel, encoded: Encoded, check: Check
    ) -> Generator[api.Event, None, KeyValues]:
        """Encode the volume and run its tokens through the decoder; returns the cache."""
        if encoded.prefix is None:
            vlm = model.vlm
            low, high = yield from self.states(model, encoded, check)
            encoded.prefix = prefix_cache(vlm, vlm.project(low, high))
            self.counters.prefilled += 1
            yield api.Progress(api.Stage.ENCODE, 1.0)
        return encoded.prefix

    def states(
        self, model: LoadedModel, encoded: Encoded, check: Check
    ) -> Generator[api.Event, None, tuple[Tensor, Tensor]]:
        """Encode the volume for the language model; returns its last two hidden states."""
        if encoded.states is None:
            encoder = self._fast(model.vlm.encoder, model)
            *_, low, high = yield from _maps(encoder, encoded.input, check)
            encoded.states = as_tokens(low), as_tokens(high)
            self.counters.encoded += 1
        return encoded.states

    def embedding(
        self, model: LoadedModel, encoded: Encoded, check: Check
    ) -> Generator[api.Event, None, NDArray[np.float32]]:
        """Embed the volume with the contrastive model; returns a unit vector."""
        if encoded.embedding is None:
            encoder = self._fast(model.siglip.vision_encoder, model)
            finest, _, high = yield from _maps(encoder, encoded.input, check)
            encoded.contrastive = as_tokens(finest)
            encoded.embedding = unit_vector(model.siglip.project_volume(as_tokens(high)))
            self.counters.embedded += 1
        return encoded.embedding.copy()

    def _fast(self, plain: DCFormer, model: LoadedModel) -> FastEncoder:
        """Look up or make the inference form of one of the model's encoders."""
        if plain not in self._encoders:
            self._encoders[plain] = FastEncoder(plain, encoder_dtype(model.placement))
        return self._encoders[plain]


def unit_vector(rows: Tensor) -> NDArray[np.float32]:
    """Take the only row of an embedding (1, width).

    Raises
    ------
    NotANumberError
        Where the model's numbers broke down.
    """
    if not torch.isfinite(rows).all():
        raise NotANumberError("The model computed values that are not numbers.")
    vector: NDArray[np.float32] = rows[0].float().cpu().numpy().copy()
    return vector


def _prepared(
    model: LoadedModel, volume: api.VolumeInput, window: api.HuWindow | None, check: Check
) -> Generator[api.Event, None, ModelInput]:
    steps = preparing(volume, model.config.input, window)
    while True:
        try:
            share = next(steps)
        except StopIteration as end:
            ready: ModelInput = end.value
            return ready
        check()
        yield api.Progress(api.Stage.PREPROCESS, share)


def _maps(
    encoder: FastEncoder, ready: ModelInput, check: Check
) -> Generator[api.Event, None, list[Tensor]]:
    """Run the encoder stage by stage; returns its last three maps."""
    volume = torch.from_numpy(ready.grey)[None, None].to(encoder.device)
    maps: deque[Tensor] = deque(maxlen=3)
    yield api.Progress(api.Stage.ENCODE, 0.0)
    for done, stage in enumerate(_checked(encoder.maps(volume), check), start=1):
        maps.append(stage)
        # The decoder's run over the image is the last sixth.
        yield api.Progress(api.Stage.ENCODE, done / (_STAGES + 1))
    return list(maps)


def _checked(stages: Iterator[Tensor], check: Check) -> Iterator[Tensor]:
    check()
    for stage in stages:
        yield stage
        check()
