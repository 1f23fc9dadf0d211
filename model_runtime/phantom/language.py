"""Reports, captions and questions about a case, all from the same truth.

The words are few on purpose: the demonstration model has a vocabulary of some hundred
tokens. Sizes are told in steps of 5 mm, as they are drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model_runtime.api import Region
from model_runtime.phantom.case import KINDS, LOBES, PHASES, SIDES, Case, Finding, Random, kinds_of
from model_runtime.phantom.phrases import NEGATIVE, NUMBERS, POSITIVE, SHORT


@dataclass(frozen=True)
class Question:
    """A question with its answer; ``choices`` are four, the answer among them, or empty."""

    kind: str
    text: str
    answer: str
    choices: tuple[str, ...] = ()


def _pick(random: Random, options: Sequence[str]) -> str:
    return options[int(random.integers(len(options)))]


def _filled(template: str, finding: Finding) -> str:
    text = template.format(
        size=finding.size,
        place=finding.place,
        degree=finding.degree,
        number=NUMBERS.get(finding.count, ""),
    )
    return text[0].upper() + text[1:]


def short_name(finding: Finding) -> str:
    """Name a finding in few words: ``right lower lobe nodule``."""
    return _filled(SHORT.get(finding.kind, finding.kind), finding).lower()


def technique(case: Case) -> str:
    """Say what was scanned and in which phase."""
    phase = case.phase if case.phase != PHASES[0] else "without contrast"
    return f"Synthetic CT of the {case.region.value}, {phase}."


def finding_sentences(case: Case, random: Random) -> list[str]:
    """Tell what is there, then what is not, in the region's order."""
    kinds = kinds_of(case.region)
    present = sorted(case.findings, key=lambda finding: kinds.index(finding.kind))
    told = [_filled(_pick(random, POSITIVE[finding.kind]), finding) for finding in present]
    names = {finding.kind for finding in present}
    absent = [
        _pick(random, phrases)
        for covered, phrases in NEGATIVE[case.region]
        if not names.intersection(covered)
    ]
    return told + absent


def impression(case: Case) -> str:
    """Sum up in one sentence."""
    if not case.findings:
        return "No abnormality."
    kinds = kinds_of(case.region)
    names = [short_name(f) for f in sorted(case.findings, key=lambda f: kinds.index(f.kind))]
    text = ", ".join(names)
    return text[0].upper() + text[1:] + "."


def report(case: Case, random: Random) -> str:
    """Write the whole report: technique, findings, impression, a line each."""
    findings = " ".join(finding_sentences(case, random))
    return f"Technique: {technique(case)}\nFindings: {findings}\nImpression: {impression(case)}"


def caption(case: Case, random: Random) -> str:
    """Write a text for contrastive training: mostly findings, sometimes only the impression."""
    if random.random() < 0.4:
        return impression(case)
    return " ".join(finding_sentences(case, random)) + " " + impression(case)


TRUTH_NAMES: tuple[str, ...] = (
    *KINDS,
    *(
        f"{kind} {lobe}"
        for kind in ("nodule", "mass", "consolidation", "ground glass")
        for lobe in LOBES
    ),
    *(
        f"{kind} {side}"
        for kind in (
            "pleural effusion",
            "pneumothorax",
            "renal cyst",
            "renal stone",
            "hydronephrosis",
        )
        for side in SIDES
    ),
    *(
        f"{kind} {side}"
        for kind in ("intracerebral haemorrhage", "subdural haematoma", "infarct")
        for side in SIDES
    ),
    *(f"region {region.value}" for region in Region),
    *(f"phase {phase}" for phase in PHASES),
)


def truth(case: Case) -> list[float]:
    """Label the case: 1 for every name of :data:`TRUTH_NAMES` that holds."""
    held = {f"region {case.region.value}", f"phase {case.phase}"}
    for finding in case.findings:
        held |= {finding.kind, f"{finding.kind} {finding.place}"}
        held.add(f"{finding.kind} {finding.place.split(' ')[0]}")
    return [float(name in held) for name in TRUTH_NAMES]


def questions(case: Case, random: Random) -> list[Question]:
    """Ask one of each of M3D-VQA's five types, and two to be answered by yes or no."""
    asked = [
        Question(
            "plane",
            "In which plane was the scan acquired?",
            "axial",
            ("axial", "coronal", "sagittal", "oblique"),
        ),
        Question("phase", "What is the contrast phase?", case.phase, PHASES),
        _organ_question(case),
        _abnormality_question(case, random),
        _location_question(case, random),
    ]
    asked += [_yes_no(case, random, present) for present in (True, False)]
    return [_shuffled(question, random) for question in asked if question is not None]


def _shuffled(question: Question, random: Random) -> Question:
    order = random.permutation(len(question.choices))
    choices = tuple(question.choices[place] for place in order)
    return Question(question.kind, question.text, question.answer, choices)


def _with_others(random: Random, answer: str, pool: Sequence[str]) -> tuple[str, ...]:
    others = [option for option in pool if option != answer]
    chosen = random.choice(len(others), min(3, len(others)), replace=False)
    return (answer, *(others[place] for place in chosen))


def _organ_question(case: Case) -> Question:
    pool = ("chest", "abdomen", "head", "leg")
    return Question("organ", "Which body region is shown?", case.region.value, pool)


def _abnormality_question(case: Case, random: Random) -> Question:
    answer = _pick(random, [f.kind for f in case.findings]) if case.findings else "no abnormality"
    absent = [k for k in kinds_of(case.region) if case.find(k) is None]
    return Question(
        "abnormality", "Which abnormality is present?", answer, _with_others(random, answer, absent)
    )


def _location_question(case: Case, random: Random) -> Question | None:
    sided = [f for f in case.findings if f.place and f.kind != "hepatic cyst"]
    alone = [f for f in sided if sum(g.kind == f.kind for g in case.findings) == 1]
    if not alone:
        return None
    finding = alone[int(random.integers(len(alone)))]
    text = f"Where is the {finding.kind}?"
    if finding.place in LOBES:
        return Question("location", text, finding.place, _with_others(random, finding.place, LOBES))
    if finding.place in SIDES:
        return Question("location", text, finding.place, SIDES)
    lobes = [f"{s} {p}" for s in SIDES for p in ("frontal", "temporal", "parietal", "occipital")]
    return Question("location", text, finding.place, _with_others(random, finding.place, lobes))


def _yes_no(case: Case, random: Random, present: bool) -> Question | None:
    kinds = [k for k in kinds_of(case.region) if (case.find(k) is not None) == present]
    if not kinds:
        return None
    forms: tuple[Callable[[str], str], ...] = (
        lambda kind: f"Is there {kind}?",
        lambda kind: f"Does the scan show {kind}?",
    )
    form = forms[int(random.integers(len(forms)))]
    return Question("yes/no", form(_pick(random, kinds)), "yes" if present else "no", ("yes", "no"))
