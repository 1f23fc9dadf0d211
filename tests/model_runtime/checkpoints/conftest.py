"""Both published checkpoints in small, written to disk as they are published.

The weights are those of the golden files' recipe, so what is loaded can be compared with
numbers that the published code computed.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from model_runtime.config import ENCODERS, SiglipConfig, TextConfig
from model_runtime.parity import fill, vlm_config
from model_runtime.siglip import Siglip
from model_runtime.vlm import Vlm

_SENTENCES = (
    "the lungs are clear and there is no nodule in the right lower lobe",
    "what is seen in the left kidney of this scan and where does it lie",
    "a mass of soft tissue with a diameter of 12 mm is present",
)
_PARTS = 3


def _golden(name: str) -> dict[str, Any]:
    path = Path(__file__).parents[1] / "golden" / name
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table


@pytest.fixture(scope="session")
def golden_vlm() -> dict[str, Any]:
    return _golden("vlm.json")


@pytest.fixture(scope="session")
def golden_siglip() -> dict[str, Any]:
    return _golden("siglip.json")


def _qwen_tokenizer(vocabulary: int) -> Tokenizer:
    """Byte-level merges, then the tokens that Qwen adds, and <im_patch> as the very last."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - 4,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_SENTENCES * 4, trainer)
    tokenizer.add_special_tokens(["<|endoftext|>", "<|im_end|>"])
    tokenizer.add_tokens(["<tool_call>"])
    tokenizer.add_special_tokens(["<im_patch>"])
    assert tokenizer.get_vocab_size() == vocabulary
    return tokenizer


def write_shards(folder: Path, state: Mapping[str, torch.Tensor], parts: int = _PARTS) -> None:
    """Write weights in parts with an index, as the published checkpoint is."""
    names = sorted(state)
    cuts = [names[part::parts] for part in range(parts)]
    weight_map = {}
    for part, mine in enumerate(cuts, start=1):
        file = f"model-{part:05d}-of-{parts:05d}.safetensors"
        save_file({name: state[name].contiguous() for name in mine}, folder / file)
        weight_map |= dict.fromkeys(mine, file)
    size = sum(tensor.nbytes for tensor in state.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")


@pytest.fixture(scope="session")
def vlm_table(golden_vlm: dict[str, Any]) -> dict[str, Any]:
    """The published model's config.json in its own words, with the golden file's sizes."""
    small = golden_vlm["config"]
    return {
        "_name_or_path": "./output/VLM",
        "architectures": ["VLMQwenForCausalLM"],
        "model_type": "vlm_qwen",
        "attention_dropout": 0.0,
        "bos_token_id": 296,
        "eos_token_id": 297,
        "hidden_act": "silu",
        "hidden_size": small["hidden_size"],
        "intermediate_size": small["intermediate"],
        "num_hidden_layers": small["layers"],
        "num_attention_heads": small["heads"],
        "num_key_value_heads": small["kv_heads"],
        "max_position_embeddings": 2048,
        "rms_norm_eps": small["rms_norm_eps"],
        "rope_scaling": None,
        "rope_theta": small["rope_theta"],
        "sliding_window": 131072,
        "use_sliding_window": False,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "use_cache": False,
        "vocab_size": small["vocab"],
        **_vision_table(small),
    }


def _vision_table(small: dict[str, Any]) -> dict[str, Any]:
    return {
        "input_size": [256, 256, 128],
        "patch_size": [16, 16, 16],
        "dim": 768,
        "depth": 12,
        "vision_tower": "dcformer",
        "vision_select_layer": -2,
        "vision_select_feature": "cls_patch",
        "mm_hidden_size": 768,
        "mm_mlp_depth": 2,
        "mm_projector_type": "mixer",
        "proj_out_num": 256,
        "low_input_size": small["low_input_size"],
        "high_input_size": small["high_input_size"],
        "low_output_size": small["low_output_size"],
        "high_output_size": small["high_output_size"],
    }


@pytest.fixture(scope="session")
def reference_vlm(golden_vlm: dict[str, Any]) -> Vlm:
    """The same network, filled without any file."""
    network = Vlm(vlm_config(golden_vlm)).eval().requires_grad_(False)
    fill(network)
    return network


@pytest.fixture(scope="session")
def published_vlm(
    reference_vlm: Vlm, vlm_table: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The vision-language model, in three parts."""
    folder = tmp_path_factory.mktemp("published") / "Med3DVLM-tiny"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(vlm_table), encoding="utf-8")
    write_shards(folder, reference_vlm.state_dict())
    _qwen_tokenizer(vlm_table["vocab_size"]).save(str(folder / "tokenizer.json"))
    (folder / "README.md").write_text("The published card.", encoding="utf-8")
    (folder / "modeling_vlm.py").write_text("raise SystemExit('ran')", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def reference_siglip(golden_siglip: dict[str, Any]) -> Siglip:
    """The same contrastive network, filled without any file."""
    text = {key: value for key, value in golden_siglip["text_config"].items() if key != "model"}
    network = Siglip(SiglipConfig(ENCODERS["small"], TextConfig(**text), 768)).eval()
    fill(network)
    return network.requires_grad_(False)


@pytest.fixture(scope="session")
def pieces(golden_siglip: dict[str, Any]) -> list[str]:
    """A BERT's list of word pieces, as long as the text tower's embeddings."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz[]"]
    words += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    words += sorted(set(" ".join(_SENTENCES).split()) - set(words))
    size = golden_siglip["text_config"]["vocab_size"]
    return [*words, *(f"[unused{n}]" for n in range(size - len(words)))]


@pytest.fixture(scope="session")
def published_siglip(
    reference_siglip: Siglip, pieces: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The contrastive model, in one file."""
    folder = tmp_path_factory.mktemp("published") / "Med3DVLM-SigLIP-tiny"
    folder.mkdir()
    table = {
        "architectures": ["DEC_CLIP"],
        "model_type": "dec_clip",
        "language_model_name_or_path": "medicalai/ClinicalBERT",
        "vision_encoder": "dcformer",
        "loss_type": "sigmoid",
        "input_size": [256, 256, 128],
        "dim": 768,
        "depth": 12,
        "hidden_size": 768,
        "mlp_depth": 2,
        "t_prime": 2.302585092994046,
        "bias": -10.0,
        "torch_dtype": "float32",
        # Heads cannot be seen in the tensors; the published tower has 64 channels a head.
        "text_config": {"n_heads": 4},
    }
    (folder / "config.json").write_text(json.dumps(table), encoding="utf-8")
    save_file(reference_siglip.state_dict(), folder / "model.safetensors")
    (folder / "vocab.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[Path], Path]:
    """Copies a checkpoint by links; replace a file of the copy, never write into it."""

    def copy(folder: Path) -> Path:
        target = tmp_path / "copies" / folder.name
        return Path(shutil.copytree(folder, target, copy_function=os.link))

    return copy
