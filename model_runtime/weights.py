"""A model on disk: a folder with configuration, tokenizer, weights and their checksums.

Files: ``config.json``, ``tokenizer.json``, ``siglip.safetensors``, ``vlm.safetensors``,
``manifest.json`` (sha256 of the others) and ``card.md``. Weights may be stored in half
precision; they are computed with in float32. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from model_runtime.config import ModelConfig
from model_runtime.errors import WeightsError
from model_runtime.placement import Placement
from model_runtime.siglip import Siglip
from model_runtime.vlm import Vlm

_Network = TypeVar("_Network", bound=nn.Module)
_FILES = ("config.json", "tokenizer.json", "siglip.safetensors", "vlm.safetensors")
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".ckpt")


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """Both networks, ready for inference, and what they are.

    Attributes
    ----------
    tokenizer, text_tokenizer : Tokenizer
        The decoder's and the contrastive text tower's; they may be the same.
    contrastive : Siglip or None
        None where only the vision-language model is there: no search for similar cases.
    """

    config: ModelConfig
    tokenizer: Tokenizer
    text_tokenizer: Tokenizer
    vlm: Vlm
    contrastive: Siglip | None
    sha256: str
    card: str
    placement: Placement = field(default_factory=Placement)

    @property
    def siglip(self) -> Siglip:
        """The contrastive model.

        Raises
        ------
        WeightsError
            Where there is none.
        """
        if self.contrastive is None:
            raise WeightsError(
                f"{self.config.name} comes without its contrastive model, so nothing can be "
                "searched. Install that checkpoint as well."
            )
        return self.contrastive


def save_folder(  # noqa: PLR0917
    folder: Path,
    config: ModelConfig,
    tokenizer: Tokenizer,
    siglip: nn.Module,
    vlm: nn.Module,
    card: str,
) -> None:
    """Write a model folder, weights in half precision."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(config.to_json() + "\n", encoding="utf-8")
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, network in (("siglip", siglip), ("vlm", vlm)):
        save_file(_halved(network.state_dict()), folder / f"{name}.safetensors")
    (folder / "card.md").write_text(card, encoding="utf-8")
    sums = {name: file_sha256(folder / name) for name in _FILES}
    (folder / "manifest.json").write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")


def load_folder(folder: Path) -> LoadedModel:
    """Read and check a model folder.

    Raises
    ------
    WeightsError
        Where a file is missing, damaged, of another model, or of a format that can run code.
    """
    sums = _checked_sums(folder)
    try:
        config = ModelConfig.from_json((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{folder / 'config.json'} is not usable: {error}") from error
    siglip = _filled(lambda: Siglip(config.siglip), folder / "siglip.safetensors")
    vlm = _filled(lambda: Vlm(config.vlm), folder / "vlm.safetensors")
    card = folder / "card.md"
    tokenizer = _tokenizer(folder / "tokenizer.json", config)
    return LoadedModel(
        config=config,
        tokenizer=tokenizer,
        text_tokenizer=tokenizer,
        vlm=vlm,
        contrastive=siglip,
        sha256=hashlib.sha256("".join(sums[name] for name in _FILES).encode()).hexdigest(),
        card=card.read_text(encoding="utf-8") if card.exists() else "",
    )


def _tokenizer(path: Path, config: ModelConfig) -> Tokenizer:
    """Read the tokenizer; what a user types never becomes a special token."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.encode_special_tokens = True
    known = min(config.vlm.language.vocab_size, config.siglip.text.vocab_size)
    if tokenizer.get_vocab_size() > known or tokenizer.token_to_id("<cls>") is None:
        raise WeightsError(
            f"{path} does not fit its config.json: it has {tokenizer.get_vocab_size()} tokens, "
            f"the model knows {known}. It belongs to another model."
        )
    return tokenizer


def file_sha256(path: Path) -> str:
    """Checksum of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _checked_sums(folder: Path) -> dict[str, str]:
    """Compare every file with the manifest."""
    if not folder.is_dir():
        raise WeightsError(
            f"There is no model folder at {folder}. Set model_folder to one, or reinstall."
        )
    missing = [name for name in (*_FILES, "manifest.json") if not (folder / name).is_file()]
    if missing:
        pickles = sorted(path.name for path in folder.iterdir() if path.suffix in _PICKLES)
        if pickles:
            raise WeightsError(
                f"{pickles[0]} in {folder} is a pickle: opening it could run code hidden in it. "
                "Only safetensors are loaded; convert the checkpoint elsewhere first."
            )
        raise WeightsError(f"{folder} lacks {', '.join(missing)}. Copy the model folder again.")
    try:
        sums: dict[str, str] = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        stated = {name: sums[name] for name in _FILES}
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{folder / 'manifest.json'} is damaged: {error}.") from error
    for name, wanted in stated.items():
        if file_sha256(folder / name) != wanted:
            raise WeightsError(
                f"{folder / name} is damaged or was changed: its checksum is not that of the "
                "manifest. Copy the model folder again."
            )
    return stated


def _filled(build: Callable[[], _Network], path: Path) -> _Network:
    """Build a network without weights and put the file's in, exactly."""
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is cut short or damaged: {error}.") from error
    with torch.device("meta"):
        network = build()
    wanted = {name: tensor.shape for name, tensor in network.state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if wanted != found:
        odd = sorted(set(wanted.items()) ^ set(found.items()), key=lambda item: item[0])
        raise WeightsError(
            f"{path} does not fit its config.json: {len(odd)} tensors differ, such as "
            f"{odd[0][0]}. It belongs to another model."
        )
    full = {name: _widened(tensor) for name, tensor in tensors.items()}
    network.load_state_dict(full, assign=True)
    _restore_buffers(network)
    network.eval().requires_grad_(False)
    return network


def _restore_buffers(network: nn.Module) -> None:
    """Recompute what the library keeps outside the weights: rotary frequencies, positions."""
    for module in network.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if not buffer.is_meta:
                continue
            if name in ("inv_freq", "original_inv_freq"):
                rotary: Any = type(module)
                fresh = rotary(module.config).inv_freq.clone()
            else:
                fresh = torch.arange(buffer.shape[-1]).expand(buffer.shape).clone()
            module.register_buffer(name, fresh, persistent=False)


def _halved(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Halve matrices only: layer scales of 1e-6 and large variances need their full range."""
    return {
        name: (tensor.half() if tensor.is_floating_point() and tensor.ndim > 1 else tensor)
        .detach()
        .contiguous()
        for name, tensor in state.items()
    }


def _widened(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
