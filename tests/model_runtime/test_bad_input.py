"""Whatever is asked of the engine, it ends with an answer or a sentence."""

from __future__ import annotations

import resource
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from model_runtime import api
from model_runtime.engine import LocalEngine

SPACING = np.diag([1.0, 1.0, 2.0, 1.0])


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Iterator[LocalEngine]:
    loaded = LocalEngine(tiny_model)
    yield loaded
    loaded.close()


def _last(engine: LocalEngine, request: api.Request) -> api.Event:
    return list(engine.stream(request, threading.Event()))[-1]


def _scan(voxels: np.ndarray, key: str = "odd") -> api.VolumeInput:
    return api.VolumeInput(key, voxels, SPACING, "CT")


VOLUMES = {
    "no voxels": np.zeros((0, 8, 8), np.int16),
    "one voxel": np.zeros((1, 1, 1), np.int16),
    "one slice": np.zeros((1, 64, 64), np.int16),
    "air": np.full((20, 32, 32), -1000, np.int16),
    "constant water": np.zeros((20, 32, 32), np.int16),
    "constant bone": np.full((20, 32, 32), 1000, np.int16),
    "extremes": np.tile(np.array([-32768, 32767], np.int16), (20, 32, 16)),
    "a plane": np.zeros((32, 32), np.int16),
    "four axes": np.zeros((2, 20, 32, 32), np.int16),
    "not a number": np.full((20, 32, 32), np.nan, np.float32),
    "floating": np.zeros((20, 32, 32), np.float32),
    "bytes": np.zeros((20, 32, 32), np.uint8),
    "truth values": np.zeros((20, 32, 32), bool),
    "words": np.full((20, 32, 32), "x"),
}


@pytest.mark.parametrize("kind", VOLUMES)
@pytest.mark.parametrize("task", [api.Task.REPORT, api.Task.EMBED_VOLUME])
def test_odd_volumes_are_refused_with_a_sentence(
    engine: LocalEngine, kind: str, task: api.Task
) -> None:
    last = _last(engine, api.Request(1, task, _scan(VOLUMES[kind], kind), max_tokens=4))
    assert isinstance(last, api.Failed), last
    assert "fault of its own" not in last.message, last
    assert last.message.endswith(".")


@pytest.mark.parametrize(
    "matrix", [np.eye(3), np.zeros((4, 4)), np.full((4, 4), np.nan), np.full((4, 4), np.inf)]
)
def test_a_volume_that_lies_nowhere_is_refused(
    engine: LocalEngine, chest: api.VolumeInput, matrix: np.ndarray
) -> None:
    lost = replace(chest, key="lost", index_to_lps=matrix)
    last = _last(engine, api.Request(1, api.Task.REPORT, lost, max_tokens=4))
    assert isinstance(last, api.Failed)
    assert "fault of its own" not in last.message, last


@pytest.mark.parametrize("shape", [(8, 40, 40), (9, 200, 31), (131, 40, 90), (300, 24, 24)])
def test_any_size_is_answered(engine: LocalEngine, shape: tuple[int, int, int]) -> None:
    voxels = np.full(shape, -1000, np.int16)
    _, y, x = shape
    voxels[:, y // 4 : -(y // 4), x // 4 : -(x // 4)] = 40
    last = _last(engine, api.Request(1, api.Task.REPORT, _scan(voxels, str(shape)), max_tokens=4))
    assert isinstance(last, api.Done), last


WORDS = [
    "<im_patch>" * 40 + " what is this?",
    "<eos><pad><cls> left?",
    "Где находится опухоль? 腫瘤在哪裡？ أين الورم؟ 🫁",
    "null \x00 byte, \ud83d half a letter".encode("utf-8", "replace").decode(),
    "a" * 200,
    "?",
]


@pytest.mark.parametrize("words", WORDS)
def test_odd_words_are_text(engine: LocalEngine, chest: api.VolumeInput, words: str) -> None:
    last = _last(engine, api.Request(1, api.Task.QUESTION, chest, words, max_tokens=4))
    # The noise of this model may end its answer with its first token: that is told, too.
    nothing = "The model wrote nothing for this scan."
    assert isinstance(last, api.Done) or last.message == nothing, last
    special = {engine._model.tokenizer.token_to_id(f"<{name}>") for name in ("im_patch", "eos")}
    assert not special & set(engine._model.tokenizer.encode(words).ids)


def test_ten_thousand_letters_take_no_memory(engine: LocalEngine, chest: api.VolumeInput) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    last = _last(engine, api.Request(1, api.Task.QUESTION, chest, "w o " * 2500))
    assert isinstance(last, api.Failed)
    assert "too long" in last.message
    found = _last(engine, api.Request(1, api.Task.EMBED_TEXT, text="w o " * 2500))
    assert isinstance(found, api.Done)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_a_limit_beyond_the_model_is_told(engine: LocalEngine, chest: api.VolumeInput) -> None:
    last = _last(engine, api.Request(1, api.Task.QUESTION, chest, "Side?", max_tokens=10**6))
    assert isinstance(last, api.Failed)
    assert "too long" in last.message
    last = _last(engine, api.Request(1, api.Task.QUESTION, chest, "Side?", max_tokens=0))
    assert isinstance(last, api.Failed)


@pytest.mark.parametrize("change", [{"temperature": float("nan")}, {"top_p": -1.0}, {"top_p": 0.0}])
def test_odd_sampling_is_refused(
    engine: LocalEngine, chest: api.VolumeInput, change: dict[str, float]
) -> None:
    request = api.Request(1, api.Task.REPORT, chest, **{"temperature": 1.0, **change}, max_tokens=4)
    last = _last(engine, request)
    assert isinstance(last, api.Failed)
    assert "fault of its own" not in last.message, last
