"""The words of evidence: cut as they were written, odd ones defined, wrong ones refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model_runtime import api
from model_runtime.engine import LocalEngine
from model_runtime.evidence import mean_log_likelihood, without_image
from model_runtime.evidence_words import MOST_CHARACTERS, Words, told_tokens, words_of
from model_runtime.placement import Placement, Precision

EFFUSION = "There is a small left pleural effusion."
NORMAL = "No pneumothorax."
HEAD = "Technique: Synthetic CT of the chest, portal venous.\nFindings:"


@pytest.fixture
def engine(repository: Path) -> Iterator[LocalEngine]:
    """The bundled demonstration model."""
    loaded = LocalEngine(repository / "resources" / "models" / "demo")
    yield loaded
    loaded.close()


def _ask(engine: LocalEngine, volume: api.VolumeInput | None, **more: object) -> list[api.Event]:
    request = api.Request(1, api.Task.EVIDENCE, volume, **{"context": HEAD, **more})
    return list(engine.stream(request, threading.Event()))


def _words(engine: LocalEngine, context: str, target: str) -> Words:
    return Words(engine._model.config.vlm.prompt.report, context, target, target)


@pytest.mark.parametrize("space", ["", " ", "\n"])
@pytest.mark.parametrize("around", ["", " ", "\n "])
def test_a_sentence_is_cut_as_in_its_draft(engine: LocalEngine, space: str, around: str) -> None:
    tokenizer = engine._model.tokenizer
    context = HEAD + space
    ids, count = told_tokens(engine._model, _words(engine, context, around + EFFUSION + around))
    joint = context + ("" if space else " ") + EFFUSION
    prompt = tokenizer.encode("Describe the findings of this scan.").ids
    assert ids == prompt + tokenizer.encode(joint).ids
    assert tokenizer.decode(ids[-count:]).strip() == EFFUSION
    assert EFFUSION not in tokenizer.decode(ids[-count + 1 :])


def test_the_published_layout_loses_the_prompts_first_token(engine: LocalEngine) -> None:
    model, words = engine._model, _words(engine, "", EFFUSION)
    plain, count = told_tokens(model, words)
    prompt = replace(model.config.vlm.prompt, drops_first_text_token=True, before_answer=" ")
    config = replace(model.config, vlm=replace(model.config.vlm, prompt=prompt))
    ids, told = told_tokens(replace(model, config=config), words)
    assert model.tokenizer.decode(ids) == model.tokenizer.decode(plain[1:-count]) + " " + EFFUSION
    assert model.tokenizer.decode(ids[-told:]).strip() == EFFUSION


def test_the_published_layout_is_explained_as_it_is_computed(engine: LocalEngine) -> None:
    """Behind ``<im_patch>`` and the image, without the first text token, as the whole network."""
    model = engine._model
    layout = replace(
        model.config.vlm, prompt=replace(model.config.vlm.prompt, drops_first_text_token=True)
    )
    model.vlm.config = layout
    model = replace(model, config=replace(model.config, vlm=layout))
    words = _words(engine, HEAD, EFFUSION)
    ids, count = told_tokens(model, words)
    whole = model.tokenizer.encode(words.prompt).ids[:1] + ids
    torch.manual_seed(0)
    low, high = model.config.siglip.encoder.channels[3:]
    states = torch.randn(1, 18, low), torch.randn(1, 4, high)
    with torch.inference_mode():
        image = model.vlm.project(*states)
        value = mean_log_likelihood(model.vlm, image, (ids, count))
        tokens = model.vlm.projector(*states)
        laid = model.vlm.prompt_embeddings(tokens, torch.tensor([whole]))
        rows = model.vlm.logits(laid)[0, -count - 1 : -1].log_softmax(dim=-1)
    wanted = rows[torch.arange(count), torch.tensor(ids[-count:])].mean()
    assert float(value) == pytest.approx(float(wanted), abs=1e-5)
    blind = without_image(model.vlm, image)
    assert torch.equal(blind[:, 0], image[:, 0])
    assert blind.shape == image.shape
    assert not blind[:, 1:].any()


@pytest.mark.parametrize("contrastive", [True, False])
@pytest.mark.parametrize(
    ("precision", "least"),
    [(Precision.BFLOAT16, 0.99), (Precision.INT8, 0.95), (Precision.INT4, 0.75)],
)
def test_a_smaller_decoder_tells_nearly_the_same(
    repository: Path,
    chest: api.VolumeInput,
    precision: Precision,
    least: float,
    contrastive: bool,
) -> None:
    told, false = [], []
    for used in (Precision.FLOAT32, precision):
        loaded = LocalEngine(repository / "resources" / "models" / "demo", Placement("cpu", used))
        if not contrastive:
            loaded._model = replace(loaded._model, contrastive=None)
        *_, evidence, _ = _ask(loaded, chest, target="There is a mass in the left upper lobe.")
        told.append(evidence)
        # Four bits move what nobody would say further, here by 0.6, though not to another outcome.
        *_, evidence, _ = _ask(loaded, chest, target="There is a mass in the right lower lobe.")
        false.append(evidence)
        loaded.close()
    whole, packed = told
    assert whole.grounded
    assert packed.grounding == pytest.approx(whole.grounding, abs=0.3)
    assert not any(evidence.grounded for evidence in false)
    likeness = np.corrcoef(whole.maps[0].values.ravel(), packed.maps[0].values.ravel())
    assert likeness[0, 1] > least


def test_an_answer_is_explained_behind_its_question(
    engine: LocalEngine, chest: api.VolumeInput
) -> None:
    choices = ("right lower lobe", "left lower lobe")
    request = api.Request(
        1, api.Task.EVIDENCE, chest, "Where is the mass?", choices, target="left lower lobe"
    )
    words = words_of(engine._model, request)
    assert words.prompt == "Where is the mass? Choices: A. right lower lobe B. left lower lobe"
    assert words.target == "B. left lower lobe"
    assert words.claim == "Where is the mass? left lower lobe"
    *_, evidence, done = engine.stream(request, threading.Event())
    assert isinstance(evidence, api.Evidence)
    assert done.provenance.prompt == words.prompt
    assert done.provenance.task is api.Task.EVIDENCE
    opposite = replace(request, target="right lower lobe")
    *_, other, _ = engine.stream(opposite, threading.Event())
    assert other.grounding != evidence.grounding


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"target": ""}, "Mark the sentence"),
        ({"target": " \n"}, "Mark the sentence"),
        ({"target": "effusion " * 1200}, "too long"),
        ({"target": "e" * (MOST_CHARACTERS + 1)}, "too long"),
        ({"target": NORMAL, "context": "There is a mass. " * 600}, "too long"),
        ({"target": NORMAL, "context": "x" * 1_000_000}, "too long"),
        ({"target": "yes", "text": "Why? " * 2000}, "too long"),
    ],
)
def test_words_that_cannot_be_explained(
    engine: LocalEngine, chest: api.VolumeInput, more: dict, said: str
) -> None:
    (*_, failed) = _ask(engine, chest, **more)
    assert isinstance(failed, api.Failed)
    assert said in failed.message
    assert engine.counters.prepared == 0


@pytest.mark.parametrize("target", ["<im_patch><eos> <pad>", "胸腔积液", "🫁", ".", "x" * 900])
def test_odd_words_have_defined_results(
    engine: LocalEngine, chest: api.VolumeInput, target: str
) -> None:
    *_, evidence, _ = _ask(engine, chest, target=target)
    assert np.isfinite(evidence.grounding)
    assert all(np.isfinite(drawn.values).all() for drawn in evidence.maps)
    ids, count = told_tokens(engine._model, _words(engine, HEAD, target))
    assert not {0, 1, 2} & set(ids[-count:])


def test_nothing_is_explained_without_a_scan(engine: LocalEngine) -> None:
    (failed,) = _ask(engine, None, target=EFFUSION)
    assert "Open one first" in failed.message


@pytest.mark.parametrize("part", ["decoder", "contrastive", "gradient"])
def test_broken_numbers_are_told(
    engine: LocalEngine, chest: api.VolumeInput, part: str
) -> None:
    _ask(engine, chest, target=EFFUSION)
    model = engine._model
    if part == "decoder":
        model.vlm.lm_head.weight[0, 0] = float("nan")
    elif part == "contrastive":
        model.siglip.mm_vision_proj.bias[0] = float("nan")
    else:
        engine._model = replace(model, contrastive=None)
        low, _ = next(iter(engine._encodings._kept.values())).states
        with torch.inference_mode():
            low[0, 0, 0] = float("inf")
    failed = _ask(engine, chest, target=EFFUSION)[-1]
    assert isinstance(failed, api.Failed)
    assert "not numbers" in failed.message


def test_nothing_leaks_into_the_callers_thread(
    engine: LocalEngine, chest: api.VolumeInput
) -> None:
    request = api.Request(1, api.Task.EVIDENCE, chest, target=NORMAL)
    for _event in engine.stream(request, threading.Event()):
        assert not torch.is_inference_mode_enabled()
        assert torch.is_grad_enabled()
