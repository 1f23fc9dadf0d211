"""Where the headings and the sentences of a report's text lie.

All positions count characters (code points) from the start of the text; spans are
half open.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

SECTIONS = (
    "Clinical information",
    "Indication",
    "Comparison",
    "Technique",
    "Findings",
    "Impression",
    "Conclusion",
    "Recommendation",
)

_HEADING = re.compile(
    rf"[ \t]*(?P<name>{'|'.join(SECTIONS)})[ \t]*(?::|(?=[ \t]*$))[ \t]*",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?]+[\"')\]]*(?=\s|$)")
_LAST_WORD = re.compile(r"\S+$")
_ENUMERATOR = re.compile(r"(?:[-•*]\s*)?\d{1,2}\.$")
_ABBREVIATIONS = frozenset({"e.g.", "i.e.", "approx.", "dr.", "vs.", "cf.", "ca.", "fig.", "resp."})


class Span(NamedTuple):
    """Characters ``start`` up to and without ``end``."""

    start: int
    end: int

    def moved(self, by: int) -> Span:
        """Span shifted by some characters."""
        return Span(self.start + by, self.end + by)


class Heading(NamedTuple):
    """A section's title in the text, with the colon if there is one."""

    name: str
    start: int
    end: int


def headings(text: str) -> tuple[Heading, ...]:
    """Section titles, in order; a title starts its line, and fills it or ends in a colon."""
    return tuple(heading for heading, _ in _lines(text) if heading is not None)


def sentences(text: str) -> tuple[Span, ...]:
    """Sentences, in order, without the white space around them; headings are none.

    A line break always ends a sentence. A full stop after an abbreviation or after the
    number of a list item does not.
    """
    return tuple(
        span for _, body in _lines(text) for span in _split(text[body.start : body.end], body.start)
    )


def _lines(text: str) -> Iterator[tuple[Heading | None, Span]]:
    """Each line's heading, if any, and the span after it."""
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        match = _HEADING.match(line)
        if match is None:
            yield None, Span(start, end)
        else:
            name = match["name"].capitalize()
            heading_end = start + len(match[0].rstrip())
            yield Heading(name, start, heading_end), Span(heading_end, end)
        start = end + 1


def _split(line: str, offset: int) -> Iterator[Span]:
    start = 0
    for match in _SENTENCE_END.finditer(line):
        if _ends_sentence(line[start : match.end()].lstrip()):
            yield from _stripped(line, start, match.end(), offset)
            start = match.end()
    yield from _stripped(line, start, len(line), offset)


def _ends_sentence(candidate: str) -> bool:
    word = _LAST_WORD.search(candidate)
    abbreviated = word is not None and word[0].lower().lstrip("(") in _ABBREVIATIONS
    return not abbreviated and _ENUMERATOR.match(candidate) is None


def _stripped(line: str, start: int, end: int, offset: int) -> Iterator[Span]:
    part = line[start:end]
    if part.strip():
        first = start + len(part) - len(part.lstrip())
        last = start + len(part.rstrip())
        yield Span(first + offset, last + offset)
