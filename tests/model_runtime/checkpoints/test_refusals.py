"""What is missing, damaged or of another model is refused with a sentence that says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from model_runtime.checkpoints import memory
from model_runtime.checkpoints.check import check_folder
from model_runtime.placement import Placement, Precision
from model_runtime.weights import NotEnoughMemoryError, WeightsError, load_folder, memory_needed

_FIRST, _SECOND = "model-00001-of-00003.safetensors", "model-00002-of-00003.safetensors"
_INDEX = "model.safetensors.index.json"
Change = Callable[[Path], None]


def _replace(path: Path, content: bytes) -> None:
    """Write a file anew: copies are links to what the other tests use."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def _config(**changes: Any) -> Change:
    def change(folder: Path) -> None:
        table = json.loads((folder / "config.json").read_text()) | changes
        _replace(folder / "config.json", json.dumps(table).encode())

    return change


def _mapped(edit: Callable[[dict[str, str]], object]) -> Change:
    def change(folder: Path) -> None:
        table = json.loads((folder / _INDEX).read_text())
        edit(table["weight_map"])
        _replace(folder / _INDEX, json.dumps(table).encode())

    return change


def _tensors(edit: Callable[[dict[str, Any]], object]) -> Change:
    """Change one part and the index with it."""

    def change(folder: Path) -> None:
        tensors = load_file(folder / _FIRST)
        edit(tensors)
        (folder / _FIRST).unlink()
        save_file(tensors, folder / _FIRST)
        table = json.loads((folder / _INDEX).read_text())
        rest = {name: file for name, file in table["weight_map"].items() if file != _FIRST}
        table["weight_map"] = rest | dict.fromkeys(tensors, _FIRST)
        _replace(folder / _INDEX, json.dumps(table).encode())

    return change


def _lost(tensors: dict[str, Any]) -> None:
    del tensors["lm_head.weight"]


def _misshapen(tensors: dict[str, Any]) -> None:
    tensors["lm_head.weight"] = tensors["lm_head.weight"][:-1].clone()


def _surplus(tensors: dict[str, Any]) -> None:
    tensors["model.layers.0.self_attn.lora_A"] = tensors["lm_head.weight"].clone()


def _cut(folder: Path) -> None:
    _replace(folder / _SECOND, (folder / _SECOND).read_bytes()[:-4096])


def _cut_in_header(folder: Path) -> None:
    _replace(folder / _SECOND, (folder / _SECOND).read_bytes()[:100])


def _overlapping(folder: Path) -> None:
    """Let the last tensor begin within the one before; the file stays as long as it was."""
    content = (folder / _SECOND).read_bytes()
    length = int.from_bytes(content[:8], "little")
    table = json.loads(content[8 : 8 + length])
    table.pop("__metadata__", None)
    last = max(table.values(), key=lambda entry: entry["data_offsets"])
    last["data_offsets"] = [place - 4 for place in last["data_offsets"]]
    header = json.dumps(table).encode().ljust(length)
    _replace(folder / _SECOND, len(header).to_bytes(8, "little") + header + content[8 + length :])


def _leading_out(folder: Path) -> None:
    outside = folder.parent / "elsewhere.safetensors"
    outside.write_bytes((folder / _SECOND).read_bytes())
    (folder / _SECOND).unlink()
    (folder / _SECOND).symlink_to(outside)


def _giant_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    with (folder / "config.json").open("wb") as stream:
        stream.truncate(1 << 33)


def _pickles_only(folder: Path) -> None:
    for path in folder.glob("model*"):
        path.unlink()
    (folder / "pytorch_model-00001-of-00002.bin").write_bytes(b"\x80\x04.")


def _first_to(file: str) -> Change:
    return _mapped(lambda names: names.update({"lm_head.weight": file}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / _SECOND).unlink(), "one of the 3 parts"),
        (lambda folder: (folder / _INDEX).unlink(), f"lacks {_INDEX}"),
        (lambda folder: (folder / "config.json").unlink(), "lacks config.json"),
        (lambda folder: _replace(folder / "config.json", b"[]"), "not usable"),
        (lambda folder: _replace(folder / "config.json", b'{"a":' * 99_999), "nested too deeply"),
        (lambda folder: _replace(folder / _INDEX, b"[" * 99_999), "nested too deeply"),
        (_giant_config, "larger than 64 MB"),
        (lambda folder: _replace(folder / _INDEX, b"{}"), "damaged"),
        (lambda folder: _replace(folder / _SECOND, b""), "cut short or damaged"),
        (_cut, r"cut short or damaged: it should hold [\d,]+ bytes"),
        (_cut_in_header, "cut short or damaged"),
        (_overlapping, "damaged"),
        (_leading_out, "link that leads out"),
        (_pickles_only, "pickle: opening it could run code"),
        (_first_to("../../etc/passwd"), "outside itself"),
        (_first_to("/etc/passwd"), "outside itself"),
        (_first_to("C:\\x.safetensors"), "outside itself"),
        (_first_to("pytorch_model.bin"), "pickle"),
        (_first_to("README.md"), "not a weights file"),
        (_mapped(lambda names: names.pop("lm_head.weight")), "do not agree on 1 tensors"),
        (_mapped(lambda names: names.update(more=_FIRST)), "do not agree on 1 tensors"),
        (_tensors(_lost), "lm_head.weight is missing"),
        (_tensors(_misshapen), "lm_head.weight is 299×64, the model takes 300×64"),
        (_tensors(_surplus), "lora_A has no place"),
        (_config(model_type="llama"), "architecture 'llama'"),
        (_config(model_type="qwen2"), "architecture 'qwen2'"),
        (_config(vision_tower="vit3d"), "'vit3d'"),
        (_config(mm_projector_type="mlp"), "'mlp'"),
        (_config(vision_select_layer=-1), "vision_select_layer"),
        (_config(hidden_act="gelu"), "hidden_act"),
        (_config(rope_scaling={"type": "yarn"}), "rope_scaling"),
        (_config(quantization_config={"bits": 4}), "quantization_config"),
        (_config(num_hidden_layers=3), "model.layers.2.* is missing"),
        (_config(num_hidden_layers="many"), "does not describe"),
        (_config(low_input_size=[100, 384]), "contradicts itself"),
        (_config(proj_out_num=288), "contradicts itself"),
        (_config(vocab_size=200), "up to token 299"),
    ],
)
def test_damage_is_refused_and_named(
    published_vlm: Path, copied: Callable[[Path], Path], damage: Change, said: str
) -> None:
    folder = copied(published_vlm)
    damage(folder)
    with pytest.raises(WeightsError, match=said):
        check_folder(folder)
    with pytest.raises(WeightsError, match=said):
        load_folder(folder)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_config(loss_type="nce"), "loss_type"),
        (_config(vision_encoder="vit3d"), "'vit3d'"),
        (_config(hidden_size=512), "the model takes 512"),
        (_config(input_size=[96, 96, 48]), "do not belong together"),
        (lambda folder: (folder / "model.safetensors").unlink(), "lacks model.safetensors"),
    ],
)
def test_a_contrastive_model_that_does_not_fit_is_refused(
    published_vlm: Path,
    published_siglip: Path,
    copied: Callable[[Path], Path],
    damage: Change,
    said: str,
) -> None:
    folder = copied(published_siglip)
    damage(folder)
    with pytest.raises(WeightsError, match=said):
        load_folder(published_vlm, contrastive=folder)


def test_a_link_within_the_folder_is_followed(
    published_vlm: Path, copied: Callable[[Path], Path]
) -> None:
    folder = copied(published_vlm)
    (folder / _SECOND).rename(folder / "there")
    (folder / _SECOND).symlink_to(folder / "there")
    check_folder(folder)


def test_memory_is_computed_from_the_headers(published_vlm: Path, published_siglip: Path) -> None:
    sizes = [memory_needed(published_vlm, precision) for precision in Precision]
    assert sizes[0] == max(sizes)
    stored = sum(path.stat().st_size for path in published_vlm.glob("*.safetensors"))
    assert sizes[0] > stored
    both = memory_needed(published_vlm, Precision.FLOAT32, published_siglip)
    weights = (published_siglip / "model.safetensors").stat().st_size
    assert both - sizes[0] == pytest.approx(weights, rel=0.01)


def test_too_little_memory_is_said_before_loading(
    published_vlm: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need, less = (
        memory_needed(published_vlm, each) for each in (Precision.FLOAT32, Precision.BFLOAT16)
    )
    monkeypatch.setattr(memory, "free_memory", lambda _device: need - 1)
    monkeypatch.setattr("model_runtime.weights.filled", None)  # nothing may be loaded
    with pytest.raises(NotEnoughMemoryError) as told:
        load_folder(published_vlm)
    said = str(told.value)
    assert f"needs {need / 1e9:.1f} GB of memory as float32" in said
    assert f"bfloat16 needs {less / 1e9:.1f} GB" in said
    monkeypatch.setattr(memory, "free_memory", lambda _device: 1000)
    with pytest.raises(NotEnoughMemoryError, match="nothing smaller fits"):
        load_folder(published_vlm, Placement("cpu", Precision.BFLOAT16))


def test_the_published_size_is_what_is_known_of_it(repository: Path) -> None:
    """7.68 billion numbers: 31 GB in float32, 15.4 in bfloat16, without caches."""
    golden = repository / "tests/model_runtime/golden/published_7b_keys.json"
    listed = json.loads(golden.read_text())

    def size(precision: Precision, dtype: str = "F32") -> float:
        stored = ((name, memory.Stored(Path("x"), dtype, tuple(s))) for name, s in listed.items())
        return sum(memory._weight(name, each, precision) for name, each in stored)

    assert size(Precision.FLOAT32) == pytest.approx(30.7e9, rel=0.01)
    assert size(Precision.BFLOAT16, "BF16") == pytest.approx(15.4e9, rel=0.01)
    assert size(Precision.INT8) == pytest.approx(11.2e9, rel=0.01)
    assert size(Precision.INT4) == pytest.approx(8.3e9, rel=0.01)
    assert size(Precision.INT4, "BF16") == pytest.approx(6.0e9, rel=0.01)
