"""DICOM headers, read in the reading process: pydicom parses, nothing is trusted."""

from __future__ import annotations

import hashlib
import math
import stat
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from workstation.core.errors import InputError
from workstation.io.channel import Message
from workstation.io.facts import FileFacts, Frame

pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE

_MAGIC = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip file",
    b"GIF8": "a GIF picture",
    b"\x7fELF": "a program",
}
DAMAGE = (
    AttributeError,
    BytesLengthException,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
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
_MOST_FRAMES = 20_000
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")


def read_headers(item: Message) -> Message:
    """Job ``headers``: the facts of one file at ``item["path"]``."""
    path = Path(item["path"])
    with open_regular(path) as stream:
        dataset = parse(stream)
        has_pixels = _at_pixels(stream, dataset)
        stream.seek(0)
        digest = "" if dataset.get("SOPInstanceUID") else _digest(stream)
    return _facts(path, dataset, has_pixels, digest).as_message()


def open_regular(path: Path) -> BinaryIO:
    """Open a file for reading; pipes, devices and folders are refused."""
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise InputError("it is not a regular file")
        return path.open("rb")
    except FileNotFoundError:
        raise InputError("it does not exist (a broken link?)") from None
    except PermissionError:
        raise InputError("you may not read it; ask for the permission") from None
    except OSError as error:
        raise InputError("the disk could not read it", type(error).__name__) from None


def parse(stream: BinaryIO) -> FileDataset:
    """Read everything before the pixels; leaves the stream at the pixel element.

    Raises
    ------
    InputError
        If the stream does not hold a DICOM header.
    """
    force = _check_beginning(stream.read(136))
    stream.seek(0)
    try:
        dataset = pydicom.dcmread(stream, stop_before_pixels=True, force=force)
    except InvalidDicomError:
        raise InputError("it is not a DICOM file") from None
    except DAMAGE as error:
        raise InputError("its header is damaged or cut off", type(error).__name__) from None
    if not dataset:
        raise InputError("its header is empty or cut off")
    return dataset


def transfer_syntax(dataset: FileDataset) -> UID:
    """Find the declared transfer syntax; without file meta, what pydicom found in the bytes."""
    meta = getattr(dataset, "file_meta", None)
    declared = meta.get("TransferSyntaxUID") if meta is not None else None
    if declared:
        return UID(str(declared))
    implicit, little = dataset.original_encoding
    if implicit:
        return pydicom.uid.ImplicitVRLittleEndian
    return pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian


@lru_cache(maxsize=256)
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


def value_of(dataset: Dataset, keyword: str) -> Any:  # noqa: ANN401 - as the file says
    """Value of an element, or None; much faster than by attribute for absent elements."""
    tag = _tag(keyword)
    return dataset[tag].value if tag in dataset else None


def text(dataset: Dataset, keyword: str) -> str:
    """Text of an element; values that cannot be read are empty."""
    try:
        value = value_of(dataset, keyword)
        return "" if value is None else str(value).replace("\x00", "").strip()
    except (ValueError, TypeError, AttributeError, NotImplementedError, LookupError):
        return ""


def number(dataset: Dataset, keyword: str) -> float | None:
    """Finite number of an element, or None."""
    values = numbers(dataset, keyword)
    return values[0] if values else None


def numbers(dataset: Dataset, keyword: str, count: int = 1) -> tuple[float, ...] | None:
    """Read the first ``count`` finite numbers of an element, or None."""
    try:
        value = value_of(dataset, keyword)
        if value is None:
            return None
        items = [value] if isinstance(value, (int, float, str)) else list(value)
        found = tuple(float(item) for item in items[:count])
    except (ValueError, TypeError, AttributeError, NotImplementedError, OverflowError):
        return None
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def _check_beginning(head: bytes) -> bool:
    """Tell whether the file must be read without its preamble; refuse what is no DICOM."""
    if not head:
        raise InputError("it is empty")
    if head[128:132] == b"DICM":
        return False
    for magic, name in _MAGIC.items():
        if head.startswith(magic):
            raise InputError(f"it is {name}, not a DICOM file")
    if head[:2] in (b"\x08\x00", b"\x02\x00") and len(head) == 136 and head[3:4] == b"\x00":
        return True
    raise InputError("it is not a DICOM file")


def _at_pixels(stream: BinaryIO, dataset: FileDataset) -> bool:
    if transfer_syntax(dataset) == pydicom.uid.DeflatedExplicitVRLittleEndian:
        return "Rows" in dataset
    tag = stream.read(4)
    return tag[:2] in (b"\xe0\x7f", b"\x7f\xe0")


def _digest(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(2**20):
        digest.update(chunk)
    return digest.hexdigest()


def _facts(path: Path, dataset: FileDataset, has_pixels: bool, digest: str) -> FileFacts:
    image_type = tuple(text(dataset, "ImageType").strip("[]").replace("'", "").split(", "))
    marks = " ".join(text(dataset, key) for key in _SYNTHETIC_MARKS)
    instance, series = number(dataset, "InstanceNumber"), number(dataset, "SeriesNumber")
    return FileFacts(
        path=str(path),
        size_bytes=path.stat().st_size,
        sop_class=text(dataset, "SOPClassUID"),
        sop_uid=text(dataset, "SOPInstanceUID"),
        content_hash=digest,
        study_uid=text(dataset, "StudyInstanceUID"),
        series_uid=text(dataset, "SeriesInstanceUID"),
        syntax=str(transfer_syntax(dataset)),
        modality=text(dataset, "Modality"),
        description=text(dataset, "SeriesDescription"),
        study_description=text(dataset, "StudyDescription"),
        body_part=text(dataset, "BodyPartExamined"),
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
        trouble=_trouble(dataset, has_pixels),
    )


_SYNTHETIC_MARKS = ("ImageComments", "PatientID", "SeriesDescription")


def _patient(dataset: Dataset) -> tuple[str, str, str, str, str]:
    keys = ("PatientName", "PatientID", "PatientBirthDate", "PatientAge", "PatientSex")
    name, identity, birth_date, age, sex = (text(dataset, key) for key in keys)
    return name, identity, birth_date, age, sex


def _trouble(dataset: FileDataset, has_pixels: bool) -> str:
    if not has_pixels:
        return "it holds no image"
    if not (number(dataset, "Rows") and number(dataset, "Columns")):
        return "its header does not say how large the image is"
    if number(dataset, "BitsAllocated") not in (8.0, 16.0):
        bits = text(dataset, "BitsAllocated") or "unknown"
        return f"its pixels have {bits} bits; only 8 and 16 can be shown"
    return unknown_syntax(transfer_syntax(dataset))


def unknown_syntax(syntax: UID) -> str:
    """Say that a transfer syntax is none of the standard's; empty if it is."""
    if not syntax.is_private and syntax.is_transfer_syntax:
        return ""
    return f"its transfer syntax {syntax} is not known; convert it to an uncompressed one"


def read_frames(dataset: Dataset) -> tuple[Frame, ...]:
    """Geometry of every frame: of the file, or of an enhanced object's functional groups."""
    count = int(number(dataset, "NumberOfFrames") or 1)
    if not 1 <= count <= _MOST_FRAMES:
        raise InputError(f"its header claims {count} frames")
    groups = dataset.get("PerFrameFunctionalGroupsSequence")
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
    items: Any = dataset.get(keyword)
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
