"""Whether a stated probability is the share of times it is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

BINS = 10


@dataclass(frozen=True)
class Bin:
    """Answers whose confidence lies above ``low`` and at most at ``high``."""

    low: float
    high: float
    n: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """The reliability table with its sums.

    ``ece`` is the mean distance of confidence from accuracy over the bins, weighted by
    their answers; ``brier`` the mean squared distance of confidence from right (1) or
    wrong (0); both 0 at best.
    """

    ece: float
    brier: float
    n: int
    bins: tuple[Bin, ...]

    def table(self) -> dict[str, Any]:
        """Give it as it is written to JSON."""
        return asdict(self)


def calibration(
    confidence: Sequence[float], right: Sequence[bool], bins: int = BINS
) -> Calibration:
    """Compare confidences with what came out, in bins of equal width; empty ones are left out.

    Raises
    ------
    ValueError
        Where there is nothing to compare, or a confidence is no probability.
    """
    told, hit = np.asarray(confidence, np.float64), np.asarray(right, np.float64)
    if not len(told) or len(told) != len(hit):
        raise ValueError("Calibration needs a confidence for each answer, and at least one.")
    if not (np.isfinite(told).all() and told.min() >= 0 and told.max() <= 1 + 1e-9):
        raise ValueError("A confidence is not a probability between 0 and 1.")
    places = np.clip(np.ceil(told * bins).astype(int) - 1, 0, bins - 1)
    rows = []
    for place in range(bins):
        mine = places == place
        if mine.any():
            means = float(told[mine].mean()), float(hit[mine].mean())
            rows.append(Bin(place / bins, (place + 1) / bins, int(mine.sum()), *means))
    ece = sum(row.n * abs(row.confidence - row.accuracy) for row in rows) / len(told)
    return Calibration(ece, float(((told - hit) ** 2).mean()), len(told), tuple(rows))
