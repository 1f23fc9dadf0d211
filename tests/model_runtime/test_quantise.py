"""The language model in fewer bits: what changes, what stays, and that it still writes the same."""

from __future__ import annotations

import copy
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from model_runtime import api
from model_runtime.config import demo_config
from model_runtime.decode import (
    NotANumberError,
    Sampling,
    advance,
    prefix_cache,
    tokens,
)
from model_runtime.engine import LocalEngine
from model_runtime.errors import WeightsError
from model_runtime.evaluation.answers import model_input
from model_runtime.packed import PackedLinear
from model_runtime.phantom.case import sample_case
from model_runtime.placement import Placement, Precision
from model_runtime.quantise import MATRICES, predicted_bytes, quantise, weight_bytes
from model_runtime.vlm import Vlm
from model_runtime.weights import LoadedModel, load_folder

NARROW = [Precision.BFLOAT16, Precision.INT8, Precision.INT4]
PACKED = [Precision.INT8, Precision.INT4]
CASES = range(200_000, 200_004)


@pytest.fixture(scope="module")
def demo(repository: Path) -> LoadedModel:
    return load_folder(repository / "resources" / "models" / "demo")


@pytest.fixture(scope="module")
def images(demo: LoadedModel) -> list[torch.Tensor]:
    """Image tokens of a few synthetic scans."""
    with torch.inference_mode():
        return [
            demo.vlm.image_tokens(model_input(sample_case(seed), demo)[None]) for seed in CASES
        ]


@pytest.fixture
def small() -> Vlm:
    """Two random layers whose widths no kernel likes: 72 and 84 columns, 36 rows."""
    torch.manual_seed(0)
    config = demo_config(50).vlm
    language = replace(
        config.language, hidden_size=72, intermediate_size=84, layers=2, heads=4, kv_heads=2
    )
    return Vlm(replace(config, language=language)).eval().requires_grad_(False)


def stored(demo: LoadedModel, precision: Precision) -> Vlm:
    vlm = copy.deepcopy(demo.vlm)
    quantise(vlm, precision)
    return vlm


def prompt(demo: LoadedModel, vlm: Vlm) -> torch.Tensor:
    text = demo.config.vlm.prompt.report
    return vlm.embed(torch.tensor([demo.tokenizer.encode(text, add_special_tokens=False).ids]))


def written(demo: LoadedModel, vlm: Vlm, image: torch.Tensor, limit: int = 200) -> list[int]:
    with torch.inference_mode():
        cache = prefix_cache(vlm, image)
        return [token for token, _ in tokens(vlm, cache, prompt(demo, vlm), Sampling(), limit)]


def same_choices(demo: LoadedModel, vlm: Vlm, image: torch.Tensor, ids: list[int]) -> float:
    """Share of places where the likeliest next token is that of ``ids``."""
    with torch.inference_mode():
        ahead = vlm.embed(torch.tensor([ids[:-1]]))
        line = torch.cat((prompt(demo, vlm), ahead), dim=1)
        logits = advance(vlm, prefix_cache(vlm, image), line)[0, -len(ids) :]
    return float((logits.argmax(1) == torch.tensor(ids)).float().mean())


@pytest.mark.parametrize("precision", PACKED)
def test_only_the_layers_matrices_are_packed(demo: LoadedModel, precision: Precision) -> None:
    before = dict(demo.vlm.named_parameters())
    vlm = stored(demo, precision)
    packed = {name for name, module in vlm.named_modules() if isinstance(module, PackedLinear)}
    assert len(packed) == 7 * demo.config.vlm.language.layers
    assert all(name.rpartition(".")[2] in MATRICES for name in packed)
    after = dict(vlm.named_parameters())
    gone = {name.rpartition(".")[0] for name in before.keys() - after.keys()}
    assert gone == packed
    for name, weight in after.items():
        assert weight.dtype == before[name].dtype
        assert torch.equal(weight, before[name]), name
    assert torch.equal(vlm.model.rotary_emb.inv_freq, demo.vlm.model.rotary_emb.inv_freq)


def test_bfloat16_narrows_the_decoder_but_neither_head_nor_eyes(demo: LoadedModel) -> None:
    vlm = stored(demo, Precision.BFLOAT16)
    for name, weight in vlm.named_parameters():
        eyes = "vision_tower" in name or "mm_projector" in name or name == "lm_head.weight"
        assert weight.dtype == (torch.float32 if eyes else torch.bfloat16), name
    assert vlm.model.rotary_emb.inv_freq.dtype == torch.float32
    assert torch.equal(vlm.model.rotary_emb.inv_freq, demo.vlm.model.rotary_emb.inv_freq)


def test_what_the_projector_hands_over_fits_a_narrow_decoder(
    demo: LoadedModel, images: list[torch.Tensor]
) -> None:
    vlm = stored(demo, Precision.BFLOAT16)
    ids = torch.tensor([demo.tokenizer.encode("There is a mass.", add_special_tokens=False).ids])
    with torch.inference_mode():
        logits = vlm.logits(vlm.prompt_embeddings(images[0], ids))
        cache = prefix_cache(vlm, images[0])
    assert logits.dtype == torch.float32
    assert cache.layers[0].keys.dtype == torch.bfloat16
    whole = demo.vlm.logits(demo.vlm.prompt_embeddings(images[0], ids))
    assert functional.cosine_similarity(logits, whole, dim=-1).min() > 0.999


@pytest.mark.parametrize("precision", list(Precision))
def test_the_size_is_known_before_anything_is_loaded(
    demo: LoadedModel, small: Vlm, precision: Precision
) -> None:
    with torch.device("meta"):
        empty = Vlm(demo.config.vlm)
    before = predicted_bytes(empty, precision)
    assert before == weight_bytes(stored(demo, precision))
    odd = predicted_bytes(small, precision)
    quantise(small, precision)
    assert odd == weight_bytes(small)


def test_the_layers_shrink_as_their_bits_do(demo: LoadedModel) -> None:
    whole = weight_bytes(demo.vlm.model.layers)
    ratio = {p: weight_bytes(stored(demo, p).model.layers) / whole for p in NARROW}
    assert ratio[Precision.BFLOAT16] == 0.5
    assert ratio[Precision.INT8] < 0.26
    # Four bits and a scale with offset for each 64 weights: 4.5 of 32.
    assert ratio[Precision.INT4] < 0.145


@pytest.mark.parametrize(
    ("precision", "least"),
    [(Precision.BFLOAT16, 0.98), (Precision.INT8, 0.98), (Precision.INT4, 0.9)],
)
def test_the_demonstration_model_chooses_the_same_words(
    demo: LoadedModel, images: list[torch.Tensor], precision: Precision, least: float
) -> None:
    vlm = stored(demo, precision)
    shares = []
    for image in images:
        ids = written(demo, demo.vlm, image)
        assert len(ids) > 30
        shares.append(same_choices(demo, vlm, image, ids))
    assert np.mean(shares) >= least


@pytest.mark.parametrize("precision", NARROW)
def test_the_same_weights_write_the_same_twice(
    demo: LoadedModel, images: list[torch.Tensor], precision: Precision
) -> None:
    first, second = stored(demo, precision), stored(demo, precision)
    assert all(map(torch.equal, first.buffers(), second.buffers()))
    assert written(demo, first, images[0]) == written(demo, second, images[0])


@pytest.mark.parametrize("precision", NARROW)
def test_a_copied_prefix_continues_as_the_whole_would(
    demo: LoadedModel, images: list[torch.Tensor], precision: Precision
) -> None:
    vlm = stored(demo, precision)
    with torch.inference_mode():
        prefix = prefix_cache(vlm, images[0])
        kept = prefix.layers[0].keys.clone()
        once = advance(vlm, prefix.forked(), prompt(demo, vlm))
        again = advance(vlm, prefix.forked(), prompt(demo, vlm))
    assert torch.equal(once, again)
    assert torch.equal(prefix.layers[0].keys, kept)


@pytest.mark.parametrize("precision", NARROW)
def test_widths_that_no_kernel_divides(small: Vlm, precision: Precision) -> None:
    embeddings = torch.randn(1, 9, 72)
    whole = small.logits(embeddings)
    quantise(small, precision)
    narrow = small.logits(embeddings)
    assert functional.cosine_similarity(narrow, whole, dim=-1).min() > 0.97


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("precision", NARROW)
def test_broken_weights_are_told(small: Vlm, precision: Precision, bad: float) -> None:
    small.model.layers[1].mlp.down_proj.weight[3, 5] = bad
    quantise(small, precision)
    with pytest.raises(NotANumberError):
        advance(small, prefix_cache(small, torch.randn(1, 4, 72)), torch.randn(1, 2, 72))


def test_an_unknown_precision_is_refused(small: Vlm) -> None:
    with pytest.raises(ValueError, match="int3"):
        quantise(small, "int3")  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", PACKED)
def test_a_packed_model_is_not_packed_again(small: Vlm, precision: Precision) -> None:
    quantise(small, precision)
    with pytest.raises(ValueError, match="packed already"):
        quantise(small, Precision.INT4)


@pytest.mark.parametrize(
    ("precision", "kernel"),
    [
        (Precision.INT8, "_weight_int8pack_mm"),
        (Precision.INT4, "_weight_int4pack_mm_for_cpu"),
    ],
)
def test_a_torch_without_the_kernel_is_told_before_anything_changes(
    small: Vlm, monkeypatch: pytest.MonkeyPatch, precision: Precision, kernel: str
) -> None:
    before = copy.deepcopy(small.state_dict())
    monkeypatch.delattr(torch, kernel)
    with pytest.raises(WeightsError, match=rf"cannot multiply by {precision.value} weights on cpu"):
        quantise(small, precision)
    after = small.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("precision", PACKED)
def test_a_folder_is_loaded_packed_and_otherwise_whole(
    demo: LoadedModel, repository: Path, precision: Precision
) -> None:
    folder = repository / "resources" / "models" / "demo"
    loaded = load_folder(folder, Placement("cpu", precision)).vlm
    wanted = stored(demo, precision)
    state, other = loaded.state_dict(), wanted.state_dict()
    assert state.keys() == other.keys()
    assert all(torch.equal(state[name], other[name]) for name in state)


@pytest.mark.parametrize("precision", NARROW)
def test_the_engine_reports_answers_and_gives_evidence(
    repository: Path, chest: api.VolumeInput, precision: Precision
) -> None:
    folder = repository / "resources" / "models" / "demo"
    engine = LocalEngine(folder, Placement("cpu", precision))
    asked = [
        api.Request(1, api.Task.REPORT, volume=chest),
        api.Request(2, api.Task.QUESTION, chest, "Is there a mass?", choices=("yes", "no")),
        api.Request(3, api.Task.EVIDENCE, chest, target="There is a mass."),
    ]
    for request in asked:
        *_, last = engine.stream(request, threading.Event())
        assert isinstance(last, api.Done), last
    assert engine.counters.encoded == 1
