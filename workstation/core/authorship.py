"""Whose characters are whose: the parts of which a report is made.

All positions count characters (code points); spans are half open.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from functools import cached_property

from model_runtime.api import Provenance
from workstation.core.sentences import Span, sentences


class Origin(Enum):
    """Whose words a sentence is: the model's, the model's changed by a person, a person's."""

    MODEL = "model"
    EDITED = "edited"
    HUMAN = "human"


@dataclass(frozen=True)
class Piece:
    """Neighbouring characters of one origin.

    ``run_id`` empty: a person's. Otherwise the piece repeats the characters
    ``start … start + length`` of that run's text.
    """

    length: int
    run_id: str = ""
    start: int = 0

    def part(self, first: int, last: int) -> Piece:
        """Piece of its characters ``first`` up to and without ``last``."""
        return Piece(last - first, self.run_id, self.start + first if self.run_id else 0)

    def continued_by(self, other: Piece) -> bool:
        """Whether ``other`` goes on where this piece ends, in the same origin."""
        follows = not self.run_id or self.start + self.length == other.start
        return self.run_id == other.run_id and follows


@dataclass(frozen=True)
class Fragment:
    """Some text with its origin, as it is cut, pasted and undone."""

    text: str = ""
    pieces: tuple[Piece, ...] = ()

    @staticmethod
    def human(text: str) -> Fragment:
        """Text typed by a person."""
        return Fragment(text, (Piece(len(text)),) if text else ())

    def __len__(self) -> int:
        return len(self.text)

    def __add__(self, other: Fragment) -> Fragment:
        return Fragment(self.text + other.text, _joined((*self.pieces, *other.pieces)))

    def part(self, start: int, end: int) -> Fragment:
        """Characters ``start`` up to and without ``end``."""
        found = []
        at = 0
        for piece in self.pieces:
            first, last = max(start - at, 0), min(end - at, piece.length)
            if first < last:
                found.append(piece.part(first, last))
            at += piece.length
        return Fragment(self.text[start:end], tuple(found))

    def replaced(self, position: int, removed: int, inserted: Fragment) -> Fragment:
        """Fragment with some characters taken out and others put in their place."""
        after = self.part(position + removed, len(self))
        return self.part(0, position) + inserted + after


NOTHING = Fragment()


def _joined(pieces: Iterable[Piece]) -> tuple[Piece, ...]:
    result: list[Piece] = []
    for piece in pieces:
        if result and result[-1].continued_by(piece):
            result[-1] = replace(result[-1], length=result[-1].length + piece.length)
        elif piece.length:
            result.append(piece)
    return tuple(result)


@dataclass(frozen=True)
class Run:
    """What the model wrote at one request.

    Attributes
    ----------
    text : str
        All of it, in the order it came, whatever became of it in the report.
    tokens : tuple of (int, float)
        Characters and natural-log probability of each token; NaN where unknown.
    provenance : Provenance or None
        The receipt, as far as it is known.
    anchor : int or None
        Where in the report the next token goes; None when the run has ended.
    """

    id: str
    text: str = ""
    tokens: tuple[tuple[int, float], ...] = ()
    provenance: Provenance | None = None
    anchor: int | None = None

    @cached_property
    def sentences(self) -> tuple[Span, ...]:
        """Sentences of the run's own text."""
        return sentences(self.text)

    def sentences_around(self, parts: Sequence[Piece]) -> tuple[Span, ...]:
        """Sentences of the run's own text of which some part is in ``parts``."""
        ends = [(part.start, part.start + part.length) for part in parts]
        return tuple(
            span
            for span in self.sentences
            if any(span.start < last and first < span.end for first, last in ends)
        )

    def confidence(self, spans: Sequence[Span]) -> float | None:
        """Mean probability of the tokens inside the spans; None where none is known."""
        middles, probabilities = self._probabilities
        found: list[float] = []
        for start, end in spans:
            found += probabilities[bisect_left(middles, start) : bisect_left(middles, end)]
        return sum(found) / len(found) if found else None

    @cached_property
    def _probabilities(self) -> tuple[list[float], list[float]]:
        """Middles and probabilities of the tokens of which one is known."""
        middles, probabilities = [], []
        at = 0
        for length, logprob in self.tokens:
            if not math.isnan(logprob):
                # The middle decides: a leading space lies before the sentence it opens.
                middles.append(at + length / 2)
                probabilities.append(math.exp(logprob))
            at += length
        return middles, probabilities
