"""Low-rank adapters on the decoder, whole training of what stands beside it, and merging.

An adapter folder holds what was trained: ``adapter.safetensors`` (the low-rank pairs and
every part trained whole) and ``adapter.json`` (how, and the checksum of the base model).
Merging adds the pairs to the base's matrices and writes a plain model folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from model_runtime.vlm import Vlm
from model_runtime.weights import LoadedModel, file_sha256, load_folder, save_folder

_TARGETS = r"layers\.\d+\.(self_attn|mlp)\.\w+_proj"
"""Every matrix of the decoder's layers; neither encoder, projector, embeddings nor head."""
_PREFIXES = {
    "projector": "model.mm_projector.",
    "encoder": "model.vision_tower.",
    "embeddings": "model.embed_tokens.",
    "head": "lm_head.",
}
_TENSORS, _CARD, _MERGED = "adapter.safetensors", "adapter.json", "merged.json"


class MergeError(ValueError):
    """An adapter does not belong on a model; the message says why."""


@dataclass(frozen=True)
class LoraSettings:
    """Size of the adapters, as published, and what is trained whole beside them.

    Rank 0 means no adapters.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    projector: bool = True
    encoder: bool = False
    embeddings: bool = False
    head: bool = False

    @property
    def whole(self) -> tuple[str, ...]:
        """Prefixes of the tensors that are trained whole."""
        return tuple(prefix for part, prefix in _PREFIXES.items() if getattr(self, part))

    def keeps(self, name: str) -> bool:
        """Tell whether a tensor of an adapted model belongs to the adapter."""
        return ".lora_" in name or name.startswith(self.whole)


@dataclass(frozen=True)
class Adapter:
    """What ``adapter.json`` tells: settings, the base's name and checksum, the tensors'."""

    settings: LoraSettings
    base_name: str
    base_sha256: str
    sha256: str


def adapt(vlm: Vlm, settings: LoraSettings) -> None:
    """Put adapters into a model's decoder and freeze all that is not trained.

    Raises
    ------
    ValueError
        Where it carries adapters already, or nothing would learn.
    """
    if _layers(vlm):
        raise ValueError("the model carries adapters already")
    if not settings.rank and not settings.whole:
        raise ValueError("neither adapters nor any part of the model is to be trained")
    if settings.rank:
        _inject(vlm, settings)
    for name, parameter in vlm.named_parameters():
        parameter.requires_grad_(settings.keeps(name))
        if name.startswith(settings.whole):
            # A loaded model lies in its mapped file; what is trained needs memory of its own.
            parameter.data = parameter.data.float().clone()


def _inject(vlm: Vlm, settings: LoraSettings) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=_TARGETS,
    )
    inject_adapter_in_model(config, vlm.model)


def unload(vlm: Vlm) -> None:
    """Add the adapters to the decoder's matrices and take them off.

    Raises
    ------
    MergeError
        Where there are none, or the sum is not finite.
    """
    layers = _layers(vlm)
    if not layers:
        raise MergeError("The model carries no adapters: they have been merged already.")
    for name, layer in layers.items():
        try:
            layer.merge(safe_merge=True)
        except ValueError as error:
            raise MergeError(f"{name} is not finite with its adapter: {error}") from error
        parent, _, own = name.rpartition(".")
        setattr(vlm.get_submodule(parent), own, layer.get_base_layer())
    del vlm.model.peft_config


def adapter_tensors(vlm: Vlm, settings: LoraSettings) -> dict[str, Tensor]:
    """Return what was trained, by name; the tensors are the model's own."""
    return {name: tensor for name, tensor in vlm.state_dict().items() if settings.keeps(name)}


def save_adapter(
    folder: Path, vlm: Vlm, settings: LoraSettings, base_name: str, base_sha256: str
) -> None:
    """Write an adapter folder; the card last, so that half an adapter is none."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _CARD).unlink(missing_ok=True)
    tensors = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in adapter_tensors(vlm, settings).items()
    }
    save_file(tensors, folder / _TENSORS)
    adapter = Adapter(settings, base_name, base_sha256, file_sha256(folder / _TENSORS))
    text = json.dumps(asdict(adapter), indent=2) + "\n"
    (folder / _CARD).write_text(text, encoding="utf-8")


def read_adapter(folder: Path) -> tuple[Adapter, dict[str, Tensor]]:
    """Read and check an adapter folder.

    Raises
    ------
    MergeError
        Where it is incomplete, damaged or not of this kind.
    """
    try:
        table = json.loads((folder / _CARD).read_text(encoding="utf-8"))
        settings = LoraSettings(**table.pop("settings"))
        adapter = Adapter(settings, **table)
        tensors = load_file(folder / _TENSORS)
    except FileNotFoundError as error:
        lacking = error.filename or _TENSORS
        raise MergeError(f"{folder} is no finished adapter: {lacking} is missing.") from error
    except (ValueError, TypeError, KeyError, AttributeError, SafetensorError) as error:
        raise MergeError(f"The adapter in {folder} is damaged: {error}") from error
    if file_sha256(folder / _TENSORS) != adapter.sha256:
        raise MergeError(f"The adapter in {folder} is damaged: its tensors were changed.")
    return adapter, tensors


def put_in(vlm: Vlm, tensors: Mapping[str, Tensor], settings: LoraSettings) -> None:
    """Load an adapter's tensors into an adapted model.

    Raises
    ------
    MergeError
        Where names or shapes are others.
    """
    wanted = {name: tensor.shape for name, tensor in adapter_tensors(vlm, settings).items()}
    given = {name: tensor.shape for name, tensor in tensors.items()}
    odd = min(
        (name for name in wanted | given if wanted.get(name) != given.get(name)), default=None
    )
    if odd is not None:
        raise MergeError(f"The adapter does not fit the model: {odd} has another shape or place.")
    vlm.load_state_dict(dict(tensors), strict=False)


def merge(base: Path, adapter_folder: Path, out: Path, *, half: bool = False) -> None:
    """Write the base with its adapter merged in as a plain model folder.

    Parameters
    ----------
    base : Path
        The model folder that the adapter was trained on.
    adapter_folder : Path
        What :func:`save_adapter` wrote.
    out : Path
        A new or empty folder.
    half : bool
        Store matrices in half precision: half the size, logits differ in the third digit.

    Raises
    ------
    MergeError
        Where the adapter is already in, belongs to another model, or does not fit.
    WeightsError
        Where the base cannot be read.
    """
    adapter, tensors = read_adapter(adapter_folder)
    if out.exists() and any(out.iterdir()):
        raise MergeError(f"{out} is not empty; name a new folder for the merged model.")
    if adapter.sha256 in _merged_into(base):
        raise MergeError(f"This adapter is merged into {base} already; once is enough.")
    model = load_folder(base)
    _check_base(adapter, model, base)
    adapt(model.vlm, adapter.settings)
    put_in(model.vlm, tensors, adapter.settings)
    if adapter.settings.rank:
        unload(model.vlm)
    card = f"{model.card.rstrip()}\n\nAdapter {adapter.sha256[:12]} merged in.\n"
    save_folder(out, model.config, model.tokenizer, model.siglip, model.vlm, card, half=half)
    history = [*_merged_into(base), adapter.sha256]
    (out / _MERGED).write_text(json.dumps({"adapters": history}) + "\n", encoding="utf-8")


def _check_base(adapter: Adapter, model: LoadedModel, base: Path) -> None:
    if model.sha256 != adapter.base_sha256:
        raise MergeError(
            f"The adapter was trained on {adapter.base_name} ({adapter.base_sha256[:12]}), "
            f"not on the model in {base} ({model.sha256[:12]})."
        )
    if model.text_tokenizer is not model.tokenizer:
        raise MergeError(f"{base} keeps two tokenizers, which a folder of ours cannot hold.")


def _merged_into(folder: Path) -> tuple[str, ...]:
    """Checksums of the adapters that a model folder says it contains."""
    path = folder / _MERGED
    if not path.is_file():
        return ()
    try:
        return tuple(map(str, json.loads(path.read_text(encoding="utf-8"))["adapters"]))
    except (ValueError, KeyError, TypeError) as error:
        raise MergeError(f"{path} is damaged: {error}") from error


def _layers(vlm: Vlm) -> dict[str, Any]:
    from peft.tuners.lora import LoraLayer

    return {name: layer for name, layer in vlm.named_modules() if isinstance(layer, LoraLayer)}

