"""Which seeds are trained on, and why no report is ever in two splits.

The hash of a report's words decides which split may have it. The writer draws phrasings
until the report falls into the share of its own split, so two reports that read alike, but
for case and punctuation, are always of one split.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

FIRST_SEEDS = {
    "training": 0,
    "validation": 100_000,
    "test": 200_000,
    "priors": 300_000,
    "held-out style": 400_000,
}
_SHARES = {
    "training": range(8),
    "validation": range(8, 10),
    "test": range(10, 14),
    "priors": range(14, 16),
    "held-out style": range(10, 14),
}
_PARTS = 16


def split_of(seed: int) -> str:
    """Name the split that a seed belongs to.

    Raises
    ------
    ValueError
        If the seed is negative.
    """
    if seed < 0:
        raise ValueError(f"seeds are not negative: {seed}")
    return [name for name, first in FIRST_SEEDS.items() if first <= seed][-1]


def seeds_of(split: str, count: int) -> range:
    """List the first seeds of a split.

    Raises
    ------
    ValueError
        If the split has fewer.
    """
    ends = {a: FIRST_SEEDS[b] for a, b in pairwise(FIRST_SEEDS)}
    first = FIRST_SEEDS[split]
    if split in ends and first + count > ends[split]:
        raise ValueError(f"{split} has {ends[split] - first} seeds, not {count}")
    return range(first, first + count)


def plain(text: str) -> str:
    """Lower-case a text and keep only its words and numbers, a space between them."""
    return " ".join(re.findall(r"[a-z0-9]+", text.lower()))


def belongs(text: str, seed: int) -> bool:
    """Tell whether a text may be written for a seed: whether its hash is of the seed's split."""
    return zlib.crc32(plain(text).encode()) % _PARTS in _SHARES[split_of(seed)]


@dataclass(frozen=True)
class Overlap:
    """How many of a second set of reports are in a first one."""

    reports: int
    word_for_word: int
    lower_cased: int

    def __str__(self) -> str:
        """Tell the figures in a sentence."""
        return (
            f"{self.word_for_word} of {self.reports} reports are the same word for word, "
            f"{self.lower_cased} when case and punctuation are ignored"
        )


def overlap(first: Iterable[str], second: Iterable[str]) -> Overlap:
    """Count the reports of the second set that the first has too."""
    seen = set(first)
    known, asked = {plain(text) for text in seen}, list(second)
    return Overlap(
        len(asked),
        sum(text in seen for text in asked),
        sum(plain(text) in known for text in asked),
    )
