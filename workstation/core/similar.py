"""A prior case that resembles what is open, as it is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class SimilarCase:
    """One hit of the index.

    Attributes
    ----------
    score : float
        Cosine of the embeddings, −1 to 1.
    findings : tuple of str
        Findings by their short names, as in the report's impression.
    thumbnail : ndarray of uint8, shape (h, w) or None
        Windowed picture.
    """

    case_id: str
    score: float
    description: str
    date: str
    age: str
    sex: str
    region: str
    findings: tuple[str, ...]
    report: str
    thumbnail: NDArray[np.uint8] | None = None
    synthetic: bool = False
