"""The published checkpoints are loaded as they are and compute what they compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model_runtime.decode import Sampling, prefix_cache, tokens
from model_runtime.placement import Placement, Precision
from model_runtime.siglip import Siglip
from model_runtime.vlm import Vlm
from model_runtime.weights import LoadedModel, WeightsError, load_folder, text_ids


@pytest.fixture(scope="module")
def loaded(published_vlm: Path, published_siglip: Path) -> LoadedModel:
    return load_folder(published_vlm, contrastive=published_siglip)


def _volume(seed: int, shape: list[int]) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(seed).rand(*shape).astype(np.float32))


def test_every_weight_is_that_of_the_file(
    loaded: LoadedModel, reference_vlm: Vlm, reference_siglip: Siglip
) -> None:
    for found, wanted in ((loaded.vlm, reference_vlm), (loaded.siglip, reference_siglip)):
        theirs = wanted.state_dict()
        assert found.state_dict().keys() == theirs.keys()
        for name, tensor in found.state_dict().items():
            assert torch.equal(tensor, theirs[name]), name
        assert not any(tensor.is_meta for tensor in found.buffers())


def test_the_configuration_is_read_as_it_stands(loaded: LoadedModel) -> None:
    config = loaded.config
    assert config.name == "Med3DVLM-tiny"
    assert not config.demonstration
    assert config.input.shape == (128, 256, 256)
    assert config.vlm.language.hidden_size == 64
    assert config.vlm.language.rope_theta == 1_000_000
    prompt = config.vlm.prompt
    assert (prompt.patch_token, prompt.eos_token, prompt.pad_token) == (299, 297, 296)
    assert prompt.drops_first_text_token
    assert prompt.before_question == " "
    assert loaded.card == "The published card."


def test_greedy_tokens_are_those_of_the_published_code(
    loaded: LoadedModel, golden_vlm: dict[str, Any]
) -> None:
    volume = _volume(golden_vlm["volume_seed"], golden_vlm["volume_shape"])
    with torch.inference_mode():
        image = loaded.vlm.image_tokens(volume)
        prompt = loaded.vlm.prompt_embeddings(image, torch.tensor([golden_vlm["text_ids"]]))
        cache = prefix_cache(loaded.vlm, prompt[:, :-1])
        drawn = tokens(loaded.vlm, cache, prompt[:, -1:], Sampling(), len(golden_vlm["greedy"]))
        assert [token for token, _ in drawn] == golden_vlm["greedy"]


def test_similarities_are_those_of_the_published_code(
    loaded: LoadedModel, golden_siglip: dict[str, Any]
) -> None:
    given = golden_siglip["input"]
    with torch.inference_mode():
        image = loaded.siglip.embed_volume(_volume(given["volume_seed"], given["volume_shape"]))
        words = loaded.siglip.embed_text(torch.tensor(given["ids"]), torch.tensor(given["mask"]))
    wanted = torch.tensor(golden_siglip["similarity"])
    assert torch.allclose(image @ words.T, wanted, atol=1e-3)


def test_the_two_encoders_are_different_weights(loaded: LoadedModel) -> None:
    """Retrieval with the other's encoder would find nothing and say nothing of it."""
    volume = _volume(3, [1, 1, 32, 64, 64])
    with torch.inference_mode():
        writes = loaded.vlm.encoder(volume)[-1]
        finds = loaded.siglip.vision_encoder(volume)[-1]
    assert writes.shape == finds.shape
    assert not torch.allclose(writes, finds, atol=0.1)
    own = loaded.vlm.encoder.state_dict()
    other = loaded.siglip.vision_encoder.state_dict()
    assert own.keys() == other.keys()
    weights = [name for name in own if own[name].is_floating_point()]
    assert not any(torch.equal(own[name], other[name]) for name in weights)


def test_without_its_contrastive_model_nothing_can_be_searched(published_vlm: Path) -> None:
    model = load_folder(published_vlm)
    assert model.contrastive is None
    with pytest.raises(WeightsError, match="without its contrastive model"):
        text_ids(model, "nodule")


def test_bfloat16_narrows_the_decoder_and_leaves_head_and_encoders_whole(
    published_vlm: Path, published_siglip: Path, loaded: LoadedModel
) -> None:
    placement = Placement("cpu", Precision.BFLOAT16)
    model = load_folder(published_vlm, placement, published_siglip)
    assert model.placement == placement
    eyes = ("model.vision_tower.", "model.mm_projector.", "lm_head.")
    narrow = [p for n, p in model.vlm.named_parameters() if not n.startswith(eyes)]
    assert {parameter.dtype for parameter in narrow} == {torch.bfloat16}
    whole = [*model.vlm.encoder.state_dict().values(), *model.siglip.parameters()]
    assert {t.dtype for t in whole if t.is_floating_point()} == {torch.float32}
    assert torch.equal(model.vlm.lm_head.weight, loaded.vlm.lm_head.weight)
    assert next(model.vlm.projector.parameters()).dtype == torch.float32


@pytest.mark.parametrize(("precision", "bytes_each"), [(Precision.INT8, 1), (Precision.INT4, 0.5)])
def test_layers_are_packed_from_the_mapped_file(
    published_vlm: Path, loaded: LoadedModel, precision: Precision, bytes_each: float
) -> None:
    model = load_folder(published_vlm, Placement("cpu", precision))
    matrix = model.vlm.model.layers[0].mlp.gate_proj
    whole = loaded.vlm.model.layers[0].mlp.gate_proj.weight
    assert matrix.weight.nbytes <= whole.numel() * bytes_each
    ids = torch.tensor([[3, 4, 5, 6]])
    with torch.inference_mode():
        found = model.vlm.logits(model.vlm.embed(ids))[0, -1]
        wanted = loaded.vlm.logits(loaded.vlm.embed(ids))[0, -1]
    assert torch.isfinite(found).all()
    assert torch.cosine_similarity(found.float(), wanted, dim=0) > 0.9
    assert torch.equal(model.vlm.lm_head.weight, loaded.vlm.lm_head.weight)


def test_the_model_is_known_by_both_checkpoints(
    loaded: LoadedModel, published_vlm: Path
) -> None:
    alone = load_folder(published_vlm)
    assert len(alone.sha256) == len(loaded.sha256) == 64
    assert alone.sha256 != loaded.sha256
    assert alone.sha256 == load_folder(published_vlm).sha256


def test_a_contrastive_model_alone_writes_nothing(
    published_vlm: Path, published_siglip: Path
) -> None:
    with pytest.raises(WeightsError, match="writes nothing"):
        load_folder(published_siglip)
    with pytest.raises(WeightsError, match="not a contrastive model"):
        load_folder(published_vlm, contrastive=published_vlm)
