"""How stored values become grey: windows and their presets."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """Window width and centre (level), in HU or stored units."""

    width: float
    center: float

    @property
    def low(self) -> float:
        """Value shown black."""
        return self.center - self.width / 2

    @property
    def high(self) -> float:
        """Value shown white."""
        return self.center + self.width / 2

    @classmethod
    def from_range(cls, low: float, high: float) -> Window:
        """Window that shows ``low`` black and ``high`` white."""
        return cls(width=high - low, center=(low + high) / 2)

    def dragged(self, right: float, up: float) -> Window:
        """Window after a drag of pixels: right widens, up lowers the centre (brighter)."""
        speed = max(self.width, 50.0) / 250
        return Window(
            width=max(1.0, round(self.width + right * speed)),
            center=round(self.center - up * speed),
        )


@lru_cache(maxsize=32)
def window_table(window: Window, inverted: bool = False) -> NDArray[np.uint8]:
    """Grey value of every int16 value, index 0 being −32768.

    The linear VOI function of DICOM PS3.3 C.11.2.1.2.1, with its half-unit terms:
    ``((x − (c − 0.5)) / (w − 1) + 0.5) · 255``, clamped.

    Returns
    -------
    ndarray of uint8, shape (65536,)
    """
    values = np.arange(-32768, 32768, dtype=np.float64)
    width = max(window.width, 1.0)
    if width <= 1:
        grey = np.where(values <= window.center - 0.5, 0.0, 255.0)
    else:
        grey = ((values - (window.center - 0.5)) / (width - 1) + 0.5) * 255
    table = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    table = 255 - table if inverted else table
    table.flags.writeable = False
    return table


@dataclass(frozen=True)
class WindowPreset:
    """A named window with its key: ``1``–``9``, ``0`` (auto) or ````` (as the header says)."""

    id: str
    name: str
    key: str
    window: Window | None


def read_window_presets(path: Path) -> tuple[WindowPreset, ...]:
    """Read the presets of a TOML file (resources/window_presets.toml), in key order.

    A preset without ``width`` is computed: ``auto`` from the pixels, ``header`` from DICOM.
    """
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    return tuple(
        WindowPreset(
            id=entry["id"],
            name=entry["name"],
            key=entry.get("key", ""),
            window=Window(entry["width"], entry["center"]) if "width" in entry else None,
        )
        for entry in table["preset"]
    )


def automatic_window(voxels: NDArray[np.int16]) -> Window:
    """Window from the 1st to the 99th percentile of a sample of the values above air."""
    sample = voxels.reshape(-1)[:: max(1, voxels.size // 200_000)]
    body = sample[sample > -900]
    low, high = np.percentile(body if body.size > 100 else sample, (1, 99))
    return Window.from_range(float(round(low)), float(max(round(high), round(low) + 1)))
