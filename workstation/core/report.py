"""A report: its text, and whose every sentence is.

A :class:`Report` is a frozen value; operations return a new one. Each character is
either a person's or stands at a known place of what the model wrote in a run, so whose
a sentence is never has to be guessed from how it looks. All positions count characters
(code points) from the start of the text; spans are half open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from model_runtime.api import Provenance
from workstation.core.authorship import NOTHING, Fragment, Origin, Piece, Run
from workstation.core.sentences import Heading, Span, headings, sentences

_IMPOSSIBLE = -745.0  # the smallest logarithm whose exponential is not zero


@dataclass(frozen=True)
class Sentence:
    """One sentence of a report.

    Attributes
    ----------
    start, end : int
        Where it stands in the report's text.
    accepted : bool
        A person has read it and stands by it as it is.
    run_id : str
        The run its model words come from (the first, if several); empty for a person's.
    original : str
        What the model wrote there; empty for a person's sentence.
    confidence : float or None
        Mean probability of the tokens of ``original``.
    """

    text: str
    origin: Origin
    start: int
    end: int
    accepted: bool = False
    run_id: str = ""
    original: str = ""
    confidence: float | None = None


@dataclass(frozen=True)
class Report:
    """Text, its origin, the runs of the model behind it, and what a person accepted."""

    content: Fragment = NOTHING
    runs: tuple[Run, ...] = ()
    accepted: frozenset[Span] = frozenset()

    @property
    def text(self) -> str:
        """The text as it is read."""
        return self.content.text

    @cached_property
    def headings(self) -> tuple[Heading, ...]:
        """Titles of the sections, in order."""
        return headings(self.text)

    @cached_property
    def sentences(self) -> tuple[Sentence, ...]:
        """Sentences, in order; headings are none."""
        return tuple(self._sentence(span) for span in sentences(self.text))

    @property
    def writing(self) -> bool:
        """Whether a run is still being written into the text."""
        return any(run.anchor is not None for run in self.runs)

    def run(self, run_id: str) -> Run:
        """Run of an id.

        Raises
        ------
        KeyError
            No such run.
        """
        for run in self.runs:
            if run.id == run_id:
                return run
        raise KeyError(run_id)

    def cited_runs(self) -> tuple[Run, ...]:
        """List the runs of whose words some still stand in a sentence, in order of asking."""
        cited = {
            piece.run_id
            for sentence in self.sentences
            for piece in self.content.part(sentence.start, sentence.end).pieces
        }
        return tuple(run for run in self.runs if run.id in cited)

    def _sentence(self, span: Span) -> Sentence:
        content = self.content.part(*span)
        own = [piece for piece in content.pieces if piece.run_id]
        if not own:
            return Sentence(content.text, Origin.HUMAN, *span)
        run = self.run(own[0].run_id)
        around = run.sentences_around([piece for piece in own if piece.run_id == run.id])
        whole = Span(own[0].start, own[0].start + own[0].length)
        untouched = len(content.pieces) == 1 and around == (whole,)
        return Sentence(
            content.text,
            Origin.MODEL if untouched else Origin.EDITED,
            *span,
            accepted=span in self.accepted,
            run_id=run.id,
            original=" ".join(run.text[start:end] for start, end in around),
            confidence=run.confidence(around),
        )


def replaced(report: Report, position: int, removed: int, inserted: Fragment | str) -> Report:
    """Report with ``removed`` characters at ``position`` replaced.

    A string is a person's typing; a fragment brings its origin along. Places where runs
    go on move with the text; what is put in exactly there comes to stand after them.
    """
    fragment = Fragment.human(inserted) if isinstance(inserted, str) else inserted
    grown = len(fragment) - removed

    def moved(anchor: int) -> int:
        if anchor <= position:
            return anchor
        return anchor + grown if anchor >= position + removed else position

    runs = tuple(
        run if run.anchor is None else replace(run, anchor=moved(run.anchor))
        for run in report.runs
    )
    before = {span for span in report.accepted if span.end <= position}
    after = {span.moved(grown) for span in report.accepted if span.start >= position + removed}
    content = report.content.replaced(position, removed, fragment)
    return Report(content, runs, frozenset((before | after) & set(sentences(content.text))))


def edited(report: Report, new_text: str) -> Report:
    """Report after one edit that is known only by the text it led to."""
    position, removed, inserted = difference(report.text, new_text)
    return replaced(report, position, removed, inserted)


def difference(old: str, new: str) -> tuple[int, int, str]:
    """Position, characters removed and text inserted of the one edit from old to new."""
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    return start, len(old) - start - end, new[start : len(new) - end]


def _common(one: str, other: str) -> int:
    """Count the characters with which both begin."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def begin_run(
    report: Report, run_id: str, position: int, provenance: Provenance | None = None
) -> Report:
    """Open a run whose text will go to ``position``, wherever edits move that place."""
    if any(run.id == run_id for run in report.runs):
        raise ValueError(f"The run {run_id!r} is already part of this report.")
    run = Run(run_id, provenance=provenance, anchor=position)
    return replace(report, runs=(*report.runs, run))


def append_model_text(
    report: Report,
    text: str,
    run_id: str,
    logprobs: Sequence[float] = (),
    lengths: Sequence[int] = (),
) -> Report:
    """Write on at the place of an open run.

    ``logprobs`` are the natural-log probabilities of the tokens that make ``text`` and
    ``lengths`` their characters; where these are not known, all share the mean.
    """
    run = report.run(run_id)
    if run.anchor is None:
        raise ValueError(f"The run {run_id!r} has ended.")
    fragment = Fragment(text, (Piece(len(text), run_id, len(run.text)),) if text else ())
    longer = replace(
        run,
        text=run.text + text,
        tokens=(*run.tokens, *_tokens(text, logprobs, lengths)),
        anchor=None,
    )
    report = replaced(_with_run(report, longer), run.anchor, 0, fragment)
    return _with_run(report, replace(longer, anchor=run.anchor + len(text)))


def end_run(report: Report, run_id: str, provenance: Provenance | None = None) -> Report:
    """Close a run; with its receipt if it came to its end."""
    run = report.run(run_id)
    return _with_run(
        report, replace(run, anchor=None, provenance=provenance or run.provenance)
    )


def accept(report: Report, sentence: Sentence, accepted: bool = True) -> Report:
    """Record that a person stands by a sentence as it is (or no longer does)."""
    span = Span(sentence.start, sentence.end)
    kept = report.accepted - {span}
    model_words = sentence.origin is not Origin.HUMAN
    return replace(report, accepted=kept | {span} if accepted and model_words else kept)


def why_not_signed(report: Report, author: str) -> str:
    """Say what keeps a person from signing a report as it stands; empty if nothing does."""
    if not author:
        return "Nobody signs a report: set 'author' in the settings."
    if report.writing:
        return "The model is still writing into this report."
    if not report.text.strip():
        return "There is no report to sign."
    open_ones = sum(s.origin is not Origin.HUMAN and not s.accepted for s in report.sentences)
    if not open_ones:
        return ""
    stands = "sentence of the model is" if open_ones == 1 else "sentences of the model are"
    return f"{open_ones} {stands} not accepted yet: accept (Ctrl+Return), rewrite or remove first."


def with_runs(report: Report, runs: Sequence[Run]) -> Report:
    """Report that also knows other runs, so that their words can be pasted into it."""
    known = {run.id for run in report.runs}
    new = tuple(replace(run, anchor=None) for run in runs if run.id not in known)
    return replace(report, runs=report.runs + new) if new else report


def _with_run(report: Report, run: Run) -> Report:
    return replace(
        report, runs=tuple(run if other.id == run.id else other for other in report.runs)
    )


def _tokens(
    text: str, logprobs: Sequence[float], lengths: Sequence[int]
) -> tuple[tuple[int, float], ...]:
    if lengths and len(lengths) == len(logprobs) and sum(lengths) == len(text):
        return tuple((n, value) for n, value in zip(lengths, logprobs, strict=True) if n)
    if not text or not logprobs:
        return ((len(text), math.nan),) if text else ()
    mean = sum(math.exp(value) for value in logprobs) / len(logprobs)
    return ((len(text), math.log(mean) if mean > 0 else _IMPOSSIBLE),)
