"""Adapters learn beside what is frozen, and a merged folder computes what they computed."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from model_runtime.api import Done, Request, Task, VolumeInput
from model_runtime.engine import LocalEngine
from model_runtime.training.lora import (
    LoraSettings,
    MergeError,
    adapt,
    adapter_tensors,
    merge,
    save_adapter,
    unload,
)
from model_runtime.vlm import Vlm
from model_runtime.weights import load_folder

SETTINGS = LoraSettings(rank=4, alpha=8)


def _logits(vlm: Vlm) -> Tensor:
    torch.manual_seed(3)
    projector = vlm.config.projector
    low, high = torch.randn(2, *projector.low_input), torch.randn(2, *projector.high_input)
    vlm.eval()
    with torch.no_grad():
        image = vlm.projector(low, high)
        return vlm.logits(vlm.prompt_embeddings(image, torch.tensor([[5, 6]] * 2)))


def _disturb(vlm: Vlm) -> None:
    """Stand in for training: everything that may learn moves."""
    torch.manual_seed(4)
    for parameter in vlm.parameters():
        if parameter.requires_grad:
            parameter.data += 0.05 * torch.randn_like(parameter)


@pytest.fixture(scope="module")
def trained(
    tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Tensor]]:
    """An adapter folder, and the logits of the adapted model."""
    base = load_folder(tiny_model)
    adapt(base.vlm, SETTINGS)
    _disturb(base.vlm)
    folder = tmp_path_factory.mktemp("adapter")
    save_adapter(folder, base.vlm, SETTINGS, base.config.name, base.sha256)
    yield folder, _logits(base.vlm)


PARTS = {
    "projector": "mm_projector",
    "encoder": "vision_tower",
    "embeddings": "embed_tokens",
    "head": "lm_head",
}


@pytest.mark.parametrize(
    "parts", [(), ("projector",), ("projector", "encoder"), ("embeddings", "head")]
)
def test_only_adapters_and_the_named_parts_learn(tiny_model: Path, parts: tuple[str, ...]) -> None:
    settings = LoraSettings(rank=2, **{part: part in parts for part in PARTS})
    vlm = load_folder(tiny_model).vlm
    before = _logits(vlm)
    adapt(vlm, settings)
    torch.testing.assert_close(_logits(vlm), before, rtol=1e-5, atol=1e-5)
    learnt = [name for name, value in vlm.named_parameters() if value.requires_grad]
    for part, name in PARTS.items():
        assert any(name in one for one in learnt) == (part in parts)
    pairs = [name for name in learnt if ".lora_" in name]
    assert len(pairs) == 2 * 7 * vlm.config.language.layers
    assert all(name in adapter_tensors(vlm, settings) for name in learnt)
    assert not any("layers" in name for name in set(learnt) - set(pairs) if "vision" not in name)


def test_a_merged_folder_computes_what_the_adapted_model_did(
    tiny_model: Path, trained: tuple[Path, Tensor], tmp_path: Path, chest: VolumeInput
) -> None:
    folder, adapted = trained
    merge(tiny_model, folder, tmp_path / "merged")
    merged = load_folder(tmp_path / "merged")
    assert not torch.allclose(_logits(load_folder(tiny_model).vlm), adapted, atol=1e-2)
    torch.testing.assert_close(_logits(merged.vlm), adapted, rtol=1e-5, atol=1e-5)
    assert merged.vlm.state_dict().keys() == load_folder(tiny_model).vlm.state_dict().keys()
    engine = LocalEngine(tmp_path / "merged")
    try:
        request = Request(1, Task.REPORT, chest, max_tokens=4)
        said = list(engine.stream(request, threading.Event()))
    finally:
        engine.close()
    assert isinstance(said[-1], Done)


def test_half_precision_is_for_the_asking(
    tiny_model: Path, trained: tuple[Path, Tensor], tmp_path: Path
) -> None:
    folder, adapted = trained
    merge(tiny_model, folder, tmp_path / "whole")
    merge(tiny_model, folder, tmp_path / "half", half=True)
    sizes = [(tmp_path / name / "vlm.safetensors").stat().st_size for name in ("whole", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    assert torch.allclose(_logits(load_folder(tmp_path / "half").vlm), adapted, atol=2e-2)


def test_merging_twice_or_onto_another_model_is_refused(
    tiny_model: Path, trained: tuple[Path, Tensor], tmp_path: Path
) -> None:
    folder, _ = trained
    merge(tiny_model, folder, tmp_path / "merged")
    with pytest.raises(MergeError, match=r"merged into .* already"):
        merge(tmp_path / "merged", folder, tmp_path / "twice")
    (tmp_path / "merged" / "merged.json").unlink()
    with pytest.raises(MergeError, match=r"trained on tiny .* not on the model in"):
        merge(tmp_path / "merged", folder, tmp_path / "twice")
    with pytest.raises(MergeError, match="not empty"):
        merge(tiny_model, folder, tmp_path / "merged")
    assert not (tmp_path / "twice").exists()
    vlm = load_folder(tiny_model).vlm
    adapt(vlm, SETTINGS)
    with pytest.raises(ValueError, match="adapters already"):
        adapt(vlm, SETTINGS)
    unload(vlm)
    with pytest.raises(MergeError, match="merged already"):
        unload(vlm)


def test_a_damaged_or_unfinished_adapter_is_refused(
    tiny_model: Path, trained: tuple[Path, Tensor], tmp_path: Path
) -> None:
    shutil.copytree(trained[0], tmp_path / "adapter")
    path = tmp_path / "adapter" / "adapter.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(MergeError, match="changed"):
        merge(tiny_model, tmp_path / "adapter", tmp_path / "out")
    path.write_bytes(content[:100])
    with pytest.raises(MergeError, match="damaged"):
        merge(tiny_model, tmp_path / "adapter", tmp_path / "out")
    (tmp_path / "adapter" / "adapter.json").unlink()
    with pytest.raises(MergeError, match=r"adapter\.json is missing"):
        merge(tiny_model, tmp_path / "adapter", tmp_path / "out")


def test_an_adapter_that_makes_a_matrix_infinite_is_refused(tiny_model: Path) -> None:
    vlm = load_folder(tiny_model).vlm
    adapt(vlm, SETTINGS)
    _disturb(vlm)
    pair = vlm.get_submodule("model.layers.1.mlp.up_proj.lora_A.default")
    pair.weight.data.fill_(float("inf"))
    with pytest.raises(MergeError, match=r"layers\.1\.mlp\.up_proj is not finite"):
        unload(vlm)
