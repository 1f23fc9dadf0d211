"""Reading a report back: which findings it states, where and how large.

The sentences are matched with the phantom language's own phrases, so what is counted is
what is written, not what a similar word might mean.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from model_runtime.phantom.case import Case, Finding
from model_runtime.phantom.phrases import POSITIVE as PHRASES

_FIELDS = {
    "size": r"(?P<size>\d+)",
    "place": (
        r"(?P<place>(?:right|left)"
        r"(?: (?:upper lobe|middle lobe|lower lobe|hepatic lobe|frontal|temporal|parietal"
        r"|occipital))?)"
    ),
    "degree": r"(?P<degree>[a-z]+)",
    "number": r"(?P<number>[a-z]+)",
}


def _pattern(phrase: str) -> re.Pattern[str]:
    escaped = re.escape(phrase.rstrip("."))
    for name, group in _FIELDS.items():
        escaped = escaped.replace(re.escape("{" + name + "}"), group)
    return re.compile(escaped, re.IGNORECASE)


_PATTERNS = [(kind, _pattern(phrase)) for kind, phrases in PHRASES.items() for phrase in phrases]


def stated_findings(report: str) -> list[Finding]:
    """List the findings that the Findings section of a report states."""
    match = re.search(r"Findings:(.*?)(?:\nImpression:|$)", report, re.DOTALL)
    body = match.group(1) if match else report
    found = []
    for sentence in re.split(r"\.\s+|\.$", body.strip()):
        finding = _finding(sentence.strip())
        if finding:
            found.append(finding)
    return found


def _finding(sentence: str) -> Finding | None:
    for kind, pattern in _PATTERNS:
        match = pattern.fullmatch(sentence)
        if match:
            told = match.groupdict()
            return Finding(
                kind,
                (told.get("place") or "").lower(),
                int(told.get("size") or 0),
                degree=(told.get("degree") or "").lower(),
            )
    return None


@dataclass
class Tally:
    """Counts over cases of one kind: right, invented, missed."""

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
    """What a set of drafts got right."""

    kinds: dict[str, Tally] = field(default_factory=dict)
    sides: Counter[bool] = field(default_factory=Counter)
    places: Counter[bool] = field(default_factory=Counter)
    degrees: Counter[bool] = field(default_factory=Counter)
    size_errors: list[int] = field(default_factory=list)

    def add(self, case: Case, report: str) -> None:
        """Count one draft."""
        stated = stated_findings(report)
        there, told = {f.kind for f in case.findings}, {f.kind for f in stated}
        for kind in there | told:
            tally = self.kinds.setdefault(kind, Tally())
            tally.right += kind in there and kind in told
            tally.invented += kind not in there
            tally.missed += kind not in told
        for kind in there & told:
            self._compare(
                [f for f in case.findings if f.kind == kind], [f for f in stated if f.kind == kind]
            )

    def _compare(self, truth: Sequence[Finding], told: Sequence[Finding]) -> None:
        """Compare place, degree and size of findings that are told once and there once."""
        if len(truth) != 1 or len(told) != 1:
            return
        (wanted,), (given,) = truth, told
        if wanted.place.split(" ")[0] in ("right", "left"):
            self.sides[given.place.split(" ")[0] == wanted.place.split(" ")[0]] += 1
        if wanted.place and given.place:
            self.places[given.place == wanted.place] += 1
        if wanted.degree and given.degree:
            self.degrees[given.degree == wanted.degree] += 1
        if wanted.size and given.size:
            self.size_errors.append(abs(given.size - wanted.size))

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


def share(counts: Counter[bool]) -> float:
    """Share of True."""
    return counts[True] / max(1, counts.total())


def score_reports(cases: Iterable[Case], reports: Iterable[str]) -> ReportScores:
    """Compare drafts with the truth of their cases."""
    scores = ReportScores()
    for case, report in zip(cases, reports, strict=True):
        scores.add(case, report)
    return scores
