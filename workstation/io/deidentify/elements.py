"""A header made anew: only what the profile keeps and what is known to be harmless goes over."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_VM, dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from workstation.io.deidentify.codes import is_code, known_code
from workstation.io.deidentify.dates import DUMMIES, shifted
from workstation.io.deidentify.options import Options
from workstation.io.deidentify.pseudonyms import Pseudonyms
from workstation.io.deidentify.table import (
    CHARACTERISTICS,
    CLEANED,
    KEPT_TEXTS,
    SAFE_PRIVATE,
    Action,
    action_for,
    is_removed_group,
)
from workstation.io.deidentify.words import clean_code_string, clean_text
from workstation.io.header import DAMAGE, number, text

_TEXTS = ("LO", "SH", "ST", "LT", "UT", "UC")
_NUMBERS = ("US", "SS", "UL", "SL", "UV", "SV", "FL", "FD", "AT")
_DATES = ("DA", "TM", "DT")
_DECIMAL = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*")
_AGE = re.compile(r"\d{3}[DWMY]")
_ABOUT_PEOPLE = ("Birth", "Death", "Menstrual")
_IMAGE_TYPES = ("ImageType", "FrameType")


@dataclass(frozen=True)
class Work:
    """What holds for one file: options, stand-ins, and whose it is.

    ``names`` are words that the file uses to name someone; ``days`` is None where dates go.
    """

    options: Options
    pseudonyms: Pseudonyms
    patient: str
    names: frozenset[str]
    days: timedelta | None
    multi_frame: bool


def cleaned(dataset: Dataset, work: Work) -> Dataset:
    """Make the de-identified header, or item of a sequence; without pixels."""
    fresh = Dataset()
    for tag in list(dataset.keys()):
        try:
            element = _cleaned_element(dataset, tag, work)
        except (*DAMAGE, OverflowError):
            continue  # what cannot be read cannot be judged
        if element is not None:
            fresh.add(element)
    _keep_creators(dataset, fresh)
    return fresh


def _cleaned_element(dataset: Dataset, tag: BaseTag, work: Work) -> DataElement | None:
    if tag.is_private:
        return _safe_private(dataset, tag)
    if is_removed_group(tag.group) or not dictionary_has_tag(tag):
        return None
    element = dataset[tag]
    if element.VR not in dictionary_VR(tag).split(" or "):
        return None
    keyword = keyword_for_tag(tag)
    if keyword in ("PatientName", "PatientID"):
        return DataElement(tag, element.VR, work.patient)
    value = _kept_by_option(element, keyword, work)
    if value is None:
        value = _value(element, keyword, dataset, work)
    return None if value is None else DataElement(tag, element.VR, value)


def _kept_by_option(element: DataElement, keyword: str, work: Work) -> Any:  # noqa: ANN401
    """Value of what an option keeps; None for all else."""
    if keyword in CLEANED:
        return clean_text(str(element.value or ""), keyword, work.names) or None
    if keyword in CHARACTERISTICS and work.options.keep_characteristics:
        return _characteristic(element)
    person = any(word in keyword for word in _ABOUT_PEOPLE)
    if element.VR in _DATES and work.days is not None and not person:
        values = [shifted(element.VR, str(one), work.days) for one in _values(element)]
        return values if values and all(values) else None
    return None


def _value(element: DataElement, keyword: str, dataset: Dataset, work: Work) -> Any:  # noqa: ANN401
    """Value after the table's action; None where the attribute goes."""
    action = action_for(element.tag)
    conditional = (Action.EMPTY_OR_DUMMY, Action.REMOVE_OR_DUMMY)
    if action is Action.DUMMY or (action in conditional and work.multi_frame):
        kind = element.VR
        return work.pseudonyms.uid(str(element.value)) if kind == "UI" else DUMMIES.get(kind)
    if action in (Action.EMPTY, Action.EMPTY_OR_DUMMY):
        return [] if element.VR == "SQ" else ""
    if action in (Action.REMOVE, Action.REMOVE_OR_DUMMY):
        return None
    if keyword in CHARACTERISTICS:
        return None
    judge = _JUDGES.get(element.VR)
    return None if judge is None else judge(element, keyword, dataset, work)


def _characteristic(element: DataElement) -> Any:  # noqa: ANN401 - text or number
    if element.VR != "AS":
        return _JUDGES[element.VR](element, element.keyword, Dataset(), None)
    age = str(element.value)
    if not _AGE.fullmatch(age):
        return None
    return "090Y" if age.endswith("Y") and int(age[:3]) > 89 else age


def _values(element: DataElement) -> list[Any]:
    value = element.value
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, (MultiValue, list)) else [value]


def _uids(element: DataElement, _keyword: str, _dataset: Dataset, work: Work) -> list[str]:
    return [work.pseudonyms.uid(str(one)) for one in _values(element)]


def _code_string(element: DataElement, keyword: str, *_more: object) -> list[str] | None:
    values = [clean_code_string(str(one), keyword) for one in _values(element)]
    if keyword in _IMAGE_TYPES:
        return [one or "OTHER" for one in values[:3]] + [one for one in values[3:] if one]
    return values if all(values) else None


def _text(element: DataElement, keyword: str, _dataset: Dataset, work: Work) -> Any:  # noqa: ANN401
    if keyword not in KEPT_TEXTS:
        return None
    values = [clean_text(str(one), keyword, work.names) for one in _values(element)]
    if keyword == "Manufacturer":
        return values or ""
    return values if values and all(values) else None


def _decimals(element: DataElement, *_more: object) -> Any:  # noqa: ANN401
    texts = [str(getattr(one, "original_string", one)) for one in _values(element)]
    return element.value if all(_DECIMAL.fullmatch(one) for one in texts) else None


def _binary(element: DataElement, *_more: object) -> Any:  # noqa: ANN401
    """Keep numbers, if there are no more of them than the attribute has: they might be letters."""
    values = _values(element)
    most = "1" if element.tag.is_private else dictionary_VM(element.tag)
    plain = all(isinstance(one, (int, float)) for one in values)
    few = not most.isdigit() or len(values) <= int(most)
    return element.value if plain and few else None


def _items(element: DataElement, _keyword: str, _dataset: Dataset, work: Work) -> Any:  # noqa: ANN401
    fresh: list[Dataset] = []
    for item in element.value:
        made = known_code(item) if is_code(item) else cleaned(item, work)
        if made is not None and (made or not item):
            fresh.append(made)
    return fresh if fresh or not element.value else None


def _table(element: DataElement, keyword: str, dataset: Dataset, _work: object) -> Any:  # noqa: ANN401
    """Keep a lookup table of as many entries as its description says."""
    if keyword != "LUTData" or not isinstance(element.value, bytes):
        return _binary(element) if keyword == "LUTData" else None
    entries = int(number(dataset, "LUTDescriptor") or 65536)
    return element.value if len(element.value) == entries * 2 else None


_Judge = Callable[[DataElement, str, Dataset, Any], Any]
_JUDGES: dict[str, _Judge] = {
    "UI": _uids,
    "CS": _code_string,
    "SQ": _items,
    "OW": _table,
    "DS": _decimals,
    "IS": _decimals,
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_NUMBERS, _binary),
}


def _safe_private(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    """Keep a private attribute that is known to be safe, if it holds nothing but numbers."""
    if tag.is_private_creator:
        return None
    block = BaseTag((tag.group << 16) | (tag.element >> 8))
    creator = str(dataset[block].value) if block in dataset else ""
    kind = SAFE_PRIVATE.get((creator.strip(), tag.group, tag.element & 0xFF))
    element = dataset[tag] if kind is not None else None
    if element is None or kind != element.VR or len(_values(element)) != 1:
        return None
    value = _JUDGES[element.VR](element, "", dataset, None)
    return None if value is None else DataElement(tag, element.VR, value)


def _keep_creators(dataset: Dataset, fresh: Dataset) -> None:
    """Bring over the names that the private attributes which stayed need."""
    for tag in [tag for tag in fresh.keys() if tag.is_private]:  # noqa: SIM118
        block = BaseTag((tag.group << 16) | (tag.element >> 8))
        fresh.add(DataElement(block, "LO", text_of(dataset, block)))


def text_of(dataset: Dataset, tag: BaseTag) -> str:
    """Text of an attribute by its tag."""
    return str(dataset[tag].value).strip()


def identity_of(dataset: Dataset) -> str:
    """Whatever tells whose file this is best: number, else name and birth date, else study."""
    named = "\n".join((text(dataset, "PatientName"), text(dataset, "PatientBirthDate"))).strip()
    return text(dataset, "PatientID") or named or text(dataset, "StudyInstanceUID")
