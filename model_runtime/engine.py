"""The engine: requests in, a stream of events out; a volume is encoded once.

The image part of the prompt is run through the decoder once per volume; every question
starts from a copy of its key-value cache. Torch is imported when this module is, so import
it in the thread that runs the model.
"""

from __future__ import annotations

import os
import time
from collections import OrderedDict
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as Cancelled
from typing import Any

import numpy as np
import torch

from model_runtime import api
from model_runtime.decode import (
    NotANumberError,
    Sampling,
    advance,
    forked,
    is_looping,
    log_likelihood,
    prefix_cache,
    tokens,
)
from model_runtime.preprocess import ModelInput, UnsuitableVolumeError, prepare
from model_runtime.prompt import LETTERS, choice_answer, question_prompt
from model_runtime.weights import LoadedModel, load_folder

_KEPT_VOLUMES = 3
_TEXT_LENGTH = 160


class _StoppedError(Exception):
    """The request was cancelled."""


@dataclass(eq=False)
class _Encoded:
    """What is kept of a volume: its input, image prefix and contrastive embedding."""

    input: ModelInput
    prefix: Any = None
    embedding: torch.Tensor | None = None


@dataclass
class Counters:
    """How often the costly steps ran."""

    prepared: int = 0
    encoded: int = 0
    prefilled: int = 0
    embedded: int = 0


@dataclass(eq=False)
class _Run:
    """One request on its way."""

    request: api.Request
    cancelled: Cancelled
    began: float = field(default_factory=time.monotonic)
    input: ModelInput | None = None
    prompt: str = ""
    tokens: int = 0
    notes: list[str] = field(default_factory=list)

    def check(self) -> None:
        if self.cancelled.is_set():
            raise _StoppedError


class LocalEngine:
    """A model folder, loaded, answering in the caller's thread.

    Raises
    ------
    WeightsError
        Where the folder cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        # One core is left to the window.
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
        self._model: LoadedModel | None = load_folder(folder)
        self._volumes: OrderedDict[tuple[str, api.HuWindow | None], _Encoded] = OrderedDict()
        self.counters = Counters()
        config = self._model.config
        self.info = api.ModelInfo(
            name=config.name,
            demonstration=config.demonstration,
            notice="demonstration model (synthetic phantoms) · not for clinical use"
            if config.demonstration
            else "research model · not for clinical use",
            weights_sha256=self._model.sha256,
            card=self._model.card,
            windows=dict(config.input.windows),
        )

    def close(self) -> None:
        """Free weights and caches; later requests fail with a sentence."""
        self._model = None
        self._volumes.clear()

    def stream(self, request: api.Request, cancelled: Cancelled) -> Iterator[api.Event]:
        """Answer a request; see :class:`model_runtime.api.Engine`."""
        run = _Run(request, cancelled)
        try:
            with torch.inference_mode():
                yield from self._answer(run)
        except _StoppedError:
            yield api.Stopped()
        except UnsuitableVolumeError as error:
            yield api.Failed(str(error))
        except NotANumberError as error:
            yield api.Failed(f"{error} Nothing of this answer should be used.")
        except (RuntimeError, MemoryError) as error:
            yield api.Failed("The model stopped with a fault of its own; try again.", repr(error))

    def _answer(self, run: _Run) -> Iterator[api.Event]:
        run.check()
        model = self._loaded()
        request = run.request
        if request.task is api.Task.EMBED_TEXT:
            yield api.Done(self._receipt(run), embedding=self._embed_text(model, request.text))
            return
        encoded = yield from self._prepared(model, run)
        if request.task is api.Task.EMBED_VOLUME:
            yield from self._embed_volume(model, run, encoded)
            return
        yield from self._prefix(model, run, encoded)
        if request.task is api.Task.REPORT:
            run.prompt = model.config.vlm.prompt.report
        else:
            run.prompt = question_prompt(request.text, request.choices)
        if request.choices:
            yield from self._choose(model, run, encoded)
        else:
            yield from self._write(model, run, encoded)

    def _loaded(self) -> LoadedModel:
        if self._model is None:
            raise UnsuitableVolumeError("The model has been unloaded.")
        return self._model

    def _prepared(
        self, model: LoadedModel, run: _Run
    ) -> Generator[api.Event, None, _Encoded]:
        """Look the volume up, or prepare it; returns what is kept of it."""
        volume = run.request.volume
        if volume is None:
            raise UnsuitableVolumeError("No scan is open. Open one first.")
        key = (volume.key, run.request.window)
        if key not in self._volumes:
            yield api.Progress(api.Stage.PREPROCESS)
            ready = prepare(volume, model.config.input, run.request.window)
            self.counters.prepared += 1
            self._volumes[key] = _Encoded(ready)
            while len(self._volumes) > _KEPT_VOLUMES:
                self._volumes.popitem(last=False)
        self._volumes.move_to_end(key)
        run.input = self._volumes[key].input
        run.check()
        return self._volumes[key]

    def _prefix(self, model: LoadedModel, run: _Run, encoded: _Encoded) -> Iterator[api.Event]:
        """Encode the volume and run the image tokens through the decoder, once."""
        if encoded.prefix is not None:
            return
        vlm = model.vlm
        states: list[torch.Tensor] = []
        yield api.Progress(api.Stage.ENCODE, 0.0)
        for state in vlm.encoder.iterate(_tensor(encoded.input)):
            states.append(state)
            run.check()
            yield api.Progress(api.Stage.ENCODE, len(states) / 6)
        self.counters.encoded += 1
        image = vlm.projector(states[-2], states[-1])
        prompt = vlm.config.prompt
        if prompt.drops_first_text_token:
            image = torch.cat((vlm.embed(torch.tensor([[prompt.patch_token]])), image), dim=1)
        encoded.prefix = prefix_cache(vlm, image)
        self.counters.prefilled += 1
        yield api.Progress(api.Stage.ENCODE, 1.0)

    def _text(self, model: LoadedModel, text: str) -> torch.Tensor:
        """Embeddings (1, length, hidden) of a prompt behind the image."""
        ids = model.tokenizer.encode(text, add_special_tokens=False).ids
        if model.config.vlm.prompt.drops_first_text_token:
            ids = ids[1:]
        return model.vlm.embed(torch.tensor([ids]))

    def _write(self, model: LoadedModel, run: _Run, encoded: _Encoded) -> Iterator[api.Event]:
        request = run.request
        yield api.Progress(api.Stage.WRITE)
        sampling = Sampling(request.temperature, seed=request.seed)
        cache = forked(encoded.prefix)
        prompt = self._text(model, run.prompt)
        ids: list[int] = []
        written = ""
        began = time.monotonic()
        for token, logprob in tokens(model.vlm, cache, prompt, sampling, request.max_tokens):
            run.check()
            ids.append(token)
            text = model.tokenizer.decode(ids)
            if not text.endswith("\ufffd"):
                pace = len(ids) / max(time.monotonic() - began, 1e-6)
                yield api.Token(text[len(written) :], logprob, pace)
                written = text
            if is_looping(ids):
                run.notes.append("stopped: the model repeated itself")
                break
        else:
            if len(ids) >= request.max_tokens:
                run.notes.append(f"stopped at the limit of {request.max_tokens} tokens")
        run.tokens = len(ids)
        if not written.strip():
            yield api.Failed("The model wrote nothing for this scan.")
            return
        yield api.Done(self._receipt(run), written.strip())

    def _choose(self, model: LoadedModel, run: _Run, encoded: _Encoded) -> Iterator[api.Event]:
        """Compare the likelihood of every choice, written as in training."""
        choices = run.request.choices
        if not 2 <= len(choices) <= len(LETTERS):
            raise UnsuitableVolumeError("A closed question needs two to twenty-six choices.")
        yield api.Progress(api.Stage.WRITE)
        cache = forked(encoded.prefix)
        last = advance(model.vlm, cache, self._text(model, run.prompt))[0, -1]
        scores = []
        for place in range(len(choices)):
            run.check()
            ids = model.tokenizer.encode(
                choice_answer(choices, place), add_special_tokens=False
            ).ids
            scores.append(log_likelihood(model.vlm, forked(cache), last, ids))
            run.tokens += len(ids)
        shares = torch.softmax(torch.tensor(scores), dim=0).tolist()
        yield api.Choices(tuple(zip(choices, shares, strict=True)))
        yield api.Done(self._receipt(run), choices[int(np.argmax(scores))])

    def _embed_volume(
        self, model: LoadedModel, run: _Run, encoded: _Encoded
    ) -> Iterator[api.Event]:
        if encoded.embedding is None:
            states: list[torch.Tensor] = []
            for state in model.siglip.vision_encoder.iterate(_tensor(encoded.input)):
                states.append(state)
                run.check()
                yield api.Progress(api.Stage.ENCODE, len(states) / 5)
            encoded.embedding = model.siglip.project_volume(states[-1])[0]
            self.counters.embedded += 1
        yield api.Done(self._receipt(run), embedding=encoded.embedding.numpy().copy())

    def _embed_text(self, model: LoadedModel, text: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        if not text.strip():
            raise UnsuitableVolumeError("Type what to search for.")
        tokenizer = model.tokenizer
        ids = [tokenizer.token_to_id("<cls>"), *tokenizer.encode(text).ids][:_TEXT_LENGTH]
        batch = torch.tensor([ids])
        vector: np.ndarray[Any, np.dtype[np.float32]] = (
            model.siglip.embed_text(batch, torch.ones_like(batch))[0].numpy().copy()
        )
        return vector

    def _receipt(self, run: _Run) -> api.Provenance:
        request, used = run.request, run.input
        receipt = api.Provenance(
            model=self.info.name,
            weights_sha256=self.info.weights_sha256,
            demonstration=self.info.demonstration,
            task=request.task,
            prompt=run.prompt or request.text,
            seed=request.seed,
            temperature=request.temperature,
            tokens=run.tokens,
            seconds=round(time.monotonic() - run.began, 3),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            notes=tuple(run.notes),
        )
        if used is None or request.volume is None:
            return receipt
        return replace(
            receipt,
            series=request.volume.description,
            region=used.region.value,
            window=used.window,
            grid=used.grey.shape,
            decimation=used.decimation,
            slices=used.slices,
            slice_count=request.volume.voxels.shape[0],
            notes=(*used.notes, *run.notes),
        )


def _tensor(ready: ModelInput) -> torch.Tensor:
    return torch.from_numpy(ready.grey)[None, None]
