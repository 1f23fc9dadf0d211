"""How much memory a checkpoint takes, told before it is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import psutil

from model_runtime.checkpoints.contents import Contents, read_contents
from model_runtime.checkpoints.headers import KEPT, Stored
from model_runtime.config import EncoderConfig, InputConfig, VlmConfig
from model_runtime.errors import NotEnoughMemoryError
from model_runtime.placement import Placement, Precision

# A scale and an offset of two bytes for every 64 weights in four bits; a scale a row in eight.
_PACKED = {Precision.INT8: 1.01, Precision.INT4: 0.5 + 4 / 64}
_KEPT_PREFIXES = 4
_WRITTEN = 1024
_MAPS_AT_ONCE = 6
_LIBRARY = 200_000_000
"""What the library takes for itself while it computes."""
GIGA = 1_000_000_000


def memory_needed(folder: Path, precision: Precision, contrastive: Path | None = None) -> int:
    """Compute the bytes that a model takes once loaded: weights, caches and activations.

    Raises
    ------
    WeightsError
        Where a folder holds no usable checkpoint.
    """
    contents = [read_contents(each) for each in (folder, contrastive) if each is not None]
    return bytes_needed(contents, precision)


def bytes_needed(contents: Iterable[Contents], precision: Precision) -> int:
    """Compute the bytes that checkpoints take together."""
    total, working = 0.0, 0
    for part in contents:
        total += sum(_weight(name, t, precision) for name, t in (part.vlm_tensors or {}).items())
        total += sum(4 * tensor.count for tensor in (part.siglip_tensors or {}).values())
        if part.vlm is not None:
            total += _caches(part.vlm, precision)
        for network in (part.vlm, part.siglip):
            if network is not None:
                working = max(working, _activations(network.encoder, part.input))
    return int(total) + working + _LIBRARY


def check_memory(contents: Iterable[Contents], placement: Placement) -> None:
    """Refuse what does not fit, with both figures and what would fit.

    Raises
    ------
    NotEnoughMemoryError
        Where less is free than is needed.
    """
    parts = tuple(contents)
    free = free_memory(placement.device)
    need = bytes_needed(parts, placement.precision)
    if need <= free:
        return
    smaller = tuple(Precision)[tuple(Precision).index(placement.precision) + 1 :]
    offers = [(each, bytes_needed(parts, each)) for each in smaller]
    fits = [f"{each} needs {_giga(size)}" for each, size in offers if size <= free]
    rest = ", ".join(fits) + "." if fits else "nothing smaller fits either."
    where = "memory" if placement.device == "cpu" else "GPU memory"
    raise NotEnoughMemoryError(
        f"The model needs {_giga(need)} of {where} as {placement.precision}, "
        f"{_giga(free)} are free; {rest}"
    )


def free_memory(device: str) -> int:
    """Bytes that can be taken on a device without swapping."""
    if device == "cpu":
        return int(psutil.virtual_memory().available)
    import torch

    free, _ = torch.cuda.mem_get_info(device)
    return int(free)


def _giga(size: int) -> str:
    return f"{size / GIGA:.1f} GB" if size >= GIGA / 10 else f"{size / 1e6:.0f} MB"


def _weight(name: str, tensor: Stored, precision: Precision) -> float:
    """Bytes of one tensor of the vision-language model as it will be kept."""
    if precision is Precision.FLOAT32 or name.startswith("model.vision_tower."):
        return 4 * tensor.count
    if name.startswith("model.layers.") and len(tensor.shape) > 1:
        return _PACKED.get(precision, 2) * tensor.count
    narrowed = precision is Precision.BFLOAT16 and not name.startswith(KEPT)
    return (2 if narrowed or tensor.dtype == "BF16" else 4) * tensor.count


def _caches(config: VlmConfig, precision: Precision) -> int:
    """Bytes of the keys and values of the volumes that are kept and of what is being written."""
    language = config.language
    width = 2 if precision is Precision.BFLOAT16 else 4
    head = language.hidden_size // language.heads
    token = 2 * language.layers * language.kv_heads * head * width
    return token * _KEPT_PREFIXES * (config.projector.image_tokens + _WRITTEN)


def _activations(encoder: EncoderConfig, given: InputConfig) -> int:
    """Bytes of the encoder's largest maps, those of its stem."""
    depth, height, width = given.shape
    cells = (depth // 4) * (height // 4) * (width // 4)
    return 4 * (depth * height * width + _MAPS_AT_ONCE * encoder.channels[0] * cells)
