"""From a run's checkpoints to a model folder, without the training-only heads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from model_runtime.config import ModelConfig, demo_config
from model_runtime.siglip import Siglip
from model_runtime.vlm import Vlm
from model_runtime.weights import load_folder, save_folder


def run_config(run: Path) -> tuple[ModelConfig, Tokenizer]:
    """Read the tokenizer of a run and the configuration that follows from it."""
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    return demo_config(tokenizer.get_vocab_size()), tokenizer


def trained_siglip(run: Path) -> Siglip:
    """Load stage one's network, after the alignment of its common space if there was one."""
    siglip = Siglip(run_config(run)[0].siglip)
    aligned = run / "align" / "checkpoint.pt"
    if aligned.is_file():
        siglip.load_state_dict(_part(aligned, "siglip."))
    else:
        siglip.load_state_dict(_part(run / "contrastive" / "checkpoint.pt", "siglip."))
    return siglip.eval()


def trained_vlm(run: Path) -> Vlm:
    """Load stage three's network."""
    vlm = Vlm(run_config(run)[0].vlm)
    vlm.load_state_dict(_part(run / "instruct" / "checkpoint.pt", "vlm."))
    return vlm.eval()


def export(run: Path, out: Path, card: str, base: Path | None = None) -> None:
    """Write the model folder of a run; the language model is that of ``base`` where one is named.

    Raises
    ------
    ValueError
        Where that model has another tokenizer: both networks of a folder share one.
    """
    config, tokenizer = run_config(run)
    if base is None:
        vlm = trained_vlm(run)
    else:
        known = load_folder(base)
        if known.tokenizer.to_str() != tokenizer.to_str():
            raise ValueError(f"{base} has another tokenizer than {run}")
        vlm = known.vlm
    save_folder(out, config, tokenizer, trained_siglip(run), vlm, card)


def _part(path: Path, prefix: str) -> dict[str, Tensor]:
    """Take the tensors under a prefix; the heads beside it are left behind."""
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)["module"]
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in state.items()
        if name.startswith(prefix)
    }
