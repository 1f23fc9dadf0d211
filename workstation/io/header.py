"""DICOM headers, read in the reading process: pydicom parses, nothing is trusted."""

from __future__ import annotations

import io
import math
import re
import stat
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.tag import BaseTag, Tag
from pydicom.uid import UID

from workstation.core.errors import InputError
from workstation.io.usual_header import usual_header

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
_JPEG_XL = frozenset(f"1.2.840.10008.1.2.4.{code}" for code in (110, 111, 112))
# Neither escapes nor what some sets show as another letter, nor parts of a name or a value.
_SAME_IN_ALL_CHARACTER_SETS = re.compile(rb"[ -<>-\[\]-}]*\0?").fullmatch
_HEAD = 1 << 15
_PIXELS = (b"\xe0\x7f\x10\0", b"\x7f\xe0\0\x10")
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


def parse(stream: BinaryIO, only: Sequence[str] | None = None) -> FileDataset:
    """Read everything before the pixels; leaves the stream at the pixel element.

    Parameters
    ----------
    stream : BinaryIO
        Stands at the file's beginning.
    only : sequence of str, optional
        Keywords of the elements wanted, to be faster.

    Raises
    ------
    InputError
        If the stream does not hold a DICOM header.
    """
    head = stream.read(_HEAD)
    how: dict[str, Any] = {"stop_before_pixels": True, "force": _check_beginning(head[:136])}
    if only is not None:
        wanted = _tags(tuple(only))
        if (usual := usual_header(head, wanted)) is not None:
            stream.seek(usual[1])
            return usual[0]
        how["specific_tags"] = list(wanted.values())
    if (dataset := _parsed_head(stream, head, how)) is not None:
        return dataset
    stream.seek(0)
    try:
        dataset = pydicom.dcmread(stream, **how)
    except InvalidDicomError:
        raise InputError("it is not a DICOM file") from None
    except DAMAGE as error:
        raise InputError("its header is damaged or cut off", type(error).__name__) from None
    if not dataset and only is not None:
        stream.seek(0)
        return parse(stream)
    if not dataset:
        raise InputError("its header is empty or cut off")
    return dataset


def _parsed_head(stream: BinaryIO, head: bytes, how: dict[str, Any]) -> FileDataset | None:
    """Parse a header that ends within the bytes read, twice as fast as from a file; else None."""
    memory = io.BytesIO(head)
    try:
        dataset = pydicom.dcmread(memory, **how)
    except (InvalidDicomError, *DAMAGE):
        return None
    end = memory.tell()
    if not dataset or head[end : end + 4] not in _PIXELS:
        return None
    stream.seek(end)
    return dataset


def states_syntax(dataset: FileDataset) -> bool:
    """Tell whether the file states its transfer syntax."""
    return bool(_declared_syntax(dataset))


def _declared_syntax(dataset: FileDataset) -> str:
    meta = getattr(dataset, "file_meta", None)
    return text(meta, "TransferSyntaxUID") if meta is not None else ""


def transfer_syntax(dataset: FileDataset) -> UID:
    """Find the declared transfer syntax; without file meta, what pydicom found in the bytes."""
    if declared := _declared_syntax(dataset):
        return _uid(declared)
    implicit, little = dataset.original_encoding
    if implicit:
        return pydicom.uid.ImplicitVRLittleEndian
    return pydicom.uid.ExplicitVRLittleEndian if little else pydicom.uid.ExplicitVRBigEndian


@lru_cache(maxsize=64)
def _uid(declared: str) -> UID:
    return UID(declared)


@lru_cache(maxsize=256)
def _tag(keyword: str) -> BaseTag:
    return Tag(keyword)


@lru_cache(maxsize=8)
def _tags(keywords: tuple[str, ...]) -> dict[int, BaseTag]:
    tags = [_tag(keyword) for keyword in ("SpecificCharacterSet", *keywords)]
    return {int(tag): tag for tag in tags}


def _plain(dataset: Dataset, keyword: str) -> str | None:
    """Text of a simple element as stored, empty if absent; None for all others.

    Converting an element costs pydicom ten times what is needed for these: ASCII texts, 16-bit
    numbers, and names and descriptions that mean the same in every character set.
    """
    tag, kind = _tag_and_kind(keyword)
    if not kind:
        return None
    element = dataset.get_item(tag)
    if element is None:
        return ""
    value = element.value
    if type(value) is not bytes or type(element) is not RawDataElement:
        return None
    if kind == "number":
        little = element.is_little_endian
        return (
            str(int.from_bytes(value, "little" if little else "big")) if len(value) == 2 else None
        )
    if kind == "words" and not _SAME_IN_ALL_CHARACTER_SETS(value):
        return None
    return value.decode("ascii", "replace")


@lru_cache(maxsize=256)
def _tag_and_kind(keyword: str) -> tuple[BaseTag, str]:
    tag = _tag(keyword)
    kind = dictionary_VR(tag)
    if kind in ("AS", "CS", "DA", "DS", "IS", "TM", "UI"):
        return tag, "text"
    if kind in ("LO", "PN", "SH"):
        return tag, "words"
    return tag, "number" if kind == "US" else ""


def value_of(dataset: Dataset, keyword: str) -> Any:  # noqa: ANN401 - as the file says
    """Value of an element, or None; much faster than by attribute for absent elements."""
    tag = _tag(keyword)
    return dataset[tag].value if tag in dataset else None


def text(dataset: Dataset, keyword: str) -> str:
    """Text of an element; values that cannot be read are empty."""
    plain = _plain(dataset, keyword)
    if plain is not None:
        return plain.strip(" \x00")
    try:
        value = value_of(dataset, keyword)
        return "" if value is None else str(value).replace("\x00", "").strip()
    except DAMAGE:
        return ""


def number(dataset: Dataset, keyword: str) -> float | None:
    """Finite number of an element, or None."""
    plain = _plain(dataset, keyword)
    if plain == "":
        return None
    values = numbers(dataset, keyword) if plain is None else _finite(plain, 1)
    return values[0] if values else None


def numbers(dataset: Dataset, keyword: str, count: int = 1) -> tuple[float, ...] | None:
    """Read the first ``count`` finite numbers of an element, or None."""
    try:
        plain = _plain(dataset, keyword)
        if plain is not None:
            return _finite(plain, count) if plain else None
        value = value_of(dataset, keyword)
        if value is None:
            return None
        items = [value] if isinstance(value, (int, float, str)) else list(value)
        found = tuple(float(item) for item in items[:count])
    except (*DAMAGE, OverflowError):
        return None
    return found if len(found) == count and all(map(math.isfinite, found)) else None


def _finite(plain: str, count: int) -> tuple[float, ...] | None:
    """Read the first ``count`` finite numbers of a text, or None."""
    items = plain.strip(" \x00").split("\\")[:count]
    try:
        found = tuple([float(item) for item in items])
    except ValueError:
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


def is_jpeg_xl(syntax: UID) -> bool:
    """Tell the syntaxes of JPEG XL, which are younger than pydicom's dictionary."""
    return str(syntax) in _JPEG_XL


def is_encapsulated(syntax: UID) -> bool:
    """Tell whether pixels are compressed, each frame a codestream."""
    return is_jpeg_xl(syntax) or bool(syntax.is_encapsulated)


def unknown_syntax(syntax: UID) -> str:
    """Say that a transfer syntax is none of the standard's; empty if it is."""
    if is_jpeg_xl(syntax) or (not syntax.is_private and syntax.is_transfer_syntax):
        return ""
    return f"its transfer syntax {syntax} is not known; convert it to an uncompressed one"
