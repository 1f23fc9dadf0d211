"""Texts packed behind one image against the same texts one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from model_runtime.config import VlmConfig
from model_runtime.phantom.case import sample_case
from model_runtime.training.instruct import said_and_asked
from model_runtime.training.packing import Packed
from model_runtime.training.texts import Example, collate
from model_runtime.vlm import Vlm


def _texts(config: VlmConfig, seeds: range) -> list[list[Example]]:
    random = np.random.default_rng(0)
    return [said_and_asked(sample_case(seed), config.prompt, random) for seed in seeds]


@pytest.fixture
def vlm(vlm_config: VlmConfig) -> Vlm:
    torch.manual_seed(0)
    return Vlm(vlm_config).eval()


def test_packed_texts_learn_what_they_learn_alone(vlm: Vlm, words: Tokenizer) -> None:
    config, texts = vlm.config, _texts(vlm.config, range(3))
    image = torch.randn(3, 5, config.language.hidden_size)
    packed = Packed.of(words, config.prompt, texts).losses(vlm, image)
    summed: dict[str, list[tuple[float, int]]] = {"report": [], "answer": []}
    for place, mine in enumerate(texts):
        for number, example in enumerate(mine):
            rows = collate(words, [example], config.prompt.eos_token, config.prompt.pad_token)
            loss = float(vlm.loss(image[place : place + 1], *rows).detach())
            learnt = int((rows[1] >= 0).sum())
            summed["answer" if number else "report"].append((loss * learnt, learnt))
    for name, pairs in summed.items():
        alone = sum(loss for loss, _ in pairs) / sum(count for _, count in pairs)
        assert float(packed[name].detach()) == pytest.approx(alone, rel=1e-5)


def test_a_text_does_not_see_another(vlm: Vlm, words: Tokenizer) -> None:
    prompt = vlm.config.prompt
    mine = _texts(vlm.config, range(1))[0]
    other = [mine[0], Example("Is there ascites?", "no"), *mine[2:]]
    image = torch.randn(1, 5, vlm.config.language.hidden_size)
    losses = [
        Packed.of(words, prompt, [texts]).losses(vlm, image)["report"] for texts in (mine, other)
    ]
    assert torch.allclose(*losses, rtol=1e-5)


def test_reports_alone_have_no_answer_loss(vlm: Vlm, words: Tokenizer) -> None:
    texts = [mine[:1] for mine in _texts(vlm.config, range(2))]
    image = torch.randn(2, 5, vlm.config.language.hidden_size)
    losses = Packed.of(words, vlm.config.prompt, texts).losses(vlm, image)
    assert set(losses) == {"loss", "report"}
