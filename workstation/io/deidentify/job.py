"""Job ``deidentify`` of the reading process: one file in, one file out, whole or not at all."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID

from workstation.core.errors import InputError
from workstation.core.identifiers import tells_apart
from workstation.io.channel import Message
from workstation.io.deidentify.apart import class_of, reason_apart, remarks_of
from workstation.io.deidentify.elements import Work, cleaned, identity_of
from workstation.io.deidentify.options import Options
from workstation.io.deidentify.pixel_data import checked_pixels
from workstation.io.deidentify.pseudonyms import Pseudonyms
from workstation.io.deidentify.words import words_of_names
from workstation.io.header import DAMAGE, open_regular, parse, text, transfer_syntax

PARTIAL = ".partial"
_PROFILE = "Tomoscribe: DICOM PS3.15 Annex E, Basic Profile"
_CODES = {
    "113100": "Basic Application Confidentiality Profile",
    "113105": "Clean Descriptors Option",
    "113111": "Retain Safe Private Option",
}
_IDENTIFIERS = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
_CHARACTERISTICS = ("113108", "Retain Patient Characteristics Option")


@dataclass(frozen=True)
class Content:
    """Digests of a file, of its series and of its study: what stands for identifiers they lack."""

    file: str
    series: str
    study: str


def deidentify_file(item: Message) -> Message:
    """De-identify the file at ``item["path"]`` into the folder ``item["out"]``.

    ``content``, ``series`` and ``study`` are digests that stand for lacking identifiers.

    The answer has ``written``, the new path, and ``remarks``; or ``apart``, the reason why
    nothing was written; or ``unsaved``, what the disk said.
    """
    with open_regular(Path(item["path"])) as stream:
        head = parse(stream)
        if reason := reason_apart(head):
            return {"apart": reason}
        stream.seek(0)
        try:
            dataset = pydicom.dcmread(stream, force=True)
        except DAMAGE as error:
            raise InputError("its pixel data is cut off", type(error).__name__) from None
    pseudonyms = Pseudonyms(bytes.fromhex(item["secret"]))
    content = Content(item["content"], item["series"], item["study"])
    fresh = deidentified(dataset, Options.from_message(item["options"]), pseudonyms, content)
    try:
        return {"written": str(_write(fresh, Path(item["out"]))), "remarks": remarks_of(dataset)}
    except OSError as error:
        return {"unsaved": _said(error)}


def deidentified(
    dataset: FileDataset, options: Options, pseudonyms: Pseudonyms, content: Content
) -> FileDataset:
    """Make the de-identified counterpart of a file that has been read whole."""
    syntax = transfer_syntax(dataset)
    pixels = checked_pixels(dataset, syntax)
    identity = identity_of(dataset)
    done_before = text(dataset, "LongitudinalTemporalInformationModified") == "MODIFIED"
    again = done_before and pseudonyms.is_own_patient(identity)
    shift = pseudonyms.shift(identity) * (0 if again else 1)
    work = Work(
        options=options,
        pseudonyms=pseudonyms,
        patient=pseudonyms.patient(identity or content.study),
        names=words_of_names(_names(dataset)),
        days=shift if options.keep_dates_shifted else None,
        multi_frame="PerFrameFunctionalGroupsSequence" in dataset,
    )
    header = cleaned(dataset, work)
    header.SOPClassUID = class_of(dataset)
    given = {key for key in _IDENTIFIERS if tells_apart(text(dataset, key))}
    _complete(header, work, content, given)
    _mark(header, options)
    header.add(pixels)
    return _as_file(header, syntax)


def _names(dataset: Dataset) -> list[str]:
    """Everything at the top of a header that names a person or a place."""
    names: list[str] = []
    for tag in list(dataset.keys()):
        try:
            element = dataset[tag]
        except DAMAGE:
            continue
        if element.VR == "PN" or element.keyword in ("InstitutionName", "StationName"):
            names.append(str(element.value))
    return names


def _complete(header: Dataset, work: Work, content: Content, given: set[str]) -> None:
    """Fill in the empty values that an image must have, and identifiers that were not given."""
    stand_ins = (content.file, content.series, content.study)
    for keyword, stand_in in zip(_IDENTIFIERS, stand_ins, strict=True):
        if keyword not in given:
            setattr(header, keyword, work.pseudonyms.uid(f"{keyword} {stand_in}"))
    header.PatientName = header.PatientID = work.patient
    empty = ("PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "AccessionNumber")
    for keyword in (*empty, "ReferringPhysicianName", "StudyID", "Manufacturer"):
        if keyword not in header:
            setattr(header, keyword, "")


def _mark(header: Dataset, options: Options) -> None:
    """Record in the file what was done to it."""
    codes = dict(_CODES)
    codes.update([_DATES] if options.keep_dates_shifted else [])
    codes.update([_CHARACTERISTICS] if options.keep_characteristics else [])
    header.PatientIdentityRemoved = "YES"
    header.DeidentificationMethod = [_PROFILE, *list(codes.values())[1:]]
    header.DeidentificationMethodCodeSequence = [_code(*code) for code in codes.items()]
    modified = "MODIFIED" if options.keep_dates_shifted else "REMOVED"
    header.LongitudinalTemporalInformationModified = modified


def _code(value: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, "DCM", meaning
    return code


def _as_file(header: Dataset, syntax: UID) -> FileDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = header.SOPClassUID
    meta.MediaStorageSOPInstanceUID = header.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    return FileDataset("", header, preamble=b"\0" * 128, file_meta=meta)


def _write(fresh: FileDataset, out: Path) -> Path:
    """Write under the new identifiers' names; a file that is there already is never replaced."""
    folder = out / _name(fresh.SeriesInstanceUID)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{_name(fresh.SOPInstanceUID)}.dcm"
    partial = target.with_suffix(f".{os.getpid()}{PARTIAL}")
    try:
        with partial.open("xb") as stream:
            pydicom.dcmwrite(stream, fresh, enforce_file_format=True)
            stream.flush()
            os.fsync(stream.fileno())
        _put_in_place(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def _put_in_place(partial: Path, target: Path) -> None:
    try:
        os.link(partial, target)
    except FileExistsError:
        if partial.read_bytes() != target.read_bytes():
            raise InputError("another file carries the same identifier; it was written") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT) or target.exists():
            raise
        partial.replace(target)  # a file system without links


def _name(uid: str) -> str:
    return re.sub(r"[^0-9.]", "", str(uid))


def _said(error: OSError) -> str:
    return error.strerror or type(error).__name__
