"""What can keep a model from loading or answering; without torch, for those who only host it."""

from __future__ import annotations

import errno
import traceback
from pathlib import Path

_OUT_OF_MEMORY = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "cublas_status_alloc_failed",
)


class WeightsError(Exception):
    """A model folder cannot be used; the message says which file, why and what to do."""


class NotEnoughMemoryError(WeightsError):
    """A model is too large for this machine as it is placed; a smaller placement may do."""


def place_of(error: BaseException) -> str:
    """Tell where a fault arose, for a log: files, lines and functions, the innermost last.

    The traceback without its words, which may name a patient.
    """
    return " > ".join(
        f"{Path(frame.f_code.co_filename).name}:{line} {frame.f_code.co_name}"
        for frame, line in traceback.walk_tb(error.__traceback__)
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether a fault is a want of memory, of the processor's or of a GPU.

    Torch tells the first as a RuntimeError and the second as an OutOfMemoryError of its own.
    """
    if isinstance(error, MemoryError | NotEnoughMemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    if type(error).__name__ == "OutOfMemoryError":
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in said for words in _OUT_OF_MEMORY)
