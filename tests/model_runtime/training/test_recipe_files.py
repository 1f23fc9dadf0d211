"""Recipes are read exactly; whatever is wrong in one is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model_runtime.training.augment import augment
from model_runtime.training.contrastive import Objective
from model_runtime.training.loop import Recipe
from model_runtime.training.lora import LoraSettings
from model_runtime.training.m3d_augment import M3dAugmentation
from model_runtime.training.recipe_files import RecipeError, StageRecipe, read_recipe


def _rate(recipe: Recipe, step: int) -> float:
    """Learning rate of a run that goes on at a step."""
    optimizer = torch.optim.AdamW([torch.zeros(1)])
    recipe.schedule(optimizer, step)
    return float(optimizer.param_groups[0]["lr"])


def test_the_published_recipe_is_the_published_one() -> None:
    recipe = read_recipe("published")
    first = recipe.stage("contrastive").for_cases(115_000)
    assert (first.batch, first.learning_rate, first.weight_decay) == (64, 1e-4, 0.1)
    assert first.steps == 179_688
    assert first.warmup == 5391
    assert _rate(first, 0) == pytest.approx(1e-4 / 5391)
    assert [_rate(first, step) for step in (5390, 5391)] == pytest.approx([1e-4, 1e-4])
    assert _rate(first, (179_688 + 5391) // 2) == pytest.approx(0.5e-4, rel=1e-3)
    assert _rate(first, 179_687) < 1e-12
    last = recipe.stage("adapters")
    assert (last.batch, last.learning_rate, last.epochs, last.bf16) == (8, 5e-5, 5, True)
    whole = dict.fromkeys(("projector", "encoder", "embeddings", "head"), True)
    assert recipe.lora == LoraSettings(rank=16, alpha=32, dropout=0.05, **whole)
    assert recipe.augmentation.build() == M3dAugmentation()
    assert recipe.objective == Objective("sigmoid", labels=0, aligned_labels=0)
    with pytest.raises(RecipeError, match=r"published has no stage instruct, only contrastive"):
        recipe.stage("instruct")


@pytest.mark.parametrize("which", ["demo", "demo-gpu"])
def test_the_demonstration_recipes_have_all_stages_and_keep_sides(which: str) -> None:
    recipe = read_recipe(which)
    for name in ("contrastive", "align", "instruct"):
        stage = recipe.stage(name)
        assert stage.for_cases(4000) == stage.for_cases(8000)
    assert recipe.augmentation.build() is augment
    assert recipe.objective == Objective(labels=200, reports=0)


def test_flags_take_the_place_of_what_they_name() -> None:
    stage = StageRecipe(epochs=2, batch=8).changed(steps=7, batch=None, learning_rate=0.5)
    assert stage == StageRecipe(steps=7, batch=8, learning_rate=0.5)
    assert StageRecipe(epochs=2, batch=8).for_cases(9).steps == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: x\ncontrastive: {steps: 4, stpes: 5}", "contrastive: unknown key stpes; known"),
        ("name: x\nextra: 1", "unknown key extra"),
        ("contrastive: {steps: 4}", "name is missing"),
        ("name: x\ncontrastive: {batch: 4}", "contrastive: exactly one of steps and epochs"),
        ("name: x\ncontrastive: {steps: 4, epochs: 1}", "exactly one of steps and epochs"),
        ("name: x\ncontrastive: {steps: 4.5}", "steps is 4.5, not a whole number"),
        ("name: x\ncontrastive: {steps: true}", "steps is True, not a whole number"),
        ("name: x\ncontrastive: {steps: 4, bf16: 1}", "bf16 is 1, not true or false"),
        ("name: x\ncontrastive: {steps: 4, learning_rate: fast}", "'fast', not a number"),
        ("name: x\ncontrastive: {steps: 4, learning_rate: .nan}", "not a number"),
        ("name: x\ncontrastive: {steps: 4, batch: 0}", "batch has to be above 0"),
        ("name: x\ncontrastive: {steps: 4, warmup: 1, warmup_share: 0.1}", "cannot both"),
        ("name: x\naugmentation: {kind: mirror}", "jitter or m3d"),
        ("name: x\nobjective: {loss: hinge}", "matched, sigmoid or softmax"),
        ("name: x\ncontrastive: {steps: 4, accumulate: 0}", "accumulate has to be above 0"),
        ("name: x\ncontrastive: {phases: 4}", "phases is 4, not a list of phases"),
        ("name: x\ncontrastive: {phases: []}", "not a list of phases"),
        ("name: x\ncontrastive: {phases: [{steps: 4, shape: [2, 3]}]}", "three whole numbers"),
        ("name: x\ncontrastive: {phases: [{steps: 4, shape: [2, 3, 0]}]}", "above 0"),
        ("name: x\ncontrastive: {phases: [{batch: 4}]}", "phases 1: exactly one of steps"),
        ("name: x\nphases: []", "phases; it belongs under contrastive"),
        ("name: x\ncontrastive: 5", "contrastive is 5 where keys"),
        ("- a list", "where keys and values are expected"),
        ("name: [", "is no YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError) as caught:
        read_recipe(str(path))
    assert said in str(caught.value)
    assert "mine.yaml" in str(caught.value)


def test_phases_share_what_the_stage_says(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "name: x\ncontrastive:\n  batch: 8\n  seed: 3\n  phases:\n"
        "  - {shape: [32, 64, 64], steps: 5, batch: 16}\n"
        "  - {shape: [48, 96, 96], steps: 6}\n"
    )
    recipe = read_recipe(str(path))
    assert recipe.phases == (
        StageRecipe(steps=5, batch=16, seed=3, shape=(32, 64, 64)),
        StageRecipe(steps=6, batch=8, seed=3, shape=(48, 96, 96)),
    )
    assert recipe.stage("contrastive") == recipe.phases[1]


def test_gradients_accumulate_over_fewer_steps_a_pass() -> None:
    assert StageRecipe(epochs=2, batch=4, accumulate=3).for_cases(24).steps == 4


def test_an_exponent_without_a_point_is_a_number(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: x\ncontrastive: {steps: 4, learning_rate: 1e-4}")
    assert read_recipe(str(path)).stage("contrastive").learning_rate == 1e-4


def test_a_recipe_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(RecipeError, match="demo, demo-gpu, demo-pointing, published"):
        read_recipe("demon")
