"""Which files make a checkpoint, and which are never taken.

Only weights in safetensors and tables in JSON or plain text are taken from anywhere: neither
can run code. Pickles and Python files are left where they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from model_runtime.errors import WeightsError

CONFIG, INDEX, WEIGHTS, MANIFEST = (
    "config.json",
    "model.safetensors.index.json",
    "model.safetensors",
    "manifest.json",
)
HOUSE_WEIGHTS = ("siglip.safetensors", "vlm.safetensors")
TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "vocab.txt",
)
_TEXTS = ("card.md", "README.md", "LICENSE", "generation_config.json", "special_tokens_map.json")
_NAMED = {CONFIG, INDEX, WEIGHTS, MANIFEST, *HOUSE_WEIGHTS, *TOKENIZER, *_TEXTS}
_SHARD = re.compile(r"model-\d{5}-of-\d{5}\.safetensors")
PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


def is_shard(name: str) -> bool:
    """Tell whether a file is one part of weights that are spread over several."""
    return _SHARD.fullmatch(name) is not None


def wanted(names: Iterable[str], where: str) -> list[str]:
    """Choose from a listing what belongs to a checkpoint.

    Raises
    ------
    WeightsError
        Where the listing has no configuration, no weights, or only weights as pickles.
    """
    names = sorted(names)
    chosen = [name for name in names if name in _NAMED or is_shard(name)]
    if not any(name.endswith(".safetensors") for name in chosen):
        refuse_pickles(names, where)
        raise WeightsError(f"{where} holds no weights: there is no {WEIGHTS} and no part of one.")
    if CONFIG not in chosen:
        raise WeightsError(f"{where} is not a checkpoint: it lacks {CONFIG}.")
    if WEIGHTS in chosen and INDEX not in chosen:
        chosen = [name for name in chosen if not is_shard(name)]
    return chosen


def refuse_pickles(names: Iterable[str], where: str) -> None:
    """Name the risk where a listing holds weights as pickles.

    Raises
    ------
    WeightsError
        Where it does.
    """
    pickles = sorted(name for name in names if Path(name).suffix.lower() in PICKLES)
    if pickles:
        raise WeightsError(
            f"{pickles[0]} in {where} is a pickle: opening it could run code hidden in it. "
            "Only safetensors are loaded; convert the checkpoint elsewhere first."
        )


def inside(folder: Path, name: str) -> Path:
    """Path of a plain file directly in a folder, never one that a link leads out of it.

    Raises
    ------
    WeightsError
        Where the name has folders in it, or the file is a link to somewhere else.
    """
    if Path(name).name != name or "\\" in name or name in {"", ".", ".."}:
        raise WeightsError(
            f"{folder} names a file outside itself, {name!r}, and is not opened. Do not use it."
        )
    path = folder / name
    if path.is_symlink() and path.resolve().parent != folder.resolve():
        raise WeightsError(
            f"{path} is a link that leads out of its folder and is not followed. "
            "Copy the files themselves, with links resolved."
        )
    return path


def identifying(names: Iterable[str]) -> list[str]:
    """Choose, in order, the files that decide what a model computes: not its texts."""
    tables = {CONFIG, INDEX, *TOKENIZER}
    return sorted(name for name in names if name in tables or name.endswith(".safetensors"))
