"""The ablation trains each variant on the same budget and tells how far it got."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from model_runtime.ablation.__main__ import main
from model_runtime.ablation.encoders import build_siglip, last_state
from model_runtime.ablation.projectors import PROJECTORS, build_projector
from model_runtime.ablation.table import verdicts
from model_runtime.ablation.vit3d import Vit3d
from model_runtime.config import ProjectorConfig, demo_config
from model_runtime.training.features import Features
from model_runtime.training.tokenizer import train_tokenizer
from model_runtime.training.volumes import render_shards

CONFIG = demo_config(300)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("run")
    train_tokenizer(range(40)).save(str(folder / "tokenizer.json"))
    return folder


def features_at(path: Path, first: int, count: int) -> Path:
    random = np.random.default_rng(first)
    (low, deep), (high, wide) = CONFIG.vlm.projector.low_input, CONFIG.vlm.projector.high_input
    Features(
        random.standard_normal((count, 1, low, deep)).astype(np.float16),
        random.standard_normal((count, 1, high, wide)).astype(np.float16),
        np.arange(first, first + count),
    ).save(path)
    return path


@pytest.mark.parametrize("kind", PROJECTORS)
def test_every_projector_gives_as_many_tokens(kind: str) -> None:
    config = ProjectorConfig((18, 24), (4, 32), (18, 16), (8, 8))
    projector = build_projector(kind, config, 40)
    low, high = torch.randn(2, 18, 24), torch.randn(2, 4, 32)
    out = projector(low, high)
    assert out.shape == (2, config.image_tokens, 40)
    unread = {"low": high, "high": low}.get(kind)
    if unread is not None:
        unread += 1
        torch.testing.assert_close(projector(low, high), out)


def test_unknown_variants_are_refused() -> None:
    with pytest.raises(ValueError, match="dual, low, high, pooled"):
        build_projector("mlp", CONFIG.vlm.projector, 8)
    with pytest.raises(ValueError, match="dcformer, vit"):
        build_siglip("cnn", CONFIG)
    with pytest.raises(ValueError, match="do not divide"):
        Vit3d((48, 96, 96), (7, 16, 16), 8, 2, 1)


def test_both_encoders_are_of_a_size() -> None:
    sizes = [
        sum(p.numel() for p in build_siglip(kind, CONFIG).vision_encoder.parameters())
        for kind in ("dcformer", "vit")
    ]
    assert 0.8 < sizes[0] / sizes[1] < 1.25


def test_a_transformer_sees_the_whole_volume() -> None:
    torch.manual_seed(0)
    encoder = Vit3d((16, 32, 32), (8, 16, 16), 16, 2, 2)
    volume = torch.rand(1, 1, 16, 32, 32, requires_grad=True)
    last_state(encoder, volume)[0, 0, 0].backward()
    assert volume.grad is not None
    assert (volume.grad != 0).float().mean() > 0.99


@pytest.mark.parametrize("question", ["loss", "projector"])
def test_a_question_on_features_is_answered(question: str, run: Path, tmp_path: Path) -> None:
    data = features_at(tmp_path / "train.npz", 0, 130)
    test = features_at(tmp_path / "test.npz", 100_000, 6)
    seen = "128" if question == "loss" else "4"
    out = tmp_path / "answer.json"
    document = tmp_path / "told.md"
    marks = f"<!-- figures ablation {question} -->", f"<!-- end of figures ablation {question} -->"
    document.write_text("\n".join(marks))
    words = [question, "--run", run, "--data", data, "--test", test, "--out", out]
    words += ["--document", document, "--threads", 1]
    assert main([*map(str, words), "--seen", seen, "--batch", "2"]) == 0
    answer = json.loads(out.read_text())
    assert answer["held-out cases"] == 6
    own = answer["variants"][next(iter(answer["compared with"].values()))]
    assert len(answer["variants"]) == 4
    for name, figure in own.items():
        if name != "training seconds":
            assert figure["less the paper's"]["value"] == 0
            assert figure["value"]["low"] <= figure["value"]["value"] <= figure["value"]["high"]
            assert f"| {name} |" in document.read_text()


def test_verdicts_follow_the_intervals() -> None:
    def row(*apart: float) -> dict[str, object]:
        value = {"value": 1.0, "low": 0.5, "high": 1.5}
        told = {"value": value, "less the paper's": dict(zip(("low", "high"), apart, strict=True))}
        return {"R@1, %": told, "cross-entropy": told, "training seconds": 1.0}

    answer = {
        "compared with": {"dual": "dual", "low": "dual", "high": "dual"},
        "variants": {"dual": row(0, 0), "low": row(-2, -1), "high": row(-1, 1)},
    }
    assert verdicts(answer) == [
        "R@1, %: dual is better than low, dual cannot be told from high.",
        "cross-entropy: dual is worse than low, dual cannot be told from high.",
    ]


def test_the_encoders_are_compared_on_volumes(run: Path, tmp_path: Path) -> None:
    for name, first in (("train", 0), ("test", 100_000)):
        render_shards(tmp_path / name, first, 3, CONFIG.input, processes=1)
    out = tmp_path / "answer.json"
    words = ["encoder", "--run", run, "--data", tmp_path / "train", "--test", tmp_path / "test"]
    words += ["--threads", 1]
    assert main([*map(str, words), "--out", str(out), "--seen", "2", "--batch", "2"]) == 0
    answer = json.loads(out.read_text())
    assert set(answer["variants"]) == {"dcformer", "vit"}
    assert answer["variants"]["vit"]["training seconds"] > 0


def test_a_missing_file_is_told(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["loss", "--run", run, "--data", tmp_path / "no.npz", "--test", tmp_path / "no.npz"]
    assert main([*map(str, words), "--out", str(tmp_path / "answer.json")]) == 1
    assert "no.npz is missing" in capsys.readouterr().err
