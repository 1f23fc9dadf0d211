"""What a host and the process of its model say to each other, and how a volume gets across.

Voxels cross once for each volume, into memory that both processes see: on Linux it has no name
in any file system, so nothing is left behind whoever is killed. Elsewhere they go through the
pipe.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_runtime import api

_NO_VOXELS = np.empty((0, 0, 0), np.int16)


@dataclass(frozen=True)
class Hold:
    """To the model: keep the voxels at ``address``; without one they follow as bytes."""

    key: str
    shape: tuple[int, ...]
    dtype: str
    address: str = ""


@dataclass(frozen=True)
class Forget:
    """To the model: let go of a volume."""

    key: str


@dataclass(frozen=True, eq=False)
class Ask:
    """To the model: answer; the request's volume comes without its voxels."""

    number: int
    request: api.Request


@dataclass(frozen=True)
class Cancel:
    """To the model: stop answering."""

    number: int


@dataclass(frozen=True)
class Loaded:
    """From the model: it is ready."""

    info: api.ModelInfo


@dataclass(frozen=True)
class Unusable:
    """From the model: it cannot be loaded; a sentence why."""

    message: str
    out_of_memory: bool = False


@dataclass(frozen=True)
class Held:
    """From the model: the voxels are there."""

    key: str


@dataclass(frozen=True, eq=False)
class Told:
    """From the model: an event of the request with that number."""

    number: int
    event: api.Event


@contextmanager
def shared(voxels: NDArray[np.generic]) -> Iterator[str]:
    """Lay voxels into memory that another process can map for as long as this lasts.

    Yields its address, empty where there is no such memory.
    """
    if not hasattr(os, "memfd_create") or not voxels.nbytes:
        yield ""
        return
    descriptor = os.memfd_create("tomoscribe-model", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, voxels.nbytes)
        with mmap.mmap(descriptor, voxels.nbytes) as memory:
            room = np.frombuffer(memory, voxels.dtype).reshape(voxels.shape)
            np.copyto(room, voxels)
            del room  # a mapping that is looked into cannot be closed
        yield f"/proc/{os.getpid()}/fd/{descriptor}"
    finally:
        os.close(descriptor)


def received(hold: Hold, pipe: Connection) -> NDArray[np.generic]:
    """Take the voxels that a message announces; changes to them stay in this process."""
    if not hold.address:
        return np.frombuffer(bytearray(pipe.recv_bytes()), hold.dtype).reshape(hold.shape)
    with Path(hold.address).open("rb") as block:
        memory = mmap.mmap(block.fileno(), 0, access=mmap.ACCESS_COPY)
    return np.frombuffer(memory, hold.dtype).reshape(hold.shape)


def without_voxels(request: api.Request) -> api.Request:
    """Copy a request without the voxels of its volume."""
    if request.volume is None:
        return request
    return replace(request, volume=replace(request.volume, voxels=_NO_VOXELS))


def with_voxels(request: api.Request, held: dict[str, NDArray[np.generic]]) -> api.Request:
    """Put the voxels back."""
    if request.volume is None:
        return request
    voxels: NDArray[np.int16] = held[request.volume.key].view()  # type: ignore[assignment]
    return replace(request, volume=replace(request.volume, voxels=voxels))
