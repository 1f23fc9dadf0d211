"""Several processes training one model on several devices, or only this one.

Each process draws batches of its own; accelerate averages the gradients before every step, so
that the networks stay copies of one another, or shards them. The first process alone writes
logs and checkpoints.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor, nn


def joined() -> bool:
    """Tell whether this process trains together with others."""
    return dist.is_available() and dist.is_initialized()


def rank() -> int:
    """Return this process's number, 0 for the first or the only one."""
    return dist.get_rank() if joined() else 0


def generator_seed(seed: int, step: int) -> list[int]:
    """Seed of a step's data; a process that is alone draws what it always drew."""
    return [seed, step, rank()] if rank() else [seed, step]


@contextmanager
def launched(device: str = "cpu") -> Iterator[None]:
    """Join the processes that ``torchrun`` started, where it did; each takes its own GPU."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        yield
        return
    # Told to accelerate, which would guess it, and take threads for itself.
    os.environ.setdefault("LOCAL_RANK", os.environ["RANK"])
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    if device.startswith("cuda"):
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def begin_alike(module: nn.Module) -> None:
    """Give every process the first one's weights and statistics."""
    if not joined():
        return
    with torch.no_grad():
        for tensor in (*module.parameters(), *module.buffers()):
            dist.broadcast(tensor, 0)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each gradient by its mean over the processes."""
    for one in parameters:
        if joined() and one.grad is not None:
            dist.all_reduce(one.grad)
            one.grad /= dist.get_world_size()


def finite_everywhere(value: Tensor) -> bool:
    """Tell whether a number is finite in every process, so that all stop together or none."""
    fine = torch.isfinite(value.detach()).all().to(torch.int32)
    if joined():
        dist.all_reduce(fine, op=dist.ReduceOp.MIN)
    return bool(fine)


def wait_for_all() -> None:
    """Go on when every process is here."""
    if joined():
        dist.barrier()
