"""The engine: requests in, a stream of events out.

Every question starts from a copy of the image's key-value cache, which is made once per
volume (see :mod:`model_runtime.encoding`). Torch and transformers are imported when this
module is, so import it in the thread that runs the model or before the window opens.
"""

from __future__ import annotations

import gc
import logging
import os
import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event as Cancelled

import numpy as np
import torch
from numpy.typing import NDArray

from model_runtime import api
from model_runtime.answering import (
    Run,
    Said,
    StoppedError,
    UnanswerableError,
    check_words,
    choose,
    prompt_ids,
    prompt_of,
    told,
    write,
)
from model_runtime.batching import Ask, Row, write_together
from model_runtime.decode import NotANumberError, Sampling
from model_runtime.encoding import Counters, Encoded, Encodings, unit_vector
from model_runtime.errors import WeightsError, is_out_of_memory
from model_runtime.evidence import explain
from model_runtime.evidence_words import told_tokens, words_of
from model_runtime.placement import Placement
from model_runtime.preprocess import UnsuitableVolumeError
from model_runtime.similarity import NORMAL, Similarity
from model_runtime.weights import LoadedModel, load_folder, text_ids

_LOG = logging.getLogger(__name__)
_NO_MEMORY = (
    "There is not enough memory for the model. Close other studies or programs and try again."
)
# What torch, numpy and Python raise for want of memory or by a mistake of ours.
_FAULTS = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


class LocalEngine:
    """A model folder, loaded, answering in the caller's thread.

    Raises
    ------
    WeightsError
        Where the folder cannot be used.
    """

    def __init__(
        self, folder: Path, placement: Placement | None = None, contrastive: Path | None = None
    ) -> None:
        # One core is left to the window.
        torch.set_num_threads(max(1, (os.cpu_count() or 2) - 1))
        self._model: LoadedModel | None = load_folder(folder, placement, contrastive)
        self._encodings = Encodings()
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

    @property
    def counters(self) -> Counters:
        """How often the costly steps ran."""
        return self._encodings.counters

    def close(self) -> None:
        """Free weights and caches; later requests fail with a sentence."""
        self._model = None
        self._encodings = Encodings()
        if gc.isenabled():
            # Networks refer to themselves in circles. Whoever switched the search off, as a
            # window does, collects where it may: here, widgets would be destroyed too.
            gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def stream(self, request: api.Request, cancelled: Cancelled) -> Iterator[api.Event]:
        """Answer a request; see :class:`model_runtime.api.Engine`."""
        run = Run(request, cancelled)
        yield from self._guarded(run, self._answer(run))

    def _guarded(self, run: Run, events: Iterator[api.Event]) -> Iterator[api.Event]:
        """Turn whatever is raised into the run's last event."""
        try:
            yield from events
        except StoppedError:
            yield api.Stopped()
        except (UnsuitableVolumeError, WeightsError, UnanswerableError) as error:
            yield api.Failed(str(error))
        except NotANumberError as error:
            yield api.Failed(f"{error} Nothing of this answer should be used.")
        except _FAULTS as error:
            if is_out_of_memory(error):
                self._encodings.clear()
                yield api.Failed(_NO_MEMORY, repr(error), out_of_memory=True)
                return
            _LOG.exception("a request of task %s failed", run.request.task)
            yield api.Failed("The model stopped with a fault of its own; try again.", repr(error))

    # Wrapping the generator, not its caller, keeps the mode from leaking out between events.
    @torch.inference_mode()
    def _answer(self, run: Run) -> Generator[api.Event, None, None]:
        run.check()
        model, request = self._loaded(), run.request
        check_words(request)
        if request.task is api.Task.EVIDENCE:
            told_tokens(model, words_of(model, request))
        if request.task is api.Task.EMBED_TEXT:
            vector = _text_embedding(model, request.text)
            yield api.Done(self._receipt(run), embedding=vector)
            return
        if request.volume is None:
            raise UnanswerableError("No scan is open. Open one first.")
        encoded = yield from self._encodings.prepared(
            model, request.volume, request.window, run.check
        )
        run.input = encoded.input
        if request.task is api.Task.EMBED_VOLUME:
            vector = yield from self._encodings.embedding(model, encoded, run.check)
            yield api.Done(self._receipt(run), embedding=vector)
        elif request.task is api.Task.EVIDENCE:
            yield from self._explain(model, run, encoded)
        else:
            yield from self._tell(model, run, encoded)

    def _tell(self, model: LoadedModel, run: Run, encoded: Encoded) -> Iterator[api.Event]:
        """Answer in words."""
        request = run.request
        run.prompt = prompt_of(model, request)
        prompt = model.vlm.embed_ids(prompt_ids(model, run))
        prefix = yield from self._encodings.prefix(model, encoded, run.check)
        yield api.Progress(api.Stage.WRITE)
        closed = request.task is api.Task.QUESTION and request.choices
        for event in (choose if closed else write)(model, run, prefix.forked(), prompt):
            yield api.Done(self._receipt(run), event.text) if isinstance(event, Said) else event

    def _explain(self, model: LoadedModel, run: Run, encoded: Encoded) -> Iterator[api.Event]:
        """Look for the evidence of what was said."""
        words = words_of(model, run.request)
        run.prompt = words.prompt
        states = yield from self._encodings.states(model, encoded, run.check)
        similarity = None
        if model.contrastive is not None:
            volume = yield from self._encodings.embedding(model, encoded, run.check)
            assert encoded.contrastive is not None
            vector, normal = _text_embedding(model, words.claim), _normal_embedding(model)
            similarity = Similarity(encoded.contrastive, vector, normal, volume)
        yield api.Progress(api.Stage.EXPLAIN)
        yield explain(model, states, encoded.input, words, similarity, run.check)
        yield api.Done(self._receipt(run), words.target)

    def stream_together(
        self, requests: Sequence[api.Request], cancelled: Cancelled
    ) -> Iterator[tuple[int, api.Event]]:
        """Write several reports or open answers side by side, each for its own volume.

        Yields each request's ticket with its event; the last of each is Done, Stopped or
        Failed, and one that cannot be answered does not hold up the others. Each text is the
        one that :meth:`stream` writes.
        """
        runs: dict[int, Run] = {}
        asks: dict[int, Ask] = {}
        for request in requests:
            run = Run(request, cancelled)
            for event in self._guarded(run, self._asked(run, asks)):
                yield request.ticket, event
            if request.ticket in asks:
                runs[request.ticket] = run
        if runs:
            yield from self._written(runs, asks)

    @torch.inference_mode()
    def _asked(self, run: Run, asks: dict[int, Ask]) -> Iterator[api.Event]:
        """Encode a request's volume and note what is asked of the decoder."""
        model, request = self._loaded(), run.request
        closed = request.choices or request.task not in (api.Task.REPORT, api.Task.QUESTION)
        if closed or request.volume is None:
            raise UnanswerableError("Only reports and open questions are written side by side.")
        check_words(request)
        encoded = yield from self._encodings.prepared(
            model, request.volume, request.window, run.check
        )
        run.input, run.prompt = encoded.input, prompt_of(model, request)
        prefix = yield from self._encodings.prefix(model, encoded, run.check)
        sampling = Sampling(request.temperature, request.top_p, request.seed)
        asks[request.ticket] = Ask(prefix, prompt_ids(model, run), sampling, request.max_tokens)

    @torch.inference_mode()
    def _written(
        self, runs: dict[int, Run], asks: dict[int, Ask]
    ) -> Iterator[tuple[int, api.Event]]:
        """Write all asks together and end each run."""
        model, first = self._loaded(), next(iter(runs.values()))
        rows: list[Row] = []
        for ticket in runs:
            yield ticket, api.Progress(api.Stage.WRITE)
        for event in self._guarded(first, _write_rows(model, asks.values(), first, rows)):
            for ticket in runs:
                yield ticket, event
        for (ticket, run), row in zip(runs.items(), rows, strict=False):
            yield from ((ticket, event) for event in self._guarded(run, self._ended(run, row)))

    def _ended(self, run: Run, row: Row) -> Iterator[api.Event]:
        text = told(self._loaded(), run, row)
        yield api.Done(self._receipt(run), text)

    def _loaded(self) -> LoadedModel:
        if self._model is None:
            raise UnanswerableError("The model has been unloaded.")
        return self._model

    def _receipt(self, run: Run) -> api.Provenance:
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


def _write_rows(
    model: LoadedModel, asks: Iterable[Ask], run: Run, rows: list[Row]
) -> Iterator[api.Event]:
    """Fill ``rows``; a generator without events, so that a fault is told like any other."""
    rows += write_together(model.vlm, list(asks), run.check)
    yield from ()


def _text_embedding(model: LoadedModel, text: str) -> NDArray[np.float32]:
    """Embed a text as a unit vector; what is beyond the text tower's length is left out."""
    batch = torch.tensor([text_ids(model, text)], device=model.siglip.t_prime.device)
    return unit_vector(model.siglip.embed_text(batch, torch.ones_like(batch)))


def _normal_embedding(model: LoadedModel) -> NDArray[np.float32]:
    """Embed what a sentence's evidence is compared with."""
    mean: NDArray[np.float32] = np.mean([_text_embedding(model, one) for one in NORMAL], axis=0)
    return mean
