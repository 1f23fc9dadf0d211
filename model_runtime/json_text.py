"""JSON that others wrote: never larger or deeper nested than it can be read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LARGEST = 64 << 20


def read_json(path: Path, largest: int = LARGEST) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Read a JSON file.

    Raises
    ------
    OSError
        Where it cannot be read.
    ValueError
        Where it is no JSON, larger than ``largest`` bytes, or nested too deeply.
    """
    size = path.stat().st_size
    if size > largest:
        raise ValueError(f"it is larger than {largest >> 20} MB")
    return parse_json(path.read_bytes())


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401
    """Parse JSON; what is nested too deeply is a ValueError like other damage."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
