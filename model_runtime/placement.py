"""Where a model runs and how its numbers are stored."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Precision(StrEnum):
    """How the language model's weights are stored.

    ``INT8`` and ``INT4`` store the decoder layers' matrices only; the head, the projector
    and the encoder stay whole, because all three were trained in full.
    """

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    INT8 = "int8"
    INT4 = "int4"


@dataclass(frozen=True)
class Placement:
    """``device`` as torch names it: ``cpu``, ``cuda``, ``cuda:1``."""

    device: str = "cpu"
    precision: Precision = Precision.FLOAT32
