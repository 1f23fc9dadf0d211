"""From tensors on disk to a network, exactly, one tensor at a time.

A file is mapped into memory, not read: what is stored as it is computed with is used where
it lies, and what has another number format or belongs on a GPU is copied tensor by tensor,
so that there is never a second full copy.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from model_runtime.checkpoints.headers import KEPT, Stored
from model_runtime.errors import WeightsError
from model_runtime.placement import Placement, Precision

_Network = TypeVar("_Network", bound=nn.Module)
_NARROW = ("model.embed_tokens.", "model.layers.", "model.norm.", "lm_head.", "model.mm_projector.")
_FREQUENCIES = ("inv_freq", "original_inv_freq")


@dataclass(frozen=True)
class Loading:
    """How one network's tensors are to be stored, and where."""

    placement: Placement

    def dtype(self, name: str, stored: torch.dtype) -> torch.dtype:
        """Choose the number format of a floating-point tensor.

        The encoders stay in float32: their fast form is derived from it, and BatchNorm's
        statistics need its range. Head and projector stay as they are stored: a bfloat16 head
        changes more words than eight-bit layers do. Under eight or four bits so does all of
        the decoder; its layers' matrices are packed afterwards.
        """
        precision = self.placement.precision
        if precision is Precision.FLOAT32 or not name.startswith(_NARROW):
            return torch.float32
        if precision is Precision.BFLOAT16 and not name.startswith(KEPT):
            return torch.bfloat16
        return torch.bfloat16 if stored is torch.bfloat16 else torch.float32

    def placed(self, name: str, tensor: Tensor) -> Tensor:
        """Convert and move a tensor; the same object where nothing has to be done."""
        if self._is_packed_later(name) and tensor.ndim > 1:
            return tensor
        if not tensor.is_floating_point():
            return tensor.to(self.placement.device)
        return tensor.to(device=self.placement.device, dtype=self.dtype(name, tensor.dtype))

    def _is_packed_later(self, name: str) -> bool:
        """Leave matrices mapped until they are packed: then none is copied whole."""
        packed = self.placement.precision in (Precision.INT8, Precision.INT4)
        return packed and name.startswith("model.layers.")


def on_meta(build: Callable[[], _Network]) -> _Network:
    """Build a network without memory for its weights."""
    with torch.device("meta"):
        return build()


def check_fit(network: nn.Module, tensors: Mapping[str, Stored], where: Path) -> None:
    """Compare names and shapes of a network with those on disk.

    Raises
    ------
    WeightsError
        Naming one tensor that is missing, left over or of another shape, and their number.
    """
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    odd = sorted(
        name
        for name in wanted.keys() | tensors.keys()
        if name not in tensors or wanted.get(name) != tensors[name].shape
    )
    if not odd:
        return
    first = odd[0]
    if first not in tensors:
        fault = f"{first} is missing"
    elif first not in wanted:
        fault = f"{first} has no place in the model"
    else:
        found, taken = _sides(tensors[first].shape), _sides(wanted[first])
        fault = f"{first} is {found}, the model takes {taken}"
    raise WeightsError(
        f"{where} does not fit its config.json: {len(odd)} tensors differ, such as this: {fault}. "
        "It belongs to another model."
    )


def check_opens(path: Path) -> None:
    """Let the library judge a file's header, without its weights.

    Raises
    ------
    WeightsError
        Where tensors overlap, or the header is otherwise not as it has to be.
    """
    try:
        with safe_open(path, framework="pt", device="cpu"):
            pass
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} is cut short or damaged: {error}.") from error


def _sides(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a single number"


def filled(
    build: Callable[[], _Network], tensors: Mapping[str, Stored], placement: Placement, where: Path
) -> _Network:
    """Build a network and put the weights in, exactly.

    Raises
    ------
    WeightsError
        Where they do not fit, or a file is damaged.
    """
    network = on_meta(build)
    check_fit(network, tensors, where)
    network.load_state_dict(_state(tensors, Loading(placement)), assign=True)
    _restore_buffers(network, placement.device)
    network.eval().requires_grad_(False)
    return network


def _state(tensors: Mapping[str, Stored], loading: Loading) -> dict[str, Tensor]:
    names = defaultdict(list)
    for name, stored in tensors.items():
        names[stored.path].append(name)
    state = {}
    for path, inside in names.items():
        try:
            with safe_open(path, framework="pt", device="cpu") as file:
                for name in inside:
                    state[name] = loading.placed(name, file.get_tensor(name))
        except (SafetensorError, OSError) as error:
            raise WeightsError(f"{path} is cut short or damaged: {error}.") from error
    return state


def _restore_buffers(network: nn.Module, device: str) -> None:
    """Recompute what the library keeps outside the weights: rotary frequencies, positions."""
    for module in network.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            if not buffer.is_meta:
                continue
            if name in _FREQUENCIES:
                rotary: Any = type(module)
                fresh = rotary(module.config).inv_freq.clone()
            else:
                fresh = torch.arange(buffer.shape[-1]).expand(buffer.shape).clone()
            module.register_buffer(name, fresh.to(device), persistent=False)
