"""The phrases of the synthetic reports; their fields are those of a finding.

Every kind of finding is a noun with or without a place, put into a few frames: so all
findings are told in the same forms, and each form is a template that can be read back.
``{s}`` and ``{are}`` follow the number of lesions, the other fields are those of
:class:`~model_runtime.phantom.case.Finding`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from model_runtime.api import Region

NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}

# By organ, in the order in which reports tell them.
ORGANS: dict[Region, dict[str, tuple[str, ...]]] = {
    Region.CHEST: {
        "lungs": ("nodule", "mass", "consolidation", "ground glass", "emphysema"),
        "pleura": ("pleural effusion", "pneumothorax"),
        "heart": ("cardiomegaly", "pericardial effusion", "coronary calcification"),
        "aorta": ("aortic aneurysm",),
        "lymph nodes": ("lymphadenopathy",),
        "bones": ("vertebral fracture", "lytic bone lesion"),
        "devices": ("port catheter", "sternotomy wires"),
    },
    Region.ABDOMEN: {
        "liver": ("hepatic cyst", "hepatic metastases", "steatosis"),
        "gallbladder": ("gallstones",),
        "spleen": ("splenomegaly",),
        "kidneys": ("renal cyst", "renal stone", "hydronephrosis"),
        "bowel": ("bowel obstruction",),
        "peritoneum": ("ascites",),
        "aorta": ("abdominal aortic aneurysm",),
        "bones": ("vertebral fracture", "lytic bone lesion"),
        "devices": ("hip prosthesis",),
    },
    Region.HEAD: {
        "brain": ("intracerebral haemorrhage", "infarct"),
        "meninges": ("subdural haematoma",),
        "ventricles": ("hydrocephalus",),
        "midline": ("midline shift",),
        "devices": ("ventricular shunt",),
    },
}


@dataclass(frozen=True)
class Noun:
    """What is seen, where (empty where the noun says it), and the verb of its number."""

    text: str
    place: str = ""
    verb: str = "is"


NOUNS: dict[str, Noun] = {
    "nodule": Noun("a {size} mm nodule", "the {place}"),
    "mass": Noun("a {size} mm mass", "the {place}"),
    "consolidation": Noun("consolidation", "the {place}"),
    "ground glass": Noun("ground glass opacity", "the {place}"),
    "pleural effusion": Noun("a {degree} {place} pleural effusion"),
    "pneumothorax": Noun("a {degree} {place} pneumothorax"),
    "cardiomegaly": Noun("{degree} cardiomegaly"),
    "pericardial effusion": Noun("a {degree} pericardial effusion"),
    "emphysema": Noun("{degree} emphysema"),
    "coronary calcification": Noun("{degree} coronary artery calcification"),
    "aortic aneurysm": Noun("an aneurysm of the ascending aorta of {size} mm"),
    "lymphadenopathy": Noun(
        "mediastinal lymphadenopathy with {number} enlarged nodes of up to {size} mm"
    ),
    "vertebral fracture": Noun("a {degree} vertebral fracture", "the {place}"),
    "lytic bone lesion": Noun("a {size} mm lytic bone lesion", "the {place}"),
    "port catheter": Noun("a port catheter", "the {place} chest wall"),
    "sternotomy wires": Noun("sternotomy wires", verb="are"),
    "hepatic cyst": Noun("a {size} mm cyst", "the {place}"),
    "hepatic metastases": Noun(
        "{number} hepatic metastases of up to {size} mm", "the liver", verb="are"
    ),
    "steatosis": Noun("{degree} steatosis", "the liver"),
    "gallstones": Noun("{number} gallstone{s}", "the gallbladder", verb="{are}"),
    "renal cyst": Noun("a {size} mm cyst", "the {place} kidney"),
    "renal stone": Noun("a {size} mm stone", "the {place} kidney"),
    "hydronephrosis": Noun("{degree} hydronephrosis", "the {place} kidney"),
    "splenomegaly": Noun("splenomegaly of {size} mm"),
    "ascites": Noun("{degree} volume ascites"),
    "bowel obstruction": Noun("{degree} bowel obstruction"),
    "abdominal aortic aneurysm": Noun("an abdominal aortic aneurysm of {size} mm"),
    "hip prosthesis": Noun("a {place} hip prosthesis"),
    "intracerebral haemorrhage": Noun("a {size} mm intracerebral haemorrhage", "the {place} lobe"),
    "subdural haematoma": Noun("a {place} subdural haematoma of {size} mm"),
    "infarct": Noun("an infarct", "the {place} lobe"),
    "hydrocephalus": Noun("{degree} hydrocephalus"),
    "midline shift": Noun("a midline shift of {size} mm to the {place}"),
    "ventricular shunt": Noun("a {place} ventricular shunt"),
}

# Said of one kind only.
_OWN: dict[str, tuple[str, ...]] = {
    "cardiomegaly": ("The heart is enlarged, with {degree} cardiomegaly.",),
    "emphysema": ("{degree} emphysema is seen in both lungs.",),
    "aortic aneurysm": ("The ascending aorta is dilated to {size} mm by an aneurysm.",),
    "lymphadenopathy": (
        "{number} enlarged mediastinal lymph nodes of up to {size} mm are seen, "
        "in keeping with lymphadenopathy.",
    ),
    "hepatic metastases": (
        "The liver shows {number} hypodense lesions of up to {size} mm, "
        "in keeping with hepatic metastases.",
    ),
    "steatosis": ("The liver is hypodense, in keeping with {degree} steatosis.",),
    "splenomegaly": ("The spleen is enlarged to {size} mm, in keeping with splenomegaly.",),
    "bowel obstruction": (
        "Dilated bowel loops are seen, in keeping with {degree} bowel obstruction.",
    ),
    "abdominal aortic aneurysm": ("The abdominal aorta is dilated to {size} mm by an aneurysm.",),
    "hydrocephalus": ("The ventricles are enlarged, with {degree} hydrocephalus.",),
    "midline shift": ("The midline is shifted by {size} mm to the {place}.",),
}


def _told(noun: Noun) -> tuple[str, ...]:
    what, where, verb = noun.text, noun.place, noun.verb
    if where:
        return (
            f"There {verb} {what} in {where}.",
            f"{what} {verb} seen in {where}.",
            f"In {where} there {verb} {what}.",
            f"{where} shows {what}.",
        )
    return (
        f"There {verb} {what}.",
        f"{what} {verb} seen.",
        f"{what} {verb} present.",
        f"The scan shows {what}.",
    )


POSITIVE: dict[str, tuple[str, ...]] = {
    kind: _told(noun) + _OWN.get(kind, ()) for kind, noun in NOUNS.items()
}


def _none(what: str) -> tuple[str, ...]:
    return (
        f"No {what}.",
        f"No {what} is seen.",
        f"There is no {what}.",
        f"The scan shows no {what}.",
    )


def _normal(what: str, verb: str = "is", of: str = "") -> tuple[str, ...]:
    return (
        f"{what} {verb} normal{of}.",
        f"{what} {verb} seen to be normal{of}.",
        f"{what} {verb} found to be normal{of}.",
        f"{what} {verb} normal{of} on this scan.",
    )


Denials = tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


def denials(
    none: Callable[[str], tuple[str, ...]], normal: Callable[..., tuple[str, ...]]
) -> dict[Region, Denials]:
    """Pair what is denied with its phrases: said only where none of the kinds is present."""
    bones = (("vertebral fracture", "lytic bone lesion"), normal("the bones", "are"))
    return {
        Region.CHEST: (
            (("nodule", "mass"), none("pulmonary nodule or mass")),
            (("consolidation", "ground glass"), none("consolidation or ground glass opacity")),
            (("pleural effusion",), none("pleural effusion")),
            (("pneumothorax",), none("pneumothorax")),
            (("cardiomegaly",), normal("the heart", of=" in size")),
            (("pericardial effusion",), none("pericardial effusion")),
            (("aortic aneurysm",), normal("the aorta", of=" in calibre")),
            (("lymphadenopathy",), none("mediastinal lymphadenopathy")),
            bones,
        ),
        Region.ABDOMEN: (
            (("hepatic cyst", "hepatic metastases", "steatosis"), normal("the liver")),
            (("gallstones",), normal("the gallbladder")),
            (("splenomegaly",), normal("the spleen", of=" in size")),
            (("renal cyst", "renal stone", "hydronephrosis"), normal("both kidneys", "are")),
            (("bowel obstruction",), none("bowel obstruction")),
            (("ascites",), none("ascites")),
            (("abdominal aortic aneurysm",), normal("the aorta", of=" in calibre")),
            bones,
        ),
        Region.HEAD: (
            (
                ("intracerebral haemorrhage", "subdural haematoma"),
                none("intracranial haemorrhage"),
            ),
            (("infarct",), none("infarct")),
            (("hydrocephalus",), normal("the ventricles", "are", " in size")),
            (("midline shift",), none("midline shift")),
        ),
    }


NEGATIVE: dict[Region, Denials] = denials(_none, _normal)

TECHNIQUE: tuple[str, ...] = (
    "Synthetic CT of the {region}, {plane} plane, {phase}.",
    "Synthetic CT of the {region} in the {plane} plane, {phase}.",
)
SCAN_PHASES: dict[str, str] = {
    "non-contrast": "without contrast",
    "arterial": "arterial phase",
    "portal venous": "portal venous phase",
    "delayed": "delayed phase",
}
NO_FINDING: tuple[str, ...] = ("No abnormality.", "No abnormality is seen.", "Normal scan.")

SHORT: dict[str, str] = {
    "nodule": "{place} nodule",
    "mass": "{place} mass",
    "consolidation": "{place} consolidation",
    "ground glass": "{place} ground glass opacity",
    "pleural effusion": "{degree} {place} pleural effusion",
    "pneumothorax": "{degree} {place} pneumothorax",
    "cardiomegaly": "{degree} cardiomegaly",
    "pericardial effusion": "{degree} pericardial effusion",
    "emphysema": "{degree} emphysema",
    "coronary calcification": "{degree} coronary artery calcification",
    "aortic aneurysm": "aneurysm of the ascending aorta",
    "lymphadenopathy": "mediastinal lymphadenopathy",
    "vertebral fracture": "{degree} vertebral fracture of the {place}",
    "lytic bone lesion": "lytic bone lesion of the {place}",
    "port catheter": "{place} port catheter",
    "steatosis": "{degree} hepatic steatosis",
    "hepatic cyst": "hepatic cyst of the {place}",
    "renal cyst": "{place} renal cyst",
    "renal stone": "{place} renal stone",
    "hydronephrosis": "{degree} {place} hydronephrosis",
    "ascites": "{degree} volume ascites",
    "bowel obstruction": "{degree} bowel obstruction",
    "hip prosthesis": "{place} hip prosthesis",
    "intracerebral haemorrhage": "{place} intracerebral haemorrhage",
    "subdural haematoma": "{place} subdural haematoma",
    "infarct": "{place} infarct",
    "hydrocephalus": "{degree} hydrocephalus",
    "midline shift": "midline shift to the {place}",
    "ventricular shunt": "{place} ventricular shunt",
}
