"""Embed prior cases with a model, in several processes that make their volumes.

Spawned processes cannot find functions of a ``__main__`` module, so these are here.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from model_runtime import api
from model_runtime.config import InputConfig
from model_runtime.engine import LocalEngine
from model_runtime.phantom.case import sample_case
from model_runtime.phantom.render import render
from model_runtime.retrieval.index import PRIOR_SHAPE, Vectors, save_embeddings
from model_runtime.training.volumes import model_volume
from model_runtime.weights import load_folder

_Volume = TypeVar("_Volume")
_AHEAD = 32


def prior_volume(seed: int) -> api.VolumeInput:
    """Render a synthetic prior case from its seed."""
    case = sample_case(seed)
    voxels, matrix = render(case, PRIOR_SHAPE)
    return api.VolumeInput(
        f"prior-{seed}", voxels, matrix, "CT", body_part=case.region.value.upper()
    )


def build(model: Path, out: Path, *, drawn: bool = False, processes: int = 1) -> int:
    """Embed the listed cases; returns their number."""
    records = json.loads((out / "cases.json").read_text(encoding="utf-8"))["cases"]
    seeds = [int(record["seed"]) for record in records]
    weights, embedded = (_drawn if drawn else _rendered)(model, seeds, processes)
    vectors = []
    for vector in embedded:
        vectors.append(vector)
        sys.stderr.write(f"\r{len(vectors)} of {len(records)}")
    save_embeddings(out, [r["id"] for r in records], np.stack(vectors), weights)
    return len(vectors)


def _rendered(folder: Path, seeds: Sequence[int], processes: int) -> tuple[str, Iterator[Vectors]]:
    """Embed scans of the cases with the engine, as it does with any scan."""
    engine = LocalEngine(folder)

    def embedded() -> Iterator[Vectors]:
        for volume in _made(prior_volume, seeds, processes):
            request = api.Request(0, api.Task.EMBED_VOLUME, volume)
            *_, last = engine.stream(request, threading.Event())
            if not isinstance(last, api.Done) or last.embedding is None:
                raise SystemExit(f"{volume.key} cannot be embedded: {last}")
            yield last.embedding

    return engine.info.weights_sha256, embedded()


def _made(
    make: Callable[[int], _Volume], seeds: Sequence[int], processes: int
) -> Iterator[_Volume]:
    """Make volumes in several processes, few of them ahead, so that they do not fill memory."""
    if processes == 1:
        yield from map(make, seeds)
        return
    # Threads of the numerical libraries do not survive a fork.
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for start in range(0, len(seeds), _AHEAD):
            yield from pool.map(make, seeds[start : start + _AHEAD])


def _drawn(folder: Path, seeds: Sequence[int], processes: int) -> tuple[str, Iterator[Vectors]]:
    """Embed the cases drawn on the model's grid by so many processes."""
    model = load_folder(folder)
    draw = partial(_model_volume, settings=model.config.input)

    def embedded() -> Iterator[Vectors]:
        with torch.inference_mode():
            for grey in _made(draw, seeds, processes):
                volume = torch.from_numpy(grey)[None, None].float() / 255
                yield model.siglip.embed_volume(volume)[0].float().numpy()

    return model.sha256, embedded()


def _model_volume(seed: int, settings: InputConfig) -> NDArray[np.uint8]:
    return model_volume(sample_case(seed), settings)
