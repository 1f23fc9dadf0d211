"""How an answer comes about: the letter rule, sampling."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model_runtime import answering, api
from model_runtime.engine import LocalEngine
from model_runtime.prompt import lettered
from model_runtime.vlm import Vlm


@pytest.fixture(scope="module")
def engine(tiny_model: Path) -> Iterator[LocalEngine]:
    loaded = LocalEngine(tiny_model)
    yield loaded
    loaded.close()


def _events(engine: LocalEngine, request: api.Request) -> list[api.Event]:
    return list(engine.stream(request, threading.Event()))


def test_the_letter_rule_reads_what_is_written(
    engine: LocalEngine, chest: api.VolumeInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = api.Request(1, api.Task.QUESTION, chest, "Side?", ("left", "right"), letter_rule=True)
    choices = next(event for event in _events(engine, request) if isinstance(event, api.Choices))
    ids = engine._model.tokenizer.encode("B. right").ids
    assert lettered(choices.written, 2) == choices.letters
    assert choices.written

    def scripted(*_: object) -> Iterator[tuple[int, float]]:
        yield from ((token, -0.1) for token in ids[1:])

    monkeypatch.setattr(answering, "tokens", scripted)
    monkeypatch.setattr(answering, "advance", lambda vlm, *_: _certain(vlm, ids[0]))
    choices = next(event for event in _events(engine, request) if isinstance(event, api.Choices))
    assert (choices.written, choices.letters) == ("B. right", (1,))


def _certain(vlm: Vlm, token: int) -> torch.Tensor:
    logits = torch.zeros(1, 1, vlm.config.language.vocab_size)
    logits[0, 0, token] = 50
    return logits


def test_letters_are_found_with_their_full_stop_only() -> None:
    assert lettered("C. liver", 4) == (2,)
    assert lettered("A or B", 4) == ()
    assert lettered("A. or B.", 4) == (0, 1)
    assert lettered("E. spleen", 4) == ()


def test_a_narrow_nucleus_is_greedy(engine: LocalEngine, chest: api.VolumeInput) -> None:
    greedy = api.Request(1, api.Task.REPORT, chest, max_tokens=12)
    narrow = replace(greedy, temperature=1.0, top_p=1e-6, seed=5)
    wide = replace(narrow, top_p=1.0)
    assert _written(engine, narrow) == _written(engine, greedy)
    assert _written(engine, wide) != _written(engine, greedy)


def _written(engine: LocalEngine, request: api.Request) -> str:
    return "".join(event.text for event in _events(engine, request) if isinstance(event, api.Token))
