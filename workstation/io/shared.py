"""Memory that the reading processes write and the window reads without a copy."""

from __future__ import annotations

import mmap
import os
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class SharedBlock:
    """One int16 volume that other processes can write by its :attr:`address`.

    On Linux the memory has no name in any file system, so nothing is left behind when the
    program is killed. Elsewhere it is a temporary file, deleted by :meth:`close`.

    Parameters
    ----------
    shape : tuple of int
        (slices, rows, columns).
    """

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.slice_bytes = shape[1] * shape[2] * 2
        size = max(shape[0] * self.slice_bytes, 1)
        self._file: Path | None = None
        self._descriptor, self.address = self._create()
        os.ftruncate(self._descriptor, size)
        memory = mmap.mmap(self._descriptor, size)
        self.voxels: NDArray[np.int16] = np.frombuffer(memory, np.int16).reshape(shape)

    def offset(self, index: int) -> int:
        """Byte at which slice ``index`` starts."""
        return index * self.slice_bytes

    def close(self) -> None:
        """End the writers' access; ``voxels`` stays valid for as long as it is referenced."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def _create(self) -> tuple[int, str]:
        if hasattr(os, "memfd_create"):
            descriptor = os.memfd_create("tomoscribe-volume", os.MFD_CLOEXEC)
            return descriptor, f"/proc/{os.getpid()}/fd/{descriptor}"
        descriptor, name = tempfile.mkstemp(prefix="tomoscribe-")
        self._file = Path(name)
        return descriptor, name


def write_block(address: str, offset: int, pixels: NDArray[np.int16]) -> None:
    """Write pixels into another process's :class:`SharedBlock`, from byte ``offset`` on."""
    with Path(address).open("r+b", buffering=0) as block:
        block.seek(offset)
        view = np.ascontiguousarray(pixels).data.cast("B")
        while view.nbytes:
            view = view[block.write(view) :]
