"""What the scan keeps of a DICOM file, gathered in the reading process."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID

from workstation.core.errors import DecodeError, InputError
from workstation.core.identifiers import tells_apart
from workstation.io.channel import Message
from workstation.io.facts import FileFacts, Frame
from workstation.io.floats import float_bits
from workstation.io.header import (
    DAMAGE,
    is_encapsulated,
    number,
    numbers,
    open_regular,
    parse,
    states_syntax,
    text,
    transfer_syntax,
    unknown_syntax,
    value_of,
)
from workstation.io.stored import stored_pixels

_SPLITTERS = (
    "AcquisitionNumber",
    "TemporalPositionIdentifier",
    "EchoNumbers",
    "TriggerTime",
    "ConvolutionKernel",
    "ImageType",
    "AcquisitionTime",
    "ContentTime",
)
_SYNTHETIC_MARKS = ("ImageComments", "PatientID", "SeriesDescription")
_OTHERS = """
SpecificCharacterSet SOPClassUID SOPInstanceUID StudyInstanceUID SeriesInstanceUID Modality
SeriesDescription StudyDescription BodyPartExamined AccessionNumber SeriesNumber InstanceNumber
SliceLocation SeriesDate StudyDate PatientName PatientID PatientBirthDate PatientAge PatientSex
Rows Columns PhotometricInterpretation SamplesPerPixel BitsAllocated BitsStored HighBit
PixelRepresentation NumberOfFrames PerFrameFunctionalGroupsSequence SharedFunctionalGroupsSequence
ImagePositionPatient ImageOrientationPatient PixelSpacing SliceThickness SpacingBetweenSlices
GantryDetectorTilt RescaleSlope RescaleIntercept WindowCenter WindowWidth PixelPaddingValue
PixelPaddingRangeLimit
"""
SCANNED = (*_SPLITTERS, *_SYNTHETIC_MARKS, *_OTHERS.split())
_MOST_FRAMES = 20_000
_WHOLE = (8.0, 16.0)
"""Bits of pixels that are whole numbers."""


def read_headers(item: Message) -> Message:
    """Job ``headers``: the facts of one file at ``item["path"]``."""
    path = Path(item["path"])
    with open_regular(path) as stream:
        dataset = parse(stream, SCANNED)
        syntax = transfer_syntax(dataset)
        size = os.fstat(stream.fileno()).st_size
        try:
            facts = _facts(path, dataset, size, syntax, _bits(stream, dataset, syntax))
        except DAMAGE as error:
            raise InputError("its header is damaged", type(error).__name__) from None
        stored = None if facts.trouble else _stored(stream, dataset, syntax)
        digest = "" if tells_apart(facts.sop_uid) else _digest(stream)
    return {**facts.as_message(), "content_hash": digest, "stored": stored}


def _stored(stream: BinaryIO, dataset: FileDataset, syntax: UID) -> Message | None:
    try:
        found = stored_pixels(stream, dataset, syntax)
    except DecodeError:
        return None  # what is wrong is said when the slice is read
    return None if found is None else found.as_message()


def _bits(stream: BinaryIO, dataset: FileDataset, syntax: UID) -> tuple[float, ...]:
    """List how many bits its pixels may have to be shown; empty where it holds no image."""
    if syntax == pydicom.uid.DeflatedExplicitVRLittleEndian:
        return _WHOLE if "Rows" in dataset else ()
    if (bits := float_bits(stream)) and not is_encapsulated(syntax):
        return (bits,)
    tag = stream.read(4)
    stream.seek(-len(tag), os.SEEK_CUR)
    return _WHOLE if tag[:2] in (b"\xe0\x7f", b"\x7f\xe0") else ()


def _digest(stream: BinaryIO) -> str:
    stream.seek(0)
    digest = hashlib.sha256()
    while chunk := stream.read(2**20):
        digest.update(chunk)
    return digest.hexdigest()


def _facts(
    path: Path, dataset: FileDataset, size: int, syntax: UID, bits: tuple[float, ...]
) -> FileFacts:
    image_type = tuple(text(dataset, "ImageType").split("\\"))
    marks = " ".join(text(dataset, key) for key in _SYNTHETIC_MARKS)
    instance, series = number(dataset, "InstanceNumber"), number(dataset, "SeriesNumber")
    return FileFacts(
        path=str(path),
        size_bytes=size,
        sop_class=text(dataset, "SOPClassUID"),
        sop_uid=text(dataset, "SOPInstanceUID"),
        study_uid=text(dataset, "StudyInstanceUID"),
        series_uid=text(dataset, "SeriesInstanceUID"),
        syntax=str(syntax),
        modality=text(dataset, "Modality"),
        description=text(dataset, "SeriesDescription"),
        study_description=text(dataset, "StudyDescription"),
        body_part=text(dataset, "BodyPartExamined"),
        accession=text(dataset, "AccessionNumber"),
        number=None if series is None else int(series),
        instance=None if instance is None else int(instance),
        location=number(dataset, "SliceLocation"),
        date=text(dataset, "SeriesDate") or text(dataset, "StudyDate"),
        patient=_patient(dataset),
        synthetic="SYNTHETIC" in marks.upper(),
        image_type=tuple(filter(None, image_type)),
        splitters=tuple(text(dataset, key) for key in _SPLITTERS),
        rows=int(number(dataset, "Rows") or 0),
        columns=int(number(dataset, "Columns") or 0),
        photometric=text(dataset, "PhotometricInterpretation"),
        samples=int(number(dataset, "SamplesPerPixel") or 1),
        frames=read_frames(dataset),
        trouble=_trouble(dataset, syntax, bits),
        without_meta=not states_syntax(dataset),
    )


def _patient(dataset: Dataset) -> tuple[str, str, str, str, str]:
    keys = ("PatientName", "PatientID", "PatientBirthDate", "PatientAge", "PatientSex")
    name, identity, birth_date, age, sex = (text(dataset, key) for key in keys)
    return name, identity, birth_date, age, sex


def _trouble(dataset: FileDataset, syntax: UID, bits: tuple[float, ...]) -> str:
    if not bits:
        return "it holds no image"
    if not (number(dataset, "Rows") and number(dataset, "Columns")):
        return "its header does not say how large the image is"
    if number(dataset, "BitsAllocated") not in bits:
        told = text(dataset, "BitsAllocated") or "unknown"
        return f"its pixels have {told} bits; only 8 and 16 can be shown"
    return unknown_syntax(syntax)


def read_frames(dataset: Dataset) -> tuple[Frame, ...]:
    """Geometry of every frame: of the file, or of an enhanced object's functional groups."""
    count = int(number(dataset, "NumberOfFrames") or 1)
    if not 1 <= count <= _MOST_FRAMES:
        raise InputError(f"its header claims {count} frames")
    groups = value_of(dataset, "PerFrameFunctionalGroupsSequence")
    shared = _first(dataset, "SharedFunctionalGroupsSequence")
    if not isinstance(groups, Sequence) or len(groups) != count:
        frame = _frame(dataset, dataset, dataset)
        return (frame,) if count == 1 else (Frame(pixel_spacing=frame.pixel_spacing),) * count
    return tuple(_functional_frame(group, shared) for group in groups)


def _functional_frame(group: Dataset, shared: Dataset) -> Frame:
    def macro(keyword: str) -> Dataset:
        return _first(group, keyword) or _first(shared, keyword)

    return _frame(
        macro("PlanePositionSequence"),
        macro("PlaneOrientationSequence"),
        macro("PixelMeasuresSequence"),
    )


def _first(dataset: Dataset, keyword: str) -> Dataset:
    items: Any = value_of(dataset, keyword)
    return items[0] if items else Dataset()


def _frame(position: Dataset, orientation: Dataset, measures: Dataset) -> Frame:
    spacing = numbers(measures, "PixelSpacing", 2)
    return Frame(
        position=numbers(position, "ImagePositionPatient", 3),
        orientation=numbers(orientation, "ImageOrientationPatient", 6),
        pixel_spacing=spacing if spacing and min(spacing) > 0 else None,
        thickness=number(measures, "SliceThickness"),
        step=number(measures, "SpacingBetweenSlices"),
        tilt=number(position, "GantryDetectorTilt") or 0.0,
    )
