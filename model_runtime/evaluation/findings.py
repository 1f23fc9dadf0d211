"""Reading a report back: which findings it states, where, how large, how many and how bad.

The sentences are matched with the phantom language's own phrases, of the usual and of the
held-out style, so what is counted is what is written, not what a similar word might mean.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import permutations

from model_runtime.api import Region
from model_runtime.phantom import phrases, phrases_held_out
from model_runtime.phantom.case import (
    AMOUNTS,
    SEVERITIES,
    SIDES,
    Case,
    Finding,
    kinds_of,
    places_of,
)

_COUNTS = {word: count for count, word in phrases.NUMBERS.items()}


def _any_of(words: Iterable[str]) -> str:
    return "|".join(map(re.escape, dict.fromkeys(words)))


def _place_words() -> Iterator[str]:
    for region in Region:
        for kind in kinds_of(region):
            for place in places_of(region, kind):
                yield from place.split()


# A place is any row of the words that places are made of: one that does not exist, such as
# a left middle lobe, is read too, and is wrong.
_PLACE = rf"(?:{_any_of(_place_words())})"
_FIELDS = {
    "size": r"(?P<size>\d{1,4})",
    "place": rf"(?P<place>{_PLACE}(?: {_PLACE})*)",
    "degree": rf"(?P<degree>{_any_of((*AMOUNTS, *SEVERITIES))})",
    "number": rf"(?P<number>{_any_of(_COUNTS)})",
    "s": "s?",
    "are": "(?:is|are)",
}


def _pattern(phrase: str) -> re.Pattern[str]:
    escaped = re.escape(phrase.rstrip("."))
    for name, group in _FIELDS.items():
        escaped = escaped.replace(re.escape("{" + name + "}"), group)
    return re.compile(escaped, re.IGNORECASE)


_STYLES = (phrases, phrases_held_out)
_STATED = [
    (kind, _pattern(phrase))
    for style in _STYLES
    for kind, told in style.POSITIVE.items()
    for phrase in told
]
_DENIED = [
    _pattern(phrase)
    for style in _STYLES
    for region in style.NEGATIVE.values()
    for _, told in region
    for phrase in told
]


def findings_text(report: str) -> str:
    """Cut the Findings section out of a report; a text without one is taken whole."""
    match = re.search(r"Findings:(.*?)(?:\s*Impression:|$)", report, re.DOTALL)
    return (match.group(1) if match else report).strip()


def sentences_of(report: str) -> list[str]:
    """Part the Findings section into sentences, without their full stops."""
    parts = re.split(r"\.\s+|\.$", findings_text(report))
    return [" ".join(part.split()) for part in parts if part.strip()]


def stated_findings(report: str) -> list[Finding]:
    """List the findings that the Findings section of a report states."""
    found = (_finding(sentence) for sentence in sentences_of(report))
    return [finding for finding in found if finding]


def unread_sentences(report: str) -> list[str]:
    """List the sentences of the Findings section that neither state nor deny in known words."""
    return [
        sentence
        for sentence in sentences_of(report)
        if not _finding(sentence) and not any(p.fullmatch(sentence) for p in _DENIED)
    ]


def _finding(sentence: str) -> Finding | None:
    for kind, pattern in _STATED:
        match = pattern.fullmatch(sentence)
        if match:
            told = {name: text.lower() for name, text in match.groupdict().items()}
            return Finding(
                kind,
                told.get("place", ""),
                int(told.get("size", 0)),
                _COUNTS[told.get("number", "one")],
                told.get("degree", ""),
            )
    return None


@dataclass
class Tally:
    """Findings of one kind: right, invented, missed."""

    right: int = 0
    invented: int = 0
    missed: int = 0

    @property
    def precision(self) -> float:
        """Share of the stated that is there; 0 where nothing is stated."""
        return self.right / max(1, self.right + self.invented)

    @property
    def recall(self) -> float:
        """Share of what is there that is stated."""
        return self.right / max(1, self.right + self.missed)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / max(1, 2 * self.right + self.invented + self.missed)


@dataclass
class ReportScores:
    """What a set of drafts got right.

    A finding is right where its kind is there; place, degree, number and size are counted
    apart, over the right ones. ``whole`` is all of them together, the size within 5 mm.
    """

    kinds: dict[str, Tally] = field(default_factory=dict)
    sides: Counter[bool] = field(default_factory=Counter)
    places: Counter[bool] = field(default_factory=Counter)
    degrees: Counter[bool] = field(default_factory=Counter)
    numbers: Counter[bool] = field(default_factory=Counter)
    whole: Counter[bool] = field(default_factory=Counter)
    size_errors: list[int] = field(default_factory=list)
    sentences: int = 0
    unread: int = 0

    def add(self, case: Case, report: str) -> None:
        """Count one draft."""
        stated = stated_findings(report)
        self.sentences += len(sentences_of(report))
        self.unread += len(unread_sentences(report))
        for kind in dict.fromkeys(f.kind for f in (*case.findings, *stated)):
            truth = [f for f in case.findings if f.kind == kind]
            told = [f for f in stated if f.kind == kind]
            tally = self.kinds.setdefault(kind, Tally())
            tally.right += min(len(truth), len(told))
            tally.invented += max(0, len(told) - len(truth))
            tally.missed += max(0, len(truth) - len(told))
            for wanted, given in _paired(truth, told):
                self._compare(wanted, given)

    def _compare(self, wanted: Finding, given: Finding) -> None:
        """Compare place, degree, number and size of one finding that is there and told."""
        if side_of(wanted):
            self.sides[side_of(given) == side_of(wanted)] += 1
        if wanted.place:
            self.places[given.place == wanted.place] += 1
        if wanted.degree:
            self.degrees[given.degree == wanted.degree] += 1
        if max(wanted.count, given.count) > 1:
            self.numbers[given.count == wanted.count] += 1
        if wanted.size and given.size:
            self.size_errors.append(abs(given.size - wanted.size))
        alike = all(_agreement(wanted, given)[:-1])
        self.whole[alike and abs(given.size - wanted.size) <= 5] += 1

    def micro(self) -> Tally:
        """Add the kinds up."""
        return Tally(
            sum(t.right for t in self.kinds.values()),
            sum(t.invented for t in self.kinds.values()),
            sum(t.missed for t in self.kinds.values()),
        )

    def macro_f1(self) -> float:
        """Mean F1 over the kinds that occur in the truth."""
        scored = [t.f1 for t in self.kinds.values() if t.right + t.missed]
        return sum(scored) / max(1, len(scored))


def side_of(finding: Finding) -> str:
    """Give the side that a finding's place names; empty where it names none."""
    side = finding.place.split(" ")[0]
    return side if side in SIDES else ""


def _agreement(wanted: Finding, given: Finding) -> tuple[bool, bool, bool, bool, int]:
    return (
        given.place == wanted.place,
        side_of(given) == side_of(wanted),
        given.degree == wanted.degree,
        given.count == wanted.count,
        -abs(given.size - wanted.size),
    )


_MATCHED = 4
"""Most findings of a kind that are matched in every order; a looping draft has more."""


def _paired(truth: Sequence[Finding], told: Sequence[Finding]) -> list[tuple[Finding, Finding]]:
    """Pair what is there with what is told of one kind, so that the most agrees."""
    truth, told = truth[:_MATCHED], told[:_MATCHED]
    if len(truth) > len(told):
        return [(wanted, given) for given, wanted in _paired(told, truth)]
    options = [list(zip(truth, row, strict=True)) for row in permutations(told, len(truth))]
    return max(options, key=_agreements)


def _agreements(pairs: Sequence[tuple[Finding, Finding]]) -> list[int]:
    """Count over the pairs what agrees: first the places, last the sizes."""
    return [sum(row) for row in zip(*(_agreement(*pair) for pair in pairs), strict=True)]


def share(counts: Counter[bool]) -> float:
    """Share of True."""
    return counts[True] / max(1, counts.total())


def score_reports(cases: Iterable[Case], reports: Iterable[str]) -> ReportScores:
    """Compare drafts with the truth of their cases."""
    scores = ReportScores()
    for case, report in zip(cases, reports, strict=True):
        scores.add(case, report)
    return scores
