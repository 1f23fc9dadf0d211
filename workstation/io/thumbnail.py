"""Small pictures for the series list, made in the reading process."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workstation.core.display import Window, automatic_window, window_table
from workstation.io.channel import Message

EDGE = 128


def thumbnail_of(item: Message) -> Message:
    """Job ``thumbnail``: picture of one frame of a DICOM file, in its own window."""
    from workstation.io.pixels import decode

    decoded = decode(Path(item["path"]), int(item["frame"]))
    window = Window(*decoded.window) if decoded.window else None
    return picture(decoded.values, window)


def picture(values: NDArray[np.int16], window: Window | None) -> Message:
    """Grey picture of at most :data:`EDGE` pixels a side, as a message."""
    step = max(1, -(-max(values.shape) // EDGE))
    small = np.ascontiguousarray(values[step // 2 :: step, step // 2 :: step])
    chosen = window or automatic_window(values)
    grey = window_table(chosen)[small.astype(np.int32) + 32768]
    return {"shape": grey.shape, "grey": base64.b64encode(grey.tobytes()).decode("ascii")}


def from_message(message: Message) -> NDArray[np.uint8]:
    """Read back the picture of a message: uint8 (h, w)."""
    grey = np.frombuffer(base64.b64decode(message["grey"]), np.uint8)
    return grey.reshape(message["shape"])
