"""How often something on the network is tried."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How often a request without any success is repeated, and after how many seconds.

    ``part`` is how many images one request asks for at most.
    """

    attempts: int = 4
    pause: float = 1.0
    part: int = 64
