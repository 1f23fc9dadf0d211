"""Questions about a case: M3D-VQA's five types, and some to be answered by yes or no.

A closed question has four choices that are drawn as its answer is: from the same region,
with the same chances, and what is absent is asked about as well. So the words of a question
and of its choices tell nothing about the answer; only the picture does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from model_runtime.api import Region
from model_runtime.phantom import case as cases
from model_runtime.phantom.case import PHASES, PLANES, Case, Finding, Random, kinds_of
from model_runtime.phantom.phrases import NUMBERS, ORGANS
from model_runtime.phantom.phrases_held_out import QUESTIONS as HELD_OUT_QUESTIONS
from model_runtime.phantom.question_words import (
    ABSENT,
    NO_ABNORMALITY,
    NO_ORGAN,
    QUESTIONS,
    both,
    counted,
    named,
    noun,
    place_name,
)

_CHOICES = 4
_POOL = 400
_POOL_SEED = 10_000_000
"""First seed of the cases whose findings are wrong choices; no split has them."""


@dataclass(frozen=True)
class Question:
    """A question with its answer; ``choices`` are four (two for yes/no), the answer among them."""

    kind: str
    text: str
    answer: str
    choices: tuple[str, ...] = ()


def questions(case: Case, random: Random) -> list[Question]:
    """Ask up to one question of each of M3D-VQA's five types, and some of yes or no.

    Where most scans have the same answer, the question is not asked of all of these.
    """
    asked = [
        _plane(case, random),
        _phase(case, random),
        _organ(case, random),
        _abnormality(case, random),
        _attribute(case, random, _LOCATION),
        _present(case, random),
        _absent(case, random),
        _in_place(case, random),
    ]
    return [_shuffled(question, random) for question in asked if question is not None]


def _text(case: Case, random: Random, form: str, **words: str) -> str:
    forms = (HELD_OUT_QUESTIONS if case.held_out else QUESTIONS)[form]
    return _pick(random, forms).format(**words)


def _pick(random: Random, options: Sequence[str]) -> str:
    return options[int(random.integers(len(options)))]


def _shuffled(question: Question, random: Random) -> Question:
    order = random.permutation(len(question.choices))
    choices = tuple(question.choices[place] for place in order)
    return Question(question.kind, question.text, question.answer, choices)


def _with_others(random: Random, answer: str, pool: Sequence[str]) -> tuple[str, ...]:
    others = [option for option in pool if option != answer]
    chosen = random.choice(len(others), min(_CHOICES - 1, len(others)), replace=False)
    return (answer, *(others[place] for place in chosen))


def _plane(case: Case, random: Random) -> Question | None:
    """Ask a third of the axial scans, so that every plane is as often right."""
    if case.plane == PLANES[0] and random.random() > 1 / 3:
        return None
    return Question("plane", _text(case, random, "plane"), case.plane, (*PLANES, "oblique"))


def _phase(case: Case, random: Random) -> Question | None:
    """Ask two thirds of the scans without contrast, which are the most."""
    if case.phase == PHASES[0] and random.random() > 0.68:
        return None
    return Question("phase", _text(case, random, "phase"), case.phase, PHASES)


def _organ(case: Case, random: Random) -> Question:
    """Ask for the region, each as often, or else for the abnormal organs."""
    if random.random() < {Region.CHEST: 0.44, Region.ABDOMEN: 0.57}.get(case.region, 1.0):
        regions = tuple(region.value for region in Region)
        return Question(
            "organ", _text(case, random, "region"), case.region.value, (*regions, "leg")
        )
    return _drawn_list(case, random, "organ", organs_of)


def _abnormality(case: Case, random: Random) -> Question:
    """Ask for all abnormalities, or for degree, number or size of one."""
    if random.random() < 0.4:
        attribute = (_DEGREE, _DEGREE, _NUMBER, _SIZE)[int(random.integers(4))]
        question = _attribute(case, random, attribute)
        if question is not None:
            return question
    return _drawn_list(case, random, "abnormality", abnormalities_of)


def _drawn_list(
    case: Case, random: Random, kind: str, answer_of: Callable[[Case], str]
) -> Question:
    """Ask for a list; the wrong lists are those of three other cases of the region."""
    answer, pool = answer_of(case), _pool(case.region)
    choices = [answer]
    while len(choices) < _CHOICES:
        other = answer_of(pool[int(random.integers(len(pool)))])
        if other not in choices:
            choices.append(other)
    return Question(kind, _text(case, random, kind), answer, tuple(choices))


@cache
def _pool(region: Region) -> tuple[Case, ...]:
    found: list[Case] = []
    seed = _POOL_SEED
    while len(found) < _POOL:
        case = cases.sample_case(seed)
        found += [case] if case.region is region else []
        seed += 1
    return tuple(found)


def listed(names: Sequence[str]) -> str:
    """List names as prose does: ``a, b and c``."""
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def abnormalities_of(case: Case) -> str:
    """List the kinds of findings by organ, as an answer."""
    order = [kind for kinds in ORGANS[case.region].values() for kind in kinds]
    present = [noun(kind) for kind in order if case.find(kind)]
    return listed(present) if present else NO_ABNORMALITY


def organs_of(case: Case) -> str:
    """List the organs with a finding, as an answer; devices are in none."""
    organs = [
        organ
        for organ, kinds in ORGANS[case.region].items()
        if organ != "devices" and any(case.find(kind) for kind in kinds)
    ]
    return listed(organs) if organs else NO_ORGAN


@dataclass(frozen=True)
class _Attribute:
    """Something to ask about one finding: its type, form and the noun that the form takes."""

    kind: str
    form: str
    noun: Callable[[str], str]
    options: Callable[[Region, str], tuple[str, ...]]
    value: Callable[[Finding], str]


def _places(region: Region, kind: str) -> tuple[str, ...]:
    names = tuple(place_name(kind, place) for place in cases.places_of(region, kind))
    return (*names, both(kind)) if len(names) == len(cases.SIDES) else names


_LOCATION = _Attribute(
    "location", "location", noun, _places, lambda found: place_name(found.kind, found.place)
)
_DEGREE = _Attribute("abnormality", "degree", noun, cases.degrees_of, lambda found: found.degree)
_NUMBER = _Attribute(
    "abnormality",
    "number",
    counted,
    lambda region, kind: tuple(
        NUMBERS[count]
        for count in cases.counts_of(region, kind)
        if cases.counts_of(region, kind)[1:]
    ),
    lambda found: NUMBERS[found.count],
)
_SIZE = _Attribute(
    "abnormality",
    "size",
    noun,
    lambda region, kind: tuple(f"{size} mm" for size in cases.sizes_of(region, kind)),
    lambda found: f"{found.size} mm",
)


def _attribute(case: Case, random: Random, asked: _Attribute) -> Question | None:
    """Ask for an attribute of one finding.

    Three possible answers leave room for a fourth, *not present*, so these are also asked
    about what is absent.
    """
    options = {kind: asked.options(case.region, kind) for kind in kinds_of(case.region)}
    answers = {kind: _answer(case, kind, asked) for kind, given in options.items() if given}
    present = [kind for kind, answer in answers.items() if answer not in ("", ABSENT)]
    absent = [
        kind
        for kind, answer in answers.items()
        if answer == ABSENT and len(options[kind]) < _CHOICES
    ]
    if not present:
        return None
    kind = _pick(random, present)
    if absent and len(options[kind]) < _CHOICES and random.random() < 0.28:
        kind = _pick(random, absent)
    pool = options[kind] if len(options[kind]) >= _CHOICES else (*options[kind], ABSENT)
    return Question(
        asked.kind,
        _text(case, random, asked.form, noun=asked.noun(kind)),
        answers[kind],
        _with_others(random, answers[kind], pool),
    )


def _answer(case: Case, kind: str, asked: _Attribute) -> str:
    """Give the attribute of a kind of finding; empty where there is more than one answer."""
    found = [finding for finding in case.findings if finding.kind == kind]
    if not found:
        return ABSENT
    if len(found) == 1:
        return asked.value(found[0])
    sides = {finding.place for finding in found} == set(cases.SIDES)
    return both(kind) if asked is _LOCATION and sides else ""


def _present(case: Case, random: Random) -> Question | None:
    present = [kind for kind in kinds_of(case.region) if case.find(kind)]
    if not present:
        return None
    return _yes_no(case, random, named(_pick(random, present)), True)


def _absent(case: Case, random: Random) -> Question | None:
    """Ask about what is absent: each kind as often as it is asked about where present."""
    if case.findings and random.random() < 0.08 / 0.92:
        return None
    odds = _odds(case.region)
    absent = [n for n, kind in enumerate(kinds_of(case.region)) if not case.find(kind)]
    weights = odds[absent] / odds[absent].sum()
    kind = kinds_of(case.region)[absent[int(random.choice(len(absent), p=weights))]]
    return _yes_no(case, random, named(kind), False)


@cache
def _odds(region: Region) -> NDArray[np.float64]:
    """How much likelier each kind is present than absent, weighted by how it is asked about."""
    kinds = kinds_of(region)
    asked, absent = np.full(len(kinds), 1e-9), np.full(len(kinds), 1e-9)
    for case in _pool(region):
        present = np.array([case.find(kind) is not None for kind in kinds])
        asked += present / max(1, present.sum())
        absent += ~present
    odds: NDArray[np.float64] = asked / absent
    return odds


def _in_place(case: Case, random: Random) -> Question | None:
    """Ask whether a finding is where it is, or as often where it is not."""
    region = case.region
    placed = [
        found
        for found in case.findings
        if found.place and sum(other.kind == found.kind for other in case.findings) == 1
    ]
    if not placed or random.random() < 0.5:
        return None
    found = placed[int(random.integers(len(placed)))]
    right = bool(random.random() < 0.5)
    others = [place for place in cases.places_of(region, found.kind) if place != found.place]
    place = place_name(found.kind, found.place if right else _pick(random, others))
    where = place if place.startswith("to ") else f"in the {place}"
    return _yes_no(case, random, f"{named(found.kind)} {where}", right)


def _yes_no(case: Case, random: Random, told: str, right: bool) -> Question:
    text = _text(case, random, "yes/no", named=told)
    return Question("yes/no", text, "yes" if right else "no", ("yes", "no"))
