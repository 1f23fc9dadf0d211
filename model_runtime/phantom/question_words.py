"""The words of the questions about a case, and of the places that answer them."""

from __future__ import annotations

QUESTIONS: dict[str, tuple[str, ...]] = {
    "plane": (
        "In which plane was the scan acquired?",
        "What is the plane of the scan?",
        "Which plane is shown?",
        "What plane is this?",
        "What is the imaging plane?",
        "Are the slices axial, coronal or sagittal?",
    ),
    "phase": (
        "What is the contrast phase?",
        "In which contrast phase was the scan acquired?",
        "Which contrast phase is shown?",
        "What phase of contrast is this?",
        "Was contrast given, and which phase is it?",
        "What is the phase of the scan?",
    ),
    "region": (
        "Which body region is shown?",
        "What is the body region of the scan?",
        "Which region was scanned?",
        "What part of the body is this?",
        "Which part of the body does the scan show?",
        "What was scanned?",
    ),
    "organ": (
        "Which organs are abnormal?",
        "What organs show an abnormality?",
        "In which organs is there an abnormality?",
        "Which organs are affected?",
        "Which organs are not normal?",
        "In what organs do you see a finding?",
    ),
    "abnormality": (
        "Which abnormalities are present?",
        "What abnormalities does the scan show?",
        "What is abnormal on the scan?",
        "What are the findings?",
        "What do you see?",
        "Are there abnormalities, and which?",
        "What is wrong with this patient?",
    ),
    "degree": (
        "What is the degree of the {noun}?",
        "How marked is the {noun}?",
        "Which degree of {noun} is seen?",
        "How severe is the {noun}?",
        "To what degree is there {noun}?",
    ),
    "number": (
        "How many {noun} are there?",
        "What is the number of {noun}?",
        "How many {noun} do you see?",
        "How many {noun} does the scan show?",
    ),
    "size": (
        "How large is the {noun}?",
        "What is the size of the {noun}?",
        "How big is the {noun}?",
        "What size is the {noun}?",
        "How many millimetres is the {noun}?",
    ),
    "location": (
        "Where is the {noun}?",
        "What is the location of the {noun}?",
        "In which location is the {noun} seen?",
        "Where do you see the {noun}?",
        "Where does the {noun} lie?",
        "On which side or in which part is the {noun}?",
    ),
    "yes/no": (
        "Is there {named}?",
        "Does the scan show {named}?",
        "Do you see {named}?",
        "Can you see {named}?",
        "Is {named} present?",
        "Do the images show {named}?",
    ),
}

ABSENT = "not present"
NO_ABNORMALITY = "no abnormality"
NO_ORGAN = "no organ"

_NOUNS = {
    "ground glass": "ground glass opacity",
    "coronary calcification": "coronary artery calcification",
}
_COUNTED = {"lymphadenopathy": "enlarged mediastinal lymph nodes"}
_PLURAL = ("gallstones", "hepatic metastases", "sternotomy wires")
_UNCOUNTED = (
    "consolidation",
    "ground glass",
    "cardiomegaly",
    "emphysema",
    "coronary calcification",
    "lymphadenopathy",
    "steatosis",
    "hydronephrosis",
    "splenomegaly",
    "ascites",
    "bowel obstruction",
    "hydrocephalus",
)

# What a side is for a kind: one of them, both of them.
_SIDED = {
    "pleural effusion": ("pleural space", "both pleural spaces"),
    "pneumothorax": ("pleural space", "both pleural spaces"),
    "port catheter": ("chest wall", "both sides of the chest wall"),
    "renal cyst": ("kidney", "both kidneys"),
    "renal stone": ("kidney", "both kidneys"),
    "hydronephrosis": ("kidney", "both kidneys"),
    "hip prosthesis": ("hip", "both hips"),
    "subdural haematoma": ("hemisphere", "both hemispheres"),
    "ventricular shunt": ("hemisphere", "both hemispheres"),
    "hepatic cyst": ("", "both hepatic lobes"),
    "vertebral fracture": ("", "upper and lower lumbar spine"),
    "intracerebral haemorrhage": ("lobe", ""),
    "infarct": ("lobe", ""),
}


def noun(kind: str) -> str:
    """Name a kind of finding without an article."""
    return _NOUNS.get(kind, kind)


def counted(kind: str) -> str:
    """Name what is counted of a kind of finding."""
    return _COUNTED.get(kind, noun(kind))


def named(kind: str) -> str:
    """Name a kind of finding as it stands behind *is there*."""
    name = noun(kind)
    if kind in _UNCOUNTED:
        return name
    if kind in _PLURAL:
        return f"evidence of {name}"
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def place_name(kind: str, place: str) -> str:
    """Name the place of a finding as an answer: ``right`` is a kidney, a hip or a direction."""
    if kind == "midline shift":
        return f"to the {place}"
    what = _SIDED.get(kind, ("", ""))[0]
    return f"{place} {what}".strip()


def both(kind: str) -> str:
    """Name both places of a kind of finding that can be in two."""
    return "to the back" if kind == "midline shift" else _SIDED[kind][1]
