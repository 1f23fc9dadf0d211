"""Coded concepts: kept with the meaning that the code has, not the one that was typed."""

from __future__ import annotations

from pydicom.dataset import Dataset
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

from workstation.io.header import text

_MEANINGS = {
    (scheme, code): meaning
    for scheme, keywords in concepts.items()
    for codes in keywords.values()
    for code, (meaning, _) in codes.items()
}


def is_code(item: Dataset) -> bool:
    """Tell whether a sequence's item is a coded concept."""
    return any(key in item for key in ("CodeValue", "LongCodeValue", "URNCodeValue"))


def known_code(item: Dataset) -> Dataset | None:
    """Make the concept anew from its code; None if no public dictionary has the code."""
    code, scheme = text(item, "CodeValue"), text(item, "CodingSchemeDesignator")
    known = mapping["SRT"].get(code, "") if scheme in ("SRT", "SNM3") else code
    meaning = _MEANINGS.get(("SCT" if known != code else scheme, known))
    if meaning is None:
        return None
    concept = Dataset()
    concept.CodeValue, concept.CodingSchemeDesignator = code, scheme
    concept.CodeMeaning = meaning[:64].encode("ascii", "replace").decode("ascii")
    return concept
