"""What accelerate does for the loop: device, half precision, accumulation, DDP and FSDP2."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin
from torch import Tensor, nn

from model_runtime.training import processes

Losses = Mapping[str, Tensor]


class LossOf(nn.Module):
    """A trainee as a module whose forward pass is its loss, so that DDP and FSDP can wrap it."""

    def __init__(self, module: nn.Module, loss: Callable[[Any], Losses]) -> None:
        super().__init__()
        self.module = module
        self._loss = loss

    def forward(self, batch: object) -> dict[str, Tensor]:
        """Losses of a batch, by name."""
        return dict(self._loss(batch))


def accelerator_for(
    module: nn.Module, folder: Path, *, bf16: bool, accumulate: int, fsdp: bool
) -> Accelerator:
    """Set accelerate up for one run; what an earlier run of this process set is forgotten."""
    device = next(module.parameters()).device
    AcceleratorState._reset_state(reset_partial_state=True)
    shards = fsdp and processes.joined()
    plugin = _sharding(module) if shards else None
    accelerator = Accelerator(
        cpu=device.type == "cpu",
        mixed_precision="bf16" if bf16 else "no",
        gradient_accumulation_steps=accumulate,
        log_with="tensorboard" if find_spec("tensorboard") else None,
        project_dir=folder,
        fsdp_plugin=plugin,
        # A loss may leave parts alone, as that of CLIP leaves the bias.
        kwargs_handlers=[DistributedDataParallelKwargs(find_unused_parameters=True)],
    )
    if shards and device.type == "cpu":
        # It knows sharding on accelerators only; over gloo the same code runs on processors.
        accelerator.state.distributed_type = DistributedType.FSDP
        accelerator.state.fsdp_plugin = plugin
    return accelerator


def _sharding(module: nn.Module) -> FullyShardedDataParallelPlugin:
    return FullyShardedDataParallelPlugin(
        fsdp_version=2,
        auto_wrap_policy="no_wrap",
        cpu_ram_efficient_loading=False,
        ignored_modules=[nn.ParameterList(scalars(module))],
    )


def scalars(module: nn.Module) -> list[nn.Parameter]:
    """List the numbers that a module learns; FSDP2 cannot shard, so does not average, these."""
    return [one for one in module.parameters() if one.ndim == 0]


def whole(value: Any) -> Any:  # noqa: ANN401
    """Gather what is sharded inside a nest of mappings and lists; every process has to call it."""
    if hasattr(value, "full_tensor"):
        return value.full_tensor()
    if isinstance(value, Mapping):
        return {name: whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [whole(one) for one in value]
    return value


def load_optimizer(optimizer: torch.optim.Optimizer, state: Mapping[str, Any]) -> None:
    """Load the state of an unsharded optimizer; a sharded one takes its part of it."""
    parameters = [one for group in optimizer.param_groups for one in group["params"]]
    shared = {
        place: {name: _part(one, parameters[place]) for name, one in values.items()}
        for place, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": shared})


def _part(value: Any, parameter: Tensor) -> Any:  # noqa: ANN401
    from torch.distributed.tensor import DTensor, distribute_tensor

    if not isinstance(parameter, DTensor) or getattr(value, "shape", None) != parameter.shape:
        return value
    local = value.to(parameter.device)
    return distribute_tensor(local, parameter.device_mesh, parameter.placements)


def unshard(module: nn.Module) -> None:
    """Give every process the whole weights again, where they were sharded."""
    given: dict[int, nn.Parameter] = {}
    for part in module.modules():
        for name, one in part.named_parameters(recurse=False):
            if hasattr(one, "full_tensor"):
                if id(one) not in given:
                    given[id(one)] = nn.Parameter(one.full_tensor(), one.requires_grad)
                part.register_parameter(name, given[id(one)])


def enable_recomputing(module: nn.Module) -> None:
    """Turn on gradient checkpointing in every transformer inside."""
    for part in module.modules():
        # The library renamed it; the old name warns.
        for name in ("activation", "gradient"):
            enable = getattr(part, f"{name}_checkpointing_enable", None)
            if callable(enable):
                enable(**{f"{name}_checkpointing_kwargs": {"use_reentrant": False}})
                break
