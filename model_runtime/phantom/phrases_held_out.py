"""The phrases of the held-out style: the same truth in forms that are never trained on."""

from __future__ import annotations

from model_runtime.api import Region
from model_runtime.phantom.phrases import NOUNS, Denials, Noun, denials


def _told(noun: Noun) -> tuple[str, ...]:
    what, where, verb = noun.text, noun.place, noun.verb
    within = f" within {where}" if where else ""
    subject = where or "imaging"
    return (
        f"Note is made of {what}{within}.",
        f"{what} {verb} identified{within}.",
        f"{subject} demonstrates {what}.",
        f"We observe {what}{within}.",
    )


POSITIVE: dict[str, tuple[str, ...]] = {kind: _told(noun) for kind, noun in NOUNS.items()}


def _none(what: str) -> tuple[str, ...]:
    return (
        f"Imaging demonstrates no {what}.",
        f"No {what} can be identified.",
        f"Absence of {what}.",
        f"We observe no {what}.",
    )


def _normal(what: str, verb: str = "is", of: str = "") -> tuple[str, ...]:
    appears = "appears" if verb == "is" else "appear"
    return (
        f"{what} {appears} unremarkable{of}.",
        f"Unremarkable appearance of {what}{of}.",
        f"We observe nothing remarkable about {what}{of}.",
        f"Imaging demonstrates {what} to be unremarkable{of}.",
    )


NEGATIVE: dict[Region, Denials] = denials(_none, _normal)

TECHNIQUE: tuple[str, ...] = (
    "Computed tomography (synthetic): {region}, acquired {plane}, {phase}.",
    "{plane} computed tomography study of the {region}, synthetic, {phase}.",
)
NO_FINDING: tuple[str, ...] = ("Unremarkable study.", "Nothing remarkable.")
SUMMARY: tuple[str, ...] = ("Summary of findings: {list}.", "Overall: {list}.")

QUESTIONS: dict[str, tuple[str, ...]] = {
    "plane": ("How were these slices oriented?", "Name the acquisition plane."),
    "phase": ("When after contrast was this imaged?", "Name the enhancement phase."),
    "region": ("What part of the patient was imaged?", "Name the imaged anatomy."),
    "organ": ("Name each diseased organ.", "What anatomy looks pathological?"),
    "abnormality": ("List the pathology.", "Describe every pathological finding."),
    "degree": ("Grade the {noun}.", "Name the extent of the {noun}."),
    "number": ("Count the {noun}.", "Give the count of {noun}."),
    "size": ("Measure the {noun}.", "Give the diameter of the {noun}."),
    "location": ("Locate the {noun}.", "Name the site of the {noun}."),
    "yes/no": ("Can {named} be identified?", "Would you report {named}?"),
}
