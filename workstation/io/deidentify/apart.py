"""Files that are set apart, because what identifies a patient may be in their pixels or text."""

from __future__ import annotations

from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID

from workstation.io.header import number, text, transfer_syntax, unknown_syntax

_IMAGE_ENDS = """
1 1.1 1.1.1 1.2 1.2.1 1.3 1.3.1 2 2.1 2.2 3.1 4 4.1 4.4 6.1 12.1 12.1.1 12.2 12.2.1 13.1.1 13.1.2
13.1.3 20 128 128.1 130
"""
_IMAGES = frozenset("1.2.840.10008.5.1.4.1.1." + end for end in _IMAGE_ENDS.split())
_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
_SUSPICIOUS = ("US", "IVUS", "XA", "RF", "ES", "OT", "SC", "XC", "CR", "DX", "MG")
_SCREENS = ("SCREEN SAVE", "SCREENSAVE", "SCREEN", "DOSE_INFO", "DOSE INFO", "DOSE", "REPORT")
_REPORTS = ("DOSE REPORT", "DOSE INFO", "PATIENT PROTOCOL", "DOSE RECORD", "SCREEN SAVE")
_HEADS = """
HEAD BRAIN SKULL FACE FACIAL ORBIT SINUS NECK EAR DENTAL JAW MANDIB MAXILL TEMPORAL WHOLEBODY WHOLE
"""
_HEAD = _HEADS.split()
FACE = (
    "a face can be rebuilt from slices of the head, and is not removed: "
    "give them only to whom you would give a photograph"
)


def reason_apart(dataset: FileDataset) -> str:
    """Say why a file must not be written de-identified; nothing if it may."""
    kind = class_of(dataset)
    if kind.startswith(_CAPTURE):
        return "it is a secondary capture: what stands in its pixels is not removed"
    if kind not in _IMAGES:
        return f"it is no image that this program de-identifies ({_kind(kind)})"
    return _syntax(dataset) or _burned_in(dataset) or _graphics(dataset)


def class_of(dataset: FileDataset) -> str:
    """Find a file's SOP class; some files name it only beside their transfer syntax."""
    meta = getattr(dataset, "file_meta", None) or Dataset()
    return text(dataset, "SOPClassUID") or text(meta, "MediaStorageSOPClassUID")


def _kind(kind: str) -> str:
    name = UID(kind).name if kind.startswith("1.2.840.10008.") else ""
    return name if name and name != kind else "of an unknown or private kind"


def _syntax(dataset: FileDataset) -> str:
    syntax = transfer_syntax(dataset)
    if unknown_syntax(syntax):
        return "its transfer syntax is not known"
    if any(f".4.{code}" in str(syntax) for code in ("110", "111", "112")):
        return f"what else its pixel data may hold cannot be told apart ({syntax.name})"
    return ""


def _burned_in(dataset: FileDataset) -> str:
    said = text(dataset, "BurnedInAnnotation").upper()
    if said == "YES":
        return "its header says that writing is burned into its pixels"
    marks = {mark.strip() for mark in text(dataset, "ImageType").upper().split("\\")}
    description = text(dataset, "SeriesDescription").upper()
    if marks & set(_SCREENS) or any(word in description for word in _REPORTS):
        return "it is a picture of a screen: what is written in its pixels is not removed"
    if said == "NO":
        return ""
    if doubt := _doubt(dataset):
        return f"{doubt}, and its header does not say that no writing is burned into its pixels"
    return ""


def _doubt(dataset: FileDataset) -> str:
    if "ConversionType" in dataset:
        return "it was captured from elsewhere"
    if (number(dataset, "SamplesPerPixel") or 1) > 1:
        return "it is in colour"
    if text(dataset, "Modality") in _SUSPICIOUS:
        return f"images of its modality ({text(dataset, 'Modality')}) often carry writing"
    if text(dataset, "Modality") == "CT" and number(dataset, "BitsAllocated") == 8:
        return "a CT image of 8 bits is not as it was acquired"
    return ""


def _graphics(dataset: FileDataset) -> str:
    if text(dataset, "PhotometricInterpretation") == "PALETTE COLOR":
        return "its colours come from a table, as a screen's do"
    for group in range(0x6000, 0x6100, 2):
        if (group << 16) + 0x10 in dataset and (group << 16) + 0x3000 not in dataset:
            return "an overlay is stored among the bits of its pixels"
    return ""


def remarks_of(dataset: FileDataset) -> list[str]:
    """Tell what is true of a file that is written nevertheless."""
    keys = ("BodyPartExamined", "StudyDescription", "SeriesDescription", "ProtocolName")
    said = " ".join(text(dataset, key) for key in keys).upper()
    return [FACE] if any(word in said for word in _HEAD) else []
