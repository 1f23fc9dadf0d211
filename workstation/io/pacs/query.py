"""What is asked of a peer and what it answered; text in any of DICOM's character sets."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import Literal

import pydicom
from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import PN_DELIMS

from workstation.core.errors import InputError

Level = Literal["study", "series", "image"]

_ESCAPE = b"\x1b"
_DECODING = threading.Lock()
_STUDY = (
    "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyDate",
    "StudyTime", "StudyDescription", "ModalitiesInStudy", "ReferringPhysicianName",
    "StudyInstanceUID", "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
)  # fmt: skip
_SERIES = (
    "StudyInstanceUID", "SeriesInstanceUID", "Modality", "SeriesNumber", "SeriesDescription",
    "BodyPartExamined", "NumberOfSeriesRelatedInstances",
)  # fmt: skip
_IMAGE = (
    "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID", "InstanceNumber"
)  # fmt: skip
_ASKED: dict[Level, tuple[str, ...]] = {"study": _STUDY, "series": _SERIES, "image": _IMAGE}


@dataclass(frozen=True)
class Query:
    """What to look for; ``*`` and ``?`` stand for any letters, empty for anything.

    ``series`` needs the study's UID, ``image`` also the series'; ``modality`` and
    ``description`` are those of the level.
    """

    level: Level = "study"
    patient_name: str = ""
    patient_id: str = ""
    birth_date: str = ""
    accession_number: str = ""
    date_from: date | None = None
    date_to: date | None = None
    modality: str = ""
    description: str = ""
    referring_physician: str = ""
    study_uid: str = ""
    series_uid: str = ""

    def __post_init__(self) -> None:
        if self.level != "study" and not self.study_uid:
            raise InputError("To look for series or images, name their study by its UID.")
        if self.level == "image" and not self.series_uid:
            raise InputError("To look for images, name their series by its UID.")
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, str) and ("\\" in value or not value.isprintable()):
                raise InputError(f"The value of '{one.name}' may hold no backslash or control.")

    def as_dataset(self, charset: str) -> Dataset:
        """Write as an identifier.

        Raises
        ------
        InputError
            Where a value cannot be written in the peer's character set.
        """
        values = {"QueryRetrieveLevel": self.level.upper(), **dict.fromkeys(_ASKED[self.level], "")}
        values |= {key: value for key, value in self._wanted().items() if value}
        _check_encodable(values, charset)
        values["SpecificCharacterSet"] = charset  # asked in ASCII too: many answer in it
        return identifier(values)

    def as_filters(self) -> tuple[dict[str, str], tuple[str, ...]]:
        """Write for DICOMweb: attributes to match below the path, and attributes to be told."""
        path = {"study": (), "series": ("StudyInstanceUID",)}.get(
            self.level, ("StudyInstanceUID", "SeriesInstanceUID")
        )
        wanted = {key: value for key, value in self._wanted().items() if value and key not in path}
        return wanted, tuple(one for one in _ASKED[self.level] if one not in path)

    def _wanted(self) -> dict[str, str]:
        keys = {"StudyInstanceUID": self.study_uid}
        if self.level != "study":
            keys["SeriesInstanceUID"] = self.series_uid
        if self.level == "series":
            keys |= {"Modality": self.modality, "SeriesDescription": self.description}
        if self.level != "study":
            return keys
        return keys | {
            "PatientName": self.patient_name,
            "PatientID": self.patient_id,
            "PatientBirthDate": self.birth_date.replace("-", ""),
            "AccessionNumber": self.accession_number,
            "StudyDate": _range(self.date_from, self.date_to),
            "ModalitiesInStudy": self.modality,
            "StudyDescription": self.description,
            "ReferringPhysicianName": self.referring_physician,
        }


@dataclass(frozen=True)
class Answer:
    """One match, as text; counts are None where the peer gives none."""

    study_uid: str
    series_uid: str = ""
    sop_uid: str = ""
    sop_class: str = ""
    patient_name: str = ""
    patient_id: str = ""
    birth_date: str = ""
    sex: str = ""
    accession_number: str = ""
    study_date: str = ""
    study_time: str = ""
    modality: str = ""
    description: str = ""
    referring_physician: str = ""
    body_part: str = ""
    number: str = ""
    series_count: int | None = None
    instance_count: int | None = None


def identifier(values: dict[str, str | list[str]] | dict[str, str]) -> Dataset:
    """Make a data set of keywords and values as they are, unchecked."""
    dataset = Dataset()
    for keyword, value in values.items():
        tag = tag_for_keyword(keyword)
        if tag is not None:
            vr = dictionary_VR(tag)
            dataset.add(DataElement(tag, vr, value, validation_mode=pydicom.config.IGNORE))
    return dataset


def read_answer(dataset: Dataset) -> Answer:
    """Read one match; whatever bytes it holds."""
    charset = [
        part.strip()
        for part in _raw(dataset, "SpecificCharacterSet").decode("ascii", "replace").split("\\")
    ]

    return answer_of(lambda keyword: _decoded(_raw(dataset, keyword), charset))


def answer_of(value_of: Callable[[str], str]) -> Answer:
    """Make a match out of what says the text of an attribute by its keyword."""

    def text(*keywords: str) -> str:
        return next((value for one in keywords if (value := value_of(one))), "")

    return Answer(
        study_uid=text("StudyInstanceUID"),
        series_uid=text("SeriesInstanceUID"),
        sop_uid=text("SOPInstanceUID"),
        sop_class=text("SOPClassUID"),
        patient_name=text("PatientName"),
        patient_id=text("PatientID"),
        birth_date=text("PatientBirthDate"),
        sex=text("PatientSex"),
        accession_number=text("AccessionNumber"),
        study_date=text("StudyDate"),
        study_time=text("StudyTime"),
        modality=text("Modality", "ModalitiesInStudy"),
        description=text("SeriesDescription", "StudyDescription"),
        referring_physician=text("ReferringPhysicianName"),
        body_part=text("BodyPartExamined"),
        number=text("SeriesNumber", "InstanceNumber"),
        series_count=_count(text("NumberOfStudyRelatedSeries")),
        instance_count=_count(
            text("NumberOfSeriesRelatedInstances", "NumberOfStudyRelatedInstances")
        ),
    )


def _range(first: date | None, last: date | None) -> str:
    if first is None and last is None:
        return ""
    if first == last and first is not None:
        return f"{first:%Y%m%d}"
    return f"{first:%Y%m%d}-{last:%Y%m%d}" if first and last else (
        f"{first:%Y%m%d}-" if first else f"-{last:%Y%m%d}"
    )  # fmt: skip


def _check_encodable(values: dict[str, str], charset: str) -> None:
    try:
        "".join(values.values()).encode(python_encoding.get(charset, charset))
    except (UnicodeEncodeError, LookupError) as error:
        raise InputError(
            f"The peer is asked in {charset}, which cannot write what you look for. "
            "Change the setting 'charset' of this peer."
        ) from error


def _raw(dataset: Dataset, keyword: str) -> bytes:
    tag = tag_for_keyword(keyword)
    if tag is None or tag not in dataset:
        return b""
    value = dataset.get_item(tag).value
    if isinstance(value, bytes):
        return value
    many = isinstance(value, Sequence) and not isinstance(value, str)
    return ("\\".join(map(str, value)) if many else str(value or "")).encode()


def _decoded(value: bytes, charset: list[str]) -> str:
    if value.isascii() and _ESCAPE not in value:
        text = value.decode("ascii")
    elif _ESCAPE in value:
        text = _decoded_escapes(value, charset)
    else:
        text = _decoded_plain(value, charset[0])
    return printable(text)


def printable(text: str) -> str:
    """Put blanks for control characters, and none around."""
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _decoded_plain(value: bytes, charset: str) -> str:
    encoding = python_encoding.get(charset) if charset not in {"", "ISO_IR 6"} else None
    for attempt in (encoding, "utf-8"):
        try:
            if attempt is not None:
                return value.decode(attempt)
        except (UnicodeDecodeError, LookupError):
            continue
    return value.decode("latin_1" if encoding is None else "ascii", "replace")


def _decoded_escapes(value: bytes, charset: list[str]) -> str:
    encodings = [python_encoding.get(one, "iso8859") for one in charset]
    with _DECODING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return str(decode_bytes(value, encodings, PN_DELIMS))


def _count(text: str) -> int | None:
    return int(text) if text.isdecimal() and len(text) < 10 else None
