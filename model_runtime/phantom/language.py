"""Reports and captions about a case, all from the same truth.

The words are few on purpose: the demonstration model has a vocabulary of some hundred
tokens. Sizes are told in steps of 5 mm, as they are drawn. Which phrases are used follows
the style of the case; which combination of them may be used follows its split.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from model_runtime.api import Region
from model_runtime.phantom import phrases, phrases_held_out
from model_runtime.phantom.case import (
    KINDS,
    LOBES,
    PHASES,
    PLANES,
    SIDES,
    Case,
    Finding,
    Random,
    kinds_of,
    places_of,
)
from model_runtime.phantom.phrases import NUMBERS, ORGANS, SHORT
from model_runtime.phantom.questions import Question, listed, questions
from model_runtime.phantom.splits import belongs

__all__ = [
    "KINDS",
    "LOBES",
    "PHASES",
    "SIDES",
    "TRUTH_NAMES",
    "Question",
    "caption",
    "finding_sentence",
    "finding_sentences",
    "impression",
    "kinds_of",
    "questions",
    "report",
    "short_name",
    "technique",
    "truth",
]

_TRIES = 2000


def _pick(random: Random, options: Sequence[str]) -> str:
    return options[int(random.integers(len(options)))]


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def _filled(template: str, finding: Finding) -> str:
    return template.format(
        size=finding.size,
        place=finding.place,
        degree=finding.degree,
        number=NUMBERS.get(finding.count, ""),
        s="" if finding.count == 1 else "s",
        are="is" if finding.count == 1 else "are",
    )


def short_name(finding: Finding) -> str:
    """Name a finding in few words: ``right lower lobe nodule``."""
    name = _filled(SHORT.get(finding.kind, finding.kind), finding)
    return " ".join(re.sub(r" (of|to) the $", "", name).split())


def technique(case: Case, random: Random | None = None) -> str:
    """Say what was scanned, in which plane and in which phase."""
    forms = (phrases_held_out if case.held_out else phrases).TECHNIQUE
    form = _pick(random, forms) if random else forms[0]
    phase = phrases.SCAN_PHASES[case.phase]
    return _upper(form.format(region=case.region.value, plane=case.plane, phase=phase))


def finding_sentences(case: Case, random: Random) -> list[str]:
    """Tell organ by organ what is there and what is not.

    The phrasings are drawn until their combination is one that the split of the case may
    have: no two splits share the findings of a report.

    Raises
    ------
    RuntimeError
        If no combination of phrasings is of the split.
    """
    for _ in range(_TRIES):
        sentences = _draw_sentences(case, random)
        if belongs(" ".join(sentences), case.seed):
            return sentences
    raise RuntimeError(f"the phrases of case {case.seed} are too few to keep the splits apart")


def _draw_sentences(case: Case, random: Random) -> list[str]:
    style = phrases_held_out if case.held_out else phrases
    names = {finding.kind for finding in case.findings}
    denied = {
        covered[0]: forms
        for covered, forms in style.NEGATIVE[case.region]
        if not names.intersection(covered)
    }
    told: list[str] = []
    for kind in (kind for kinds in ORGANS[case.region].values() for kind in kinds):
        told += [
            finding_sentence(case, finding, random)
            for finding in case.findings
            if finding.kind == kind
        ]
        if kind in denied:
            told.append(_upper(_pick(random, denied[kind])))
    return told


def finding_sentence(case: Case, finding: Finding, random: Random) -> str:
    """Tell one finding of a case in a phrasing of its style."""
    style = phrases_held_out if case.held_out else phrases
    return _upper(_filled(_pick(random, style.POSITIVE[finding.kind]), finding))


def _ordered(case: Case) -> list[Finding]:
    """List the findings by organ, as the report tells them."""
    order = [kind for kinds in ORGANS[case.region].values() for kind in kinds]
    return sorted(case.findings, key=lambda finding: order.index(finding.kind))


def impression(case: Case, random: Random | None = None) -> str:
    """Sum up in a line; without a generator always in the first form."""
    if not case.findings:
        forms = (phrases_held_out if case.held_out else phrases).NO_FINDING
        return _pick(random, forms) if random else forms[0]
    names = [short_name(finding) for finding in _ordered(case)]
    form = int(random.integers(3)) if random else 0
    if case.held_out:
        summary = phrases_held_out.SUMMARY
        return summary[form % len(summary)].format(list="; ".join(names))
    if form == 1:
        return " ".join(f"{_upper(name)}." for name in names)
    return _upper((listed(names) if form == 2 else ", ".join(names)) + ".")


def report(case: Case, random: Random) -> str:
    """Write the whole report: technique, findings, impression, a line each."""
    findings = " ".join(finding_sentences(case, random))
    summary = impression(case, random)
    return f"Technique: {technique(case, random)}\nFindings: {findings}\nImpression: {summary}"


def caption(case: Case, random: Random) -> str:
    """Write a text for contrastive training: mostly findings, sometimes only the impression."""
    if random.random() < 0.4:
        return impression(case, random)
    return " ".join(finding_sentences(case, random)) + " " + impression(case, random)


def _labels(case: Case) -> set[str]:
    held = {f"region {case.region.value}", f"phase {case.phase}", f"plane {case.plane}"}
    for finding in case.findings:
        held |= {finding.kind, f"{finding.kind} {finding.place}"}
        held.add(f"{finding.kind} {finding.place.split(' ')[0]}")
    return held


def _truth_names() -> tuple[str, ...]:
    names = dict.fromkeys(KINDS)
    for region in Region:
        for kind in kinds_of(region):
            places = places_of(region, kind)
            sides = [side for side in SIDES if any(place.startswith(side) for place in places)]
            names |= dict.fromkeys(f"{kind} {place}" for place in (*places, *sides))
    names |= dict.fromkeys(f"region {region.value}" for region in Region)
    names |= dict.fromkeys(f"phase {phase}" for phase in PHASES)
    return tuple(names | dict.fromkeys(f"plane {plane}" for plane in PLANES))


TRUTH_NAMES: tuple[str, ...] = _truth_names()


def truth(case: Case) -> list[float]:
    """Label the case: 1 for every name of :data:`TRUTH_NAMES` that holds."""
    held = _labels(case)
    return [float(name in held) for name in TRUTH_NAMES]
