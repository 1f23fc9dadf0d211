"""What a folder holds: which of the three layouts, its configuration, tensors and tokenizer.

Everything here is read from tables and headers, without torch and without the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from model_runtime.checkpoints import published, vocabulary
from model_runtime.checkpoints.files import CONFIG, inside, refuse_pickles
from model_runtime.checkpoints.headers import Stored, file_tensors, published_tensors
from model_runtime.config import InputConfig, ModelConfig, SiglipConfig, VlmConfig
from model_runtime.errors import WeightsError
from model_runtime.json_text import read_json

Tensors = Mapping[str, Stored]


class Layout(StrEnum):
    """How a checkpoint lies on disk."""

    HOUSE = "house"
    VLM = "vision-language"
    CONTRASTIVE = "contrastive"


@dataclass(frozen=True, eq=False)
class Contents:
    """What a folder holds; a published one has one network only.

    Attributes
    ----------
    siglip_tensors, vlm_tensors : mapping of str to Stored
        Empty where that network is not there.
    """

    folder: Path
    layout: Layout
    input: InputConfig
    tokenizer: Tokenizer
    siglip: SiglipConfig | None = None
    vlm: VlmConfig | None = None
    siglip_tensors: Tensors | None = None
    vlm_tensors: Tensors | None = None
    house: ModelConfig | None = None

    @property
    def paths(self) -> set[Path]:
        """Files without which nothing can be loaded: configuration and weights."""
        networks = ((self.siglip_tensors or {}), (self.vlm_tensors or {}))
        weights = {stored.path for network in networks for stored in network.values()}
        return weights | {self.folder / CONFIG}


def read_table(folder: Path) -> dict[str, Any]:
    """Read ``config.json``.

    Raises
    ------
    WeightsError
        Where it is missing or damaged.
    """
    if not folder.is_dir():
        raise WeightsError(
            f"There is no model folder at {folder}. Set model_folder to one, or reinstall."
        )
    path = inside(folder, CONFIG)
    if not path.is_file():
        refuse_pickles((entry.name for entry in folder.iterdir()), str(folder))
        raise WeightsError(f"{folder} lacks config.json. Copy the model folder again.")
    try:
        table = read_json(path)
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path} is not usable: {error}.") from error
    if not isinstance(table, dict):
        raise WeightsError(f"{path} is not usable: it is not a table.")
    return table


def layout_of(table: Mapping[str, Any], where: str) -> Layout:
    """Tell the layout from a ``config.json``.

    Raises
    ------
    WeightsError
        Where it is another architecture's.
    """
    match table.get("model_type"):
        case published.VLM_TYPE:
            return Layout.VLM
        case published.CONTRASTIVE_TYPE:
            return Layout.CONTRASTIVE
        case None:
            return Layout.HOUSE
        case other:
            raise WeightsError(
                f"The config.json of {where} is of the architecture {str(other)[:60]!r}; only "
                f"{published.VLM_TYPE!r} (Med3DVLM) and {published.CONTRASTIVE_TYPE!r} (its "
                "contrastive model) are known."
            )


def read_contents(folder: Path) -> Contents:
    """Read what a folder holds.

    Raises
    ------
    WeightsError
        Where something is missing, damaged or of another model.
    """
    table = read_table(folder)
    match layout_of(table, str(folder)):
        case Layout.VLM:
            return _vlm(folder, table)
        case Layout.CONTRASTIVE:
            return _contrastive(folder, table)
        case _:
            return _house(folder)


def _house(folder: Path) -> Contents:
    try:
        config = ModelConfig.from_json(inside(folder, CONFIG).read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{folder / CONFIG} is not usable: {error}") from error
    names = ("tokenizer.json", "siglip.safetensors", "vlm.safetensors")
    missing = [name for name in names if not inside(folder, name).is_file()]
    if missing:
        refuse_pickles((entry.name for entry in folder.iterdir()), str(folder))
        raise WeightsError(f"{folder} lacks {', '.join(missing)}. Copy the model folder again.")
    tokenizer = vocabulary.house_tokenizer(
        folder, min(config.vlm.language.vocab_size, config.siglip.text.vocab_size)
    )
    return Contents(
        folder,
        Layout.HOUSE,
        config.input,
        tokenizer,
        siglip=config.siglip,
        vlm=config.vlm,
        siglip_tensors=file_tensors(folder / "siglip.safetensors"),
        vlm_tensors=file_tensors(folder / "vlm.safetensors"),
        house=config,
    )


def _vlm(folder: Path, table: Mapping[str, Any]) -> Contents:
    tensors = published_tensors(folder)
    # The tokenizer says where <im_patch> is; how many tokens fit is known afterwards.
    config, given = published.vlm_config(table, patch_token=0)
    tokenizer, place = vocabulary.decoder_tokenizer(folder, config.language.vocab_size)
    config = replace(config, prompt=replace(config.prompt, patch_token=place))
    return Contents(folder, Layout.VLM, given, tokenizer, vlm=config, vlm_tensors=tensors)


def _contrastive(folder: Path, table: Mapping[str, Any]) -> Contents:
    tensors = published_tensors(folder)
    config, shape = published.contrastive_config(table, tensors)
    tokenizer = vocabulary.text_tokenizer(folder, config.text.vocab_size)
    return Contents(
        folder,
        Layout.CONTRASTIVE,
        InputConfig(shape),
        tokenizer,
        siglip=config,
        siglip_tensors=tensors,
    )
