"""A folder is loaded whole and checked, or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from model_runtime.config import ModelConfig
from model_runtime.vlm import Vlm
from model_runtime.weights import WeightsError, file_sha256, load_folder


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def _sign(folder: Path) -> None:
    """Make the manifest true again after a change."""
    manifest = folder / "manifest.json"
    sums = {name: file_sha256(folder / name) for name in json.loads(manifest.read_text())}
    manifest.write_text(json.dumps(sums))


def test_a_loaded_model_is_complete_and_in_float32(tiny_model: Path) -> None:
    model = load_folder(tiny_model)
    tensors = [*model.vlm.parameters(), *model.vlm.buffers(), *model.siglip.parameters()]
    assert not any(tensor.is_meta for tensor in tensors)
    assert {tensor.dtype for tensor in model.vlm.parameters()} == {torch.float32}
    built = Vlm(model.config.vlm)
    for name, buffer in built.named_buffers():
        if "inv_freq" in name:
            assert torch.equal(buffer, model.vlm.get_buffer(name))
    assert model.card == "a test's card"


def test_configuration_survives_json(tiny_model: Path) -> None:
    text = (tiny_model / "config.json").read_text()
    config = ModelConfig.from_json(text)
    assert ModelConfig.from_json(config.to_json()) == config


def _missing(folder: Path) -> None:
    (folder / "vlm.safetensors").unlink()


def _changed(folder: Path) -> None:
    with (folder / "vlm.safetensors").open("r+b") as stream:
        stream.seek(-1, 2)
        stream.write(b"\x7f")


def _truncated(folder: Path) -> None:
    path = folder / "siglip.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])
    _sign(folder)


def _other(folder: Path) -> None:
    shutil.copy(folder / "siglip.safetensors", folder / "vlm.safetensors")
    _sign(folder)


def _pickle(folder: Path) -> None:
    _missing(folder)
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")


def _no_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("[]")


def _bad_config(folder: Path) -> None:
    (folder / "config.json").write_text('{"name": "x"}')
    _sign(folder)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_missing, "lacks vlm.safetensors"),
        (_changed, "checksum"),
        (_truncated, "cut short"),
        (_other, "another model"),
        (_pickle, "pickle"),
        (_no_manifest, "manifest.json"),
        (_bad_config, "config.json"),
    ],
)
def test_damage_is_refused_and_named(copy: Path, damage: Callable[[Path], None], said: str) -> None:
    damage(copy)
    with pytest.raises(WeightsError, match=said):
        load_folder(copy)


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no model folder"):
        load_folder(tmp_path / "none")


def test_small_scales_survive_half_precision(tiny_model: Path) -> None:
    """Layer scales of 1e-6 would be rounded to a fifth in half precision."""
    model = load_folder(tiny_model)
    scales = [value for name, value in model.vlm.named_parameters() if name.endswith(".scale")]
    assert scales
    assert all(torch.equal(scale, torch.full_like(scale, 1e-6)) for scale in scales)


def test_a_tokenizer_of_another_model_is_refused(copy: Path) -> None:
    path = copy / "tokenizer.json"
    table = json.loads(path.read_text())
    vocabulary = table["model"]["vocab"]
    vocabulary |= {f"word {n}": len(vocabulary) + n for n in range(9)}
    path.write_text(json.dumps(table))
    _sign(copy)
    with pytest.raises(WeightsError, match=r"tokenizer\.json does not fit"):
        load_folder(copy)
