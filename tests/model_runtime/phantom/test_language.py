"""Every sentence of a report follows from the case, and everything in the case is told."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from types import ModuleType

import numpy as np
import pytest

from model_runtime.api import Region
from model_runtime.phantom import phrases, phrases_held_out
from model_runtime.phantom.case import (
    KINDS,
    SIDES,
    Case,
    Finding,
    degrees_of,
    kinds_of,
    places_of,
    sample_case,
)
from model_runtime.phantom.language import (
    TRUTH_NAMES,
    caption,
    finding_sentences,
    impression,
    report,
    short_name,
    technique,
    truth,
)

STYLES = {False: phrases, True: phrases_held_out}
"""The modules of the two styles, by whether a case is held out."""
PLACES = sorted(
    {place for region in Region for kind in kinds_of(region) for place in places_of(region, kind)},
    key=len,
    reverse=True,
)
FIELDS = {
    "size": r"(?P<size>\d+)",
    "place": f"(?P<place>{'|'.join(PLACES)})",
    "degree": r"(?P<degree>small|moderate|large|mild|severe)",
    "number": r"(?P<number>one|two|three|four|five)",
    "s": "s?",
    "are": "(?:is|are)",
}
COUNTS = {word: number for number, word in phrases.NUMBERS.items()}


def pattern(template: str) -> re.Pattern[str]:
    escaped = re.escape(template)
    for name, group in FIELDS.items():
        escaped = escaped.replace(re.escape("{" + name + "}"), group)
    return re.compile(escaped, re.IGNORECASE)


PATTERNS = {
    held_out: [(kind, pattern(form)) for kind, forms in style.POSITIVE.items() for form in forms]
    for held_out, style in STYLES.items()
}


@pytest.fixture(scope="module", params=[False, True], ids=["usual", "held out"])
def cases(request: pytest.FixtureRequest) -> list[Case]:
    return [sample_case(seed, held_out=request.param) for seed in range(200_000, 200_400)]


def told(case: Case) -> list[str]:
    return finding_sentences(case, np.random.default_rng(case.seed))


def read(sentence: str, case: Case) -> list[tuple[object, ...]]:
    """List the readings of a sentence: kind, place, size, degree and number, None if not told."""
    found = []
    for kind, form in PATTERNS[case.held_out]:
        if match := form.fullmatch(sentence):
            group = match.groupdict()
            size, number = group.get("size"), group.get("number")
            found.append(
                (
                    kind,
                    (group.get("place") or "").lower(),
                    int(size) if size else 0,
                    (group.get("degree") or "").lower(),
                    COUNTS[number.lower()] if number else 1,
                )
            )
    return found


def attributes(finding: Finding) -> tuple[object, ...]:
    return finding.kind, finding.place, finding.size, finding.degree, finding.count


def denied_by(sentence: str, case: Case) -> list[tuple[str, ...]]:
    return [
        covered
        for covered, forms in STYLES[case.held_out].NEGATIVE[case.region]
        if sentence.lower() in [form.lower() for form in forms]
    ]


def test_reports_read_back_as_the_findings_of_the_case(cases: list[Case]) -> None:
    for case in cases:
        readings = []
        for sentence in told(case):
            if denied_by(sentence, case):
                assert read(sentence, case) == []
                continue
            kinds = {reading for reading in read(sentence, case) if reading[0] in _possible(case)}
            assert len(kinds) == 1, (sentence, kinds)
            readings += kinds
        assert Counter(readings) == Counter(attributes(finding) for finding in case.findings)


def _possible(case: Case) -> set[str]:
    return {kind for kinds in phrases.ORGANS[case.region].values() for kind in kinds}


def test_what_is_denied_is_absent_and_what_is_absent_is_denied(cases: list[Case]) -> None:
    for case in cases:
        present = {finding.kind for finding in case.findings}
        denied = [covered for sentence in told(case) for covered in denied_by(sentence, case)]
        assert not present.intersection(kind for covered in denied for kind in covered)
        expected = [
            covered
            for covered, _ in STYLES[case.held_out].NEGATIVE[case.region]
            if not present.intersection(covered)
        ]
        assert sorted(denied) == sorted(expected)


def test_every_finding_has_four_phrasings_and_every_denial_too() -> None:
    for style in STYLES.values():
        assert set(style.POSITIVE) == set(KINDS)
        assert all(len(set(forms)) >= 4 for forms in style.POSITIVE.values())
        for groups in style.NEGATIVE.values():
            assert all(len(set(forms)) >= 4 for _, forms in groups)


def test_the_held_out_style_shares_no_template_with_training() -> None:
    def templates(style: ModuleType) -> set[str]:
        forms = [form for told in style.POSITIVE.values() for form in told]
        for groups in style.NEGATIVE.values():
            forms += [form for _, told in groups for form in told]
        forms += [*style.TECHNIQUE, *style.NO_FINDING]
        return {re.sub(r"\W+", " ", form).strip().lower() for form in forms}

    assert len(templates(phrases)) > 150
    assert not templates(phrases) & templates(phrases_held_out)


def test_held_out_sentences_are_never_said_in_training() -> None:
    for seed in range(50):
        held = sample_case(400_000 + seed, held_out=True)
        usual = replace(held, held_out=False)
        draws = {s for n in range(20) for s in finding_sentences(usual, np.random.default_rng(n))}
        assert not draws & set(told(held))
        assert technique(held) != technique(usual)
        assert impression(held) != impression(usual)


def test_reports_have_three_lines(cases: list[Case]) -> None:
    for case in cases:
        lines = report(case, np.random.default_rng(case.seed)).split("\n")
        assert [line.split(":")[0] for line in lines] == ["Technique", "Findings", "Impression"]
        scan = lines[0].lower()
        assert case.region.value in scan
        assert case.plane in scan
        assert phrases.SCAN_PHASES[case.phase] in scan


def test_the_impression_names_each_finding_once(cases: list[Case]) -> None:
    for case in cases:
        for draw in range(6):
            summed = impression(case, np.random.default_rng(draw)).lower()
            names = [short_name(finding) for finding in case.findings]
            assert all(name in summed for name in names)
            words = re.findall(r"[a-z]+", summed)
            own = [word for name in names for word in name.split()]
            extra = Counter(words) - Counter(own)
            limit = {"summary", "of", "findings", "overall", "and"} if names else set(extra)
            assert set(extra) <= limit
    forms = {impression(cases[0], np.random.default_rng(draw)) for draw in range(20)}
    assert len(forms) >= 2


def test_words_are_few_and_orders_are_by_organ(cases: list[Case]) -> None:
    words = {word for case in cases for s in told(case) for word in re.findall("[a-z]+", s.lower())}
    assert len(words) < 250
    for case in cases:
        order = [kind for kinds in phrases.ORGANS[case.region].values() for kind in kinds]
        kinds = [
            next(kind for kind, *_ in read(s, case) if kind in order)
            for s in told(case)
            if not denied_by(s, case)
        ]
        assert kinds == sorted(kinds, key=order.index)


def test_truth_labels_are_the_findings(cases: list[Case]) -> None:
    assert len(set(TRUTH_NAMES)) == len(TRUTH_NAMES)
    for case in cases:
        labels = dict(zip(TRUTH_NAMES, truth(case), strict=True))
        assert {kind for kind in KINDS if labels[kind]} == {f.kind for f in case.findings}
        assert labels[f"plane {case.plane}"] == 1
        for side in SIDES:
            there = any(f.kind == "pleural effusion" and f.place == side for f in case.findings)
            assert labels[f"pleural effusion {side}"] == there


def test_short_names_do_without_place_and_degree(cases: list[Case]) -> None:
    for case in cases:
        for finding in case.findings:
            name = short_name(replace(finding, place="", degree=""))
            assert name
            assert "  " not in name
            assert not name.endswith((" the", " of", " to"))
            if degrees_of(case.region, finding.kind):
                assert finding.degree in short_name(finding)


def test_captions_depend_on_the_generator_only(cases: list[Case]) -> None:
    case = cases[0]
    first = [caption(case, np.random.default_rng(n)) for n in range(20)]
    assert first == [caption(case, np.random.default_rng(n)) for n in range(20)]
    assert len(set(first)) > 1
