"""A finished model learns on: its projector alone, or with adapters; the rest stays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from torch import Tensor

from model_runtime.config import InputConfig, ModelConfig, SiglipConfig, VlmConfig
from model_runtime.siglip import Siglip
from model_runtime.training.adapted import PROJECTOR_ALONE, AdaptedStage
from model_runtime.training.loop import Recipe, train
from model_runtime.training.lora import LoraSettings, merge, save_adapter
from model_runtime.training.m3d_augment import M3dAugmentation
from model_runtime.training.volumes import VolumeStore, render_shards
from model_runtime.vlm import Vlm
from model_runtime.weights import load_folder, save_folder


@pytest.fixture(scope="module")
def base(
    siglip_config: SiglipConfig,
    vlm_config: VlmConfig,
    words: Tokenizer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    torch.manual_seed(0)
    grid = InputConfig(shape=(32, 32, 32))
    config = ModelConfig("base", True, grid, siglip_config, vlm_config)
    folder = tmp_path_factory.mktemp("models") / "base"
    save_folder(folder, config, words, Siglip(siglip_config), Vlm(vlm_config), "a card")
    return folder


def _recipe(steps: int, **options: bool) -> Recipe:
    return Recipe(steps, batch=4, learning_rate=1e-2, warmup=2, checkpoint_every=4, **options)


def _changed(base: Path, stage: AdaptedStage) -> set[str]:
    """Top names of the model's tensors that are no longer the base's."""
    before = load_folder(base).vlm.state_dict()
    after = {
        name.replace(".base_layer", ""): tensor
        for name, tensor in stage.module.vlm.state_dict().items()
        if ".lora_" not in name
    }
    assert before.keys() == after.keys()
    return {
        ".".join(name.split(".")[:2])
        for name in before
        if not torch.equal(before[name], after[name])
    }


def test_the_projector_learns_alone(base: Path, store: VolumeStore, run: Path) -> None:
    stage = AdaptedStage(load_folder(base), PROJECTOR_ALONE, store, reports_only=True)
    losses = train(stage, _recipe(60), run)
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    assert _changed(base, stage) == {"model.mm_projector"}
    state = torch.load(run / "checkpoint.pt", weights_only=True)["module"]
    assert state
    assert all(name.startswith("vlm.model.mm_projector.") for name in state)


@pytest.mark.parametrize("encoder", [False, True], ids=["frozen encoder", "encoder too"])
def test_adapters_learn_and_merge_into_a_model_that_says_the_same(
    base: Path, store: VolumeStore, run: Path, encoder: bool
) -> None:
    settings = LoraSettings(rank=4, alpha=8, encoder=encoder, head=True)
    model = load_folder(base)
    stage = AdaptedStage(model, settings, store, augmentation=M3dAugmentation(keep_sides=True))
    losses = train(stage, _recipe(16), run)
    assert np.mean(losses[-4:]) < 0.8 * losses[0]
    learnt = {"model.mm_projector", "lm_head.weight"}
    if encoder:
        learnt.add("model.vision_tower")
    assert _changed(base, stage) == learnt
    save_adapter(run / "adapter", model.vlm, settings, "base", model.sha256)
    merge(base, run / "adapter", run / "merged")
    merged = load_folder(run / "merged").vlm
    volume = torch.rand(2, 1, 32, 32, 32)
    stage.module.eval()
    ids = torch.tensor([[5, 6, 7]] * 2)
    with torch.no_grad():
        ours = stage.module.vlm.prompt_embeddings(stage.module.image_tokens(volume), ids)
        theirs = merged.prompt_embeddings(merged.image_tokens(volume), ids)
        said = stage.module.vlm.logits(ours), merged.logits(theirs)
    torch.testing.assert_close(said[1], said[0], rtol=1e-5, atol=1e-5)


class _Killed:
    """A trainee whose process is killed at one step."""

    def __init__(self, trainee: AdaptedStage, at: int) -> None:
        self._trainee, self._left = trainee, at
        self.module = trainee.module

    def loss(self, random: np.random.Generator, recipe: Recipe) -> Mapping[str, Tensor]:
        if self._left == 0:
            raise KeyboardInterrupt
        self._left -= 1
        return self._trainee.loss(random, recipe)


def _seeded(base: Path, settings: LoraSettings, store: VolumeStore) -> AdaptedStage:
    torch.manual_seed(0)
    return AdaptedStage(load_folder(base), settings, store)


def test_adapters_resume_to_the_same_losses(base: Path, store: VolumeStore, run: Path) -> None:
    settings = LoraSettings(rank=2, alpha=4, dropout=0.2)
    whole = train(_seeded(base, settings, store), _recipe(8), run / "whole")
    broken = _Killed(_seeded(base, settings, store), at=5)
    with pytest.raises(KeyboardInterrupt):
        train(broken, _recipe(8), run / "cut")
    # The new process draws other adapters to begin with; the checkpoint's take their place.
    again = train(AdaptedStage(load_folder(base), settings, store), _recipe(8), run / "cut")
    assert again == pytest.approx(whole[4:], rel=1e-5)


def test_recomputing_runs_layers_again_and_changes_no_loss(
    base: Path, store: VolumeStore, run: Path
) -> None:
    settings = LoraSettings(rank=2, alpha=4, dropout=0.2)
    losses, runs = [], [0, 0]
    for recompute in (False, True):
        stage = _seeded(base, settings, store)

        def count(*_: object, place: int = int(recompute)) -> None:
            runs[place] += 1

        stage.module.vlm.model.layers[0].mlp.register_forward_pre_hook(count)
        losses.append(train(stage, _recipe(4, recompute=recompute), run / str(recompute)))
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    assert runs == [8, 16]


def test_half_precision_learns_beside_a_frozen_encoder(
    base: Path, store: VolumeStore, run: Path
) -> None:
    losses = []
    for bf16 in (False, True):
        stage = _seeded(base, LoraSettings(rank=4, alpha=8, head=True), store)
        losses.append(train(stage, _recipe(8, bf16=bf16), run / str(bf16)))
    assert losses[1] == pytest.approx(losses[0], rel=0.03)
    assert losses[1] != losses[0]


def test_volumes_on_another_grid_are_refused(base: Path, tmp_path: Path) -> None:
    render_shards(tmp_path, 0, 1, InputConfig(shape=(16, 16, 16)), processes=1)
    with pytest.raises(ValueError, match=r"\(16, 16, 16\), base takes \(32, 32, 32\)"):
        AdaptedStage(load_folder(base), PROJECTOR_ALONE, VolumeStore.open(tmp_path))


def test_nothing_to_train_is_refused(base: Path, store: VolumeStore) -> None:
    with pytest.raises(ValueError, match="neither"):
        AdaptedStage(load_folder(base), LoraSettings(rank=0, projector=False), store)
