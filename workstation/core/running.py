"""Work as a generator that tells how far it is, run to its end."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, TypeVar

Result = TypeVar("Result")


def run_out(steps: Generator[Any, None, Result]) -> Result:
    """Run a generator to its end, leaving out what it tells; returns what it returns."""
    while True:
        try:
            next(steps)
        except StopIteration as ended:
            result: Result = ended.value
            return result
