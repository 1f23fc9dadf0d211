"""A draft that the model writes once more from its beginning, while a person goes on reading it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from workstation.core.authorship import Origin
from workstation.core.report import Report
from workstation.core.sentences import Span

Written = tuple[str, tuple[float, ...]]


@dataclass
class Rewriting:
    """Compares what comes a second time with what was written the first time.

    The same words are not written again, so that nothing a person did to them is lost.

    Attributes
    ----------
    before : str
        What the run had written when its stream began anew.
    """

    before: str
    _again: list[Written] = field(default_factory=list)

    @property
    def again(self) -> tuple[Written, ...]:
        """What came since, in order: texts with the logarithms of their probabilities."""
        return tuple(self._again)

    @property
    def is_same(self) -> bool:
        """Whether all that was written before has come again, and nothing else."""
        return self._heard == self.before

    def take(self, text: str, logprobs: Sequence[float]) -> str | None:
        """Give what is new after what stands there; None where the words differ.

        Once the answer is not empty, or is None, nothing more is to be compared.
        """
        self._again.append((text, tuple(logprobs)))
        heard = self._heard
        if self.before.startswith(heard):
            return ""
        return heard[len(self.before) :] if heard.startswith(self.before) else None

    @property
    def _heard(self) -> str:
        return "".join(text for text, _ in self._again)


def void_parts(report: Report, run_id: str) -> tuple[Span, ...]:
    """Find the text of a run that no person edited or accepted, from the last to the first."""
    kept = [
        sentence
        for sentence in report.sentences
        if sentence.accepted or sentence.origin is Origin.EDITED
    ]
    parts: list[Span] = []
    at = 0
    for piece in report.content.pieces:
        start, at = at, at + piece.length
        if piece.run_id != run_id:
            continue
        for sentence in kept:
            if start < sentence.end and sentence.start < at:
                parts.append(Span(start, max(start, sentence.start)))
                start = min(at, sentence.end)
        parts.append(Span(start, at))
    return tuple(reversed([part for part in parts if part.start < part.end]))
