"""From a model folder to an engine, hosted as it is wished; without torch where it can be."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from model_runtime import api
from model_runtime.fallback import FallbackEngine, ladder
from model_runtime.idle import IdleUnload
from model_runtime.placement import Placement, Precision

Host = Literal["thread", "process"]
AUTOMATIC = "auto"
_LARGE_BYTES = 2 << 30


@dataclass(frozen=True)
class Hosting:
    """How a model is hosted.

    Attributes
    ----------
    host : str
        ``thread``: in the caller's; ``process``: in one of its own that may end unexpectedly.
    device : str
        As torch names it, or ``auto``: a GPU where one can be used.
    precision : Precision or None
        The first to be tried; None chooses by device and size.
    idle_seconds : float
        How long the model stays loaded without a request; 0 is for ever.
    """

    host: Host = "thread"
    device: str = AUTOMATIC
    precision: Precision | None = None
    idle_seconds: float = 0.0


def open_engine(
    folder: Path,
    hosting: Hosting | None = None,
    contrastive: Path | None = None,
    notices: Sequence[str] = (),
) -> FallbackEngine:
    """Load the model of a folder, with a contrastive model of its own where one is given.

    ``notices`` are told with the first request.

    Raises
    ------
    WeightsError
        Where the folder cannot be used, or no placement has memory enough.
    """
    hosting = hosting or Hosting()
    load = _in_process if hosting.host == "process" else _in_thread
    device, complaints = _device(hosting.device)
    precision = hosting.precision or _precision(folder, device)

    def placed(placement: Placement) -> api.Engine:
        if hosting.idle_seconds <= 0:
            return load(folder, placement, contrastive)
        return IdleUnload(lambda: load(folder, placement, contrastive), hosting.idle_seconds)

    return FallbackEngine(placed, ladder(device, precision), (*notices, *complaints))


def _in_thread(folder: Path, placement: Placement, contrastive: Path | None) -> api.Engine:
    from model_runtime.engine import LocalEngine

    return LocalEngine(folder, placement, contrastive)


def _in_process(folder: Path, placement: Placement, contrastive: Path | None) -> api.Engine:
    from model_runtime.host import ProcessHost

    return ProcessHost(folder, placement, contrastive)


def _device(wished: str) -> tuple[str, tuple[str, ...]]:
    """Choose a device that is there, and say so where it is not the one wished."""
    count = gpu_count()
    if wished == AUTOMATIC:
        return ("cuda" if count else "cpu"), ()
    number = int(wished.partition(":")[2] or 0)
    if wished == "cpu" or number < count:
        return wished, ()
    return "cpu", (f"No GPU {wished} can be used here; the model runs on the processor.",)


def _precision(folder: Path, device: str) -> Precision:
    """Choose how numbers are stored: exactly where the model is small and a processor runs it."""
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    small = device == "cpu" and size < _LARGE_BYTES
    return Precision.FLOAT32 if small else Precision.BFLOAT16


def gpu_count() -> int:
    """Count the GPUs that the installed torch can use, without importing it."""
    found = importlib.util.find_spec("torch")
    places = found.submodule_search_locations if found is not None else None
    name = "torch_cuda.dll" if sys.platform == "win32" else "libtorch_cuda.so"
    if not places or not (Path(places[0]) / "lib" / name).exists():
        return 0
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    begun: Callable[[int], int] = driver.cuInit
    if begun(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
