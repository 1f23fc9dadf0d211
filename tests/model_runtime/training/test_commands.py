"""The commands, from rendering to a merged model, as a user would type them."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model_runtime.config import demo_config
from model_runtime.training.__main__ import main
from model_runtime.training.volumes import render_shards
from model_runtime.weights import load_folder

Type = Callable[..., None]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cases on the demonstration model's grid."""
    folder = tmp_path_factory.mktemp("data")
    render_shards(folder, 0, 3, demo_config(1).input, processes=1)
    return folder


@pytest.fixture
def typed(data: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> Type:
    def run_command(*words: object) -> None:
        line = ["training", "--threads", "1", "--run", run, "--data", data, *words]
        monkeypatch.setattr(sys, "argv", [str(word) for word in line])
        main()

    return run_command


SHORT = ("--steps", 2, "--batch", 2, "--rate", 1e-3)


def test_projector_then_adapters_then_merging(typed: Type, run: Path, tiny_model: Path) -> None:
    typed("projector", "--base", tiny_model, "--recipe", "demo", *SHORT)
    typed("merge", tiny_model, run / "projector/adapter", run / "aligned")
    typed("instruct", "--base", run / "aligned", "--recipe", "demo", *SHORT, "--recompute")
    typed("merge", "--half", run / "aligned", run / "adapters/adapter", run / "finished")
    first, last = load_folder(tiny_model), load_folder(run / "finished")
    name = "model.layers.0.mlp.up_proj.weight"
    ends = [model.vlm.state_dict()[name] for model in (first, last)]
    assert not torch.equal(*ends)
    assert last.card.count("merged in") == 2
    assert len(json.loads((run / "finished/merged.json").read_text())["adapters"]) == 2
    settings = json.loads((run / "adapters/adapter/adapter.json").read_text())["settings"]
    assert settings["rank"] == 8


def test_from_nothing_as_before(typed: Type, run: Path, tmp_path: Path) -> None:
    typed("tokenizer", "--count", 40)
    typed("contrastive", *SHORT)
    typed("features", "--views", 1)
    typed("instruct", *SHORT, "--seed", 3)
    card = tmp_path / "card.md"
    card.write_text("a card")
    typed("export", run / "folder", "--card", card)
    assert load_folder(run / "folder").card == "a card"
    identity = torch.load(run / "instruct/checkpoint.pt", weights_only=True)["identity"]
    assert (identity["steps"], identity["seed"], identity["warmup"]) == (2, 3, 50)


def test_maps_are_learnt_where_places_were_marked(
    typed: Type, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed("tokenizer", "--count", 40)
    recipe, volumes = tmp_path / "points.yaml", tmp_path / "volumes"
    recipe.write_text("name: points\nobjective:\n  pointing: 1.5\ncontrastive:\n  steps: 1\n")
    typed("--data", volumes, "render", "--count", 3, "--processes", 1)
    learn = ("--data", volumes, "contrastive", "--recipe", recipe, *SHORT)
    with pytest.raises(SystemExit):
        typed(*learn)
    assert "the places of case 0 are not in" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        typed("--m3d", volumes, *learn)
    assert "where findings lie is known of rendered cases only" in capsys.readouterr().err
    typed("--data", volumes, "render", "--count", 3, "--processes", 1, "--places")
    typed(*learn)
    lines = (run / "contrastive/log.jsonl").read_text().splitlines()
    losses = [json.loads(line) for line in lines]
    assert len(losses) == 2
    for told in losses:
        parts = told["match"] + 40 * told["labels"] + 1.5 * told["pointing"]
        assert told["loss"] == pytest.approx(parts, rel=1e-3)
        assert told["pointing"] > 0


def test_the_common_space_goes_on_from_another_run_with_this_ones_encoder(
    typed: Type, run: Path
) -> None:
    typed("tokenizer", "--count", 40)
    typed("contrastive", *SHORT)
    typed("features", "--views", 1)
    typed("align", *SHORT)
    before = run / "before.pt"
    (run / "align/checkpoint.pt").rename(before)
    own = torch.load(run / "contrastive/checkpoint.pt", weights_only=True)["module"]
    given = torch.load(before, weights_only=True)
    moved = {name: value + 1 for name, value in given["module"].items()}
    torch.save(given | {"module": moved}, before)
    typed("align", "--from", before, "--steps", 1, "--batch", 2, "--rate", 1e-12)
    after = torch.load(run / "align/checkpoint.pt", weights_only=True)["module"]
    encoder, text = "siglip.vision_encoder.", "siglip.language_encoder."
    assert any(name.startswith(encoder) for name in after)
    for name, value in after.items():
        if name.startswith((encoder, text)):
            wanted = own[name] if name.startswith(encoder) else moved[name]
            torch.testing.assert_close(value, wanted)


def test_phases_go_on_from_one_another(
    typed: Type,
    run: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed("tokenizer", "--count", 40)
    volumes = tmp_path / "volumes"
    for shape in ((32, 32, 32), (32, 64, 64)):
        typed("--data", volumes, "render", "--count", 3, "--shape", *shape)
    recipe = tmp_path / "grows.yaml"
    recipe.write_text(
        "name: grows\ncontrastive:\n  batch: 2\n  phases:\n"
        "  - {shape: [32, 32, 32], steps: 2, warmup: 1}\n"
        "  - {shape: [32, 64, 64], steps: 1, learning_rate: 0.0001, warmup: 100}\n"
    )
    with caplog.at_level(logging.INFO):
        typed("--data", volumes, "contrastive", "--recipe", recipe)
    assert "anew: placed.0.bias, placed.0.weight, placed.2.weight" in caplog.text
    small, large = (
        torch.load(run / name / "checkpoint.pt", weights_only=True)
        for name in ("contrastive-1", "contrastive")
    )
    assert (small["step"], large["step"]) == (2, 1)
    name = "siglip.t_prime"
    assert large["module"][name].item() == pytest.approx(small["module"][name].item(), abs=1e-5)
    # By hand, from another folder's checkpoint; and never from one of another model.
    start = run / "contrastive-1/checkpoint.pt"
    small["module"].pop("siglip.t_prime")
    torch.save(small, start)
    hand = ("--run", run, "--data", volumes / "32x64x64", "contrastive", *SHORT, "--from", start)
    with pytest.raises(SystemExit):
        typed(*hand)
    assert "is of another model: siglip.t_prime does not fit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("instruct", "--recipe", "published"), "published has no stage instruct"),
        (("contrastive", "--recipe", "nothing"), "There is no recipe nothing"),
        (("projector", "--base", "nowhere", *SHORT), "nowhere"),
        (("merge", "nowhere", "nothing", "out"), "no finished adapter"),
        (("instruct", *SHORT), "tokenizer.json"),
    ],
)
def test_faults_are_told_in_a_sentence(
    typed: Type, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        typed(*words)
    assert ended.value.code == 1
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
