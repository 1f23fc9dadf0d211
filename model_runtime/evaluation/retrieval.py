"""Retrieval both ways among the first N test items, with ties counted honestly.

Where several items score alike, the published evaluation lets the sorting decide. Here
the chance that the right one comes first is counted (``expected``), and beside it what
the kindest and the unkindest sorting would give. Captions that occur more than once make
such ties by themselves, so they are counted too, and the clean protocol leaves them out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_runtime.evaluation.intervals import estimate, mean_of
from model_runtime.phantom.case import Case

COUNTS = (100, 500, 1000, 2000)
KS = (1, 5, 10)
WAYS = ("volume to text", "text to volume")


@dataclass(frozen=True, eq=False)
class Ranks:
    """For each query: how many items score higher than its own, and how many others equal it.

    Both of shape (N,).
    """

    above: NDArray[np.int64]
    equal: NDArray[np.int64]

    def expected(self, k: int) -> NDArray[np.float64]:
        """Chance that the own item is among the best ``k`` when ties are broken by lot."""
        return np.clip((k - self.above) / (self.equal + 1), 0, 1)

    def optimistic(self, k: int) -> float:
        """Share found where the own item wins all its ties."""
        return float((self.above < k).mean())

    def pessimistic(self, k: int) -> float:
        """Share found where the own item loses all its ties."""
        return float((self.above + self.equal < k).mean())


def rank_own(scores: NDArray[np.floating[Any]]) -> Ranks:
    """Rank each row's own column.

    Parameters
    ----------
    scores : ndarray, shape (N, N)
        Rows are queries; the right item of row n is column n.

    Raises
    ------
    ValueError
        For another shape, or a score that is not a number.
    """
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1]:
        raise ValueError(f"Scores of shape {scores.shape} do not pair each query with an item.")
    if not np.isfinite(scores).all():
        raise ValueError("Some scores are not numbers.")
    own = np.diag(scores)[:, None]
    return Ranks((scores > own).sum(axis=1), (scores == own).sum(axis=1) - 1)


def retrieval_table(
    scores: NDArray[np.floating[Any]],
    captions: Sequence[str],
    counts: Sequence[int] = COUNTS,
    facts: Sequence[Hashable] | None = None,
) -> dict[str, Any]:
    """R@1, R@5 and R@10 both ways among the first 100, 500, 1000 and 2000 items.

    Parameters
    ----------
    scores : ndarray, shape (N, N)
        Similarity of volume (row) and caption (column).
    captions
        The texts, in the order of the columns.
    facts
        What there is to tell about each item, where that is known; items of which it is the
        same differ in their words only.

    Returns
    -------
    dict
        By number of items; a number that the data does not reach is not there. All items
        are taken where they are fewer than the smallest number.
    """
    reached = [count for count in counts if count <= len(captions)] or [len(captions)]
    return {
        str(count): _among_first(scores[:count, :count], captions[:count], facts and facts[:count])
        for count in reached
    }


def facts_of(case: Case) -> Hashable:
    """Tell all that a report of a case tells, apart from its words."""
    told = [replace(finding, at=(0.0, 0.0, 0.0)) for finding in case.findings]
    return case.region, case.plane, case.phase, tuple(sorted(told, key=repr))


def ceiling(facts: Sequence[Hashable]) -> float:
    """R@1 in percent of a search that tells all items apart but those that are alike."""
    held = Counter(facts)
    return 100 * float(np.mean([1 / held[fact] for fact in facts]))


def distinct_items(captions: Sequence[str]) -> list[int]:
    """Places of the first item with each caption: what the clean protocol keeps."""
    first: dict[str, int] = {}
    for place, caption in enumerate(captions):
        first.setdefault(_plain(caption), place)
    return list(first.values())


def _among_first(
    scores: NDArray[np.floating[Any]], captions: Sequence[str], facts: Sequence[Hashable] | None
) -> dict[str, Any]:
    plain = [_plain(caption) for caption in captions]
    held = Counter(plain)
    table: dict[str, Any] = {
        "items": len(captions),
        "items whose caption another has too": sum(n for n in held.values() if n > 1),
        "captions that occur more than once": sum(n > 1 for n in held.values()),
        "R@1 ceiling, identical reports": ceiling(plain),
    }
    if facts:
        table["R@1 ceiling, identical facts"] = ceiling(facts)
    for way, matrix in zip(WAYS, (scores, scores.T), strict=True):
        ranks = rank_own(matrix)
        table[way] = {"queries with ties": int((ranks.equal > 0).sum())}
        for k in KS:
            hits = 100 * ranks.expected(k)
            table[way][f"R@{k}"] = estimate(mean_of(hits), len(hits)).table() | {
                "optimistic": 100 * ranks.optimistic(k),
                "pessimistic": 100 * ranks.pessimistic(k),
                "chance": 100 * min(1.0, k / len(hits)),
            }
    return table


def _plain(caption: str) -> str:
    return " ".join(caption.split()).lower()
