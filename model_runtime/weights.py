"""A model on disk: a folder with configuration, tokenizer, weights and their checksums.

Ours: ``config.json``, ``tokenizer.json``, ``siglip.safetensors``, ``vlm.safetensors``,
``manifest.json`` (sha256 of the others) and ``card.md``, weights in half precision. Those of
the published Med3DVLM are read as they are; see :mod:`model_runtime.checkpoints`. Nothing is
ever unpickled.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from model_runtime.checkpoints.check import paired
from model_runtime.checkpoints.contents import Contents, Layout, read_contents
from model_runtime.checkpoints.files import identifying
from model_runtime.checkpoints.manifest import (
    Manifest,
    check_files,
    entry_of,
    file_sha256,
    read_manifest,
)
from model_runtime.checkpoints.memory import check_memory, memory_needed
from model_runtime.checkpoints.network import filled
from model_runtime.config import ModelConfig, published_7b
from model_runtime.errors import NotEnoughMemoryError, WeightsError
from model_runtime.placement import Placement, Precision
from model_runtime.siglip import Siglip
from model_runtime.vlm import Vlm

__all__ = [
    "LoadedModel",
    "NotEnoughMemoryError",
    "WeightsError",
    "file_sha256",
    "load_folder",
    "memory_needed",
    "save_folder",
    "text_ids",
]

_FILES = ("config.json", "tokenizer.json", "siglip.safetensors", "vlm.safetensors")
_TEXT_LENGTH = 256


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
    *,
    half: bool = True,
) -> None:
    """Write a model folder, matrices in half precision unless they are wanted as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(config.to_json() + "\n", encoding="utf-8")
    tokenizer.save(str(folder / "tokenizer.json"))
    for name, network in (("siglip", siglip), ("vlm", vlm)):
        tensors = _stored(network.state_dict(), half=half)
        save_file(tensors, folder / f"{name}.safetensors")
    (folder / "card.md").write_text(card, encoding="utf-8")
    sums = {name: file_sha256(folder / name) for name in _FILES}
    (folder / "manifest.json").write_text(json.dumps(sums, indent=2) + "\n", encoding="utf-8")


def load_folder(
    folder: Path, placement: Placement | None = None, contrastive: Path | None = None
) -> LoadedModel:
    """Read and check a model: a folder of ours, or one as Med3DVLM was published.

    Weights are mapped into memory and copied only where they change their number format or
    their device. A published folder without ``manifest.json`` is summed up first.

    Parameters
    ----------
    folder : Path
        The vision-language model; in our own layout with its contrastive model.
    contrastive : Path, optional
        The published contrastive model, whose encoder is another than the first's.

    Raises
    ------
    WeightsError
        Where a file is missing, damaged, of another model, or of a format that can run code.
    NotEnoughMemoryError
        Before anything is loaded, where it would not fit.
    """
    placement = placement or Placement()
    parts = paired(
        read_contents(folder), None if contrastive is None else read_contents(contrastive)
    )
    sums = [_digest(part) for part in parts]
    check_memory(parts, placement)
    return LoadedModel(
        config=_config(parts),
        tokenizer=parts[0].tokenizer,
        text_tokenizer=parts[-1].tokenizer,
        contrastive=_siglip(parts[-1], placement),
        vlm=_vlm(parts[0], placement),
        sha256=sums[0] if len(sums) == 1 else hashlib.sha256("".join(sums).encode()).hexdigest(),
        card=_card(folder),
        placement=placement,
    )


def text_ids(model: LoadedModel, text: str) -> list[int]:
    """Ids of a text for the contrastive text tower, which reads its first token's state.

    Ours was trained with ``<cls>`` in front, the published one with ``[CLS]`` and ``[SEP]``
    around; what is beyond the tower's length is left out.

    Raises
    ------
    WeightsError
        Where there is no contrastive model, or its tokenizer is of neither kind.
    """
    tokenizer = model.text_tokenizer
    places = model.siglip.config.text.max_position_embeddings
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False).ids
    house, first, last = map(tokenizer.token_to_id, ("<cls>", "[CLS]", "[SEP]"))
    if house is not None:
        return [house, *ids][: min(_TEXT_LENGTH, places)]
    if first is None or last is None:
        raise WeightsError("The text tower's tokenizer knows no first token.")
    return [first, *ids[: places - 2], last]


def _config(parts: tuple[Contents, ...]) -> ModelConfig:
    """Put a configuration together; the contrastive one's stands in where there is none."""
    main = parts[0]
    if main.house is not None:
        return main.house
    like = published_7b()
    return replace(
        like,
        name=main.folder.name,
        input=main.input,
        siglip=parts[-1].siglip or like.siglip,
        vlm=main.vlm or like.vlm,
    )


def _siglip(part: Contents, placement: Placement) -> Siglip | None:
    config, tensors = part.siglip, part.siglip_tensors
    if config is None or tensors is None:
        return None
    return filled(lambda: Siglip(config), tensors, placement, part.folder)


def _vlm(part: Contents, placement: Placement) -> Vlm:
    config, tensors = part.vlm, part.vlm_tensors
    if config is None or tensors is None:
        raise WeightsError(f"{part.folder} holds no vision-language model.")
    vlm = filled(lambda: Vlm(config), tensors, placement, part.folder)
    if placement.precision in (Precision.INT8, Precision.INT4):
        from model_runtime.quantise import quantise

        quantise(vlm, placement.precision, placement.device)
    return vlm


def _digest(part: Contents) -> str:
    """Check the files against the manifest; returns one checksum for the model."""
    folder = part.folder
    manifest = read_manifest(folder)
    if manifest is None and part.layout is Layout.HOUSE:
        raise WeightsError(f"{folder} lacks manifest.json. Copy the model folder again.")
    if manifest is None:
        names = identifying(path.name for path in folder.iterdir() if path.is_file())
        return Manifest({name: entry_of(folder / name) for name in names}).digest(names)
    names = list(_FILES) if part.layout is Layout.HOUSE else identifying(manifest.files)
    lacking = {path.name for path in part.paths} - manifest.files.keys()
    if lacking:
        raise WeightsError(f"{folder / 'manifest.json'} is damaged: it lacks {min(lacking)}.")
    return check_files(folder, manifest, thorough=False).digest(names)


def _card(folder: Path) -> str:
    for name in ("card.md", "README.md"):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8", errors="replace")
    return ""


def _stored(state: dict[str, Tensor], *, half: bool) -> dict[str, Tensor]:
    """Halve matrices only: layer scales of 1e-6 and large variances need their full range."""
    return {
        name: (tensor.half() if half and tensor.is_floating_point() and tensor.ndim > 1 else tensor)
        .detach()
        .contiguous()
        for name, tensor in state.items()
    }
