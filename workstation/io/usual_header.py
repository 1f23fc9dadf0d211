"""Headers of the usual kind, taken apart several times faster than pydicom does it.

A scan wants a third of the elements of a header; pydicom makes its way through all of them. Here
elements are told apart only where nothing is odd, and whatever is odd in the least is left to
pydicom: only what it would have read, it would have read alike. The values stay raw, so that
pydicom turns them into text and numbers.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, MutableSequence
from functools import lru_cache

from pydicom.charset import convert_encodings
from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataelem import RawDataElement, convert_raw_data_element, empty_value_for_VR
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.tag import BaseTag
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    PrivateTransferSyntaxes,
)
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, STANDARD_VR

_Element = tuple[int, str | None, int, int]

_EXPLICIT, _IMPLICIT, _LENGTH = struct.Struct("<HH2sH"), struct.Struct("<HHI"), struct.Struct("<I")
_KINDS = {str(kind).encode(): (str(kind), kind in EXPLICIT_VR_LENGTH_32) for kind in STANDARD_VR}
_UNDEFINED = 0xFFFFFFFF
_META_LENGTH, _SYNTAX, _CHARACTER_SET = 0x00020000, 0x00020010, 0x00080005
_END_OF_META, _PIXELS = 0x0002FFFF, 0x7FE00010
_ITEM, _END_OF_SEQUENCE = 0xFFFEE000, 0xFFFEE0DD
_END_OF_ITEM = b"\xfe\xff\r\xe0\0\0\0\0"
_DEEPEST = 8
_is_uid = re.compile(rb"[0-9.]+").fullmatch
_OTHERWISE_STORED = frozenset(
    str(syntax).encode()
    for syntax in (DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, *PrivateTransferSyntaxes)
)


class _UnusualError(ValueError):
    """Something that pydicom must judge."""


def usual_header(head: bytes, wanted: Mapping[int, BaseTag]) -> tuple[FileDataset, int] | None:
    """Read the elements wanted of a header that lies in ``head`` up to its pixels.

    Parameters
    ----------
    head : bytes
        Beginning of the file.
    wanted : mapping of int to BaseTag
        Tags by their number; Specific Character Set is one of them.

    Returns
    -------
    tuple of FileDataset and int, or None
        What ``pydicom.dcmread`` gives for ``specific_tags`` and ``stop_before_pixels``, and where
        the pixel element begins; None if anything is not as usual.
    """
    if head[128:132] != b"DICM":
        return None
    try:
        return _read(head, wanted)
    except (LookupError, TypeError, ValueError, struct.error):
        return None


def _read(head: bytes, wanted: Mapping[int, BaseTag]) -> tuple[FileDataset, int]:
    meta, position, implicit = _meta(head)
    elements: dict[BaseTag, RawDataElement] = {}
    before = _END_OF_META
    while (element := _element(head, position, implicit=implicit))[0] != _PIXELS:
        tag, kind, length, start = element
        if not before < tag < _PIXELS:
            raise _UnusualError
        before, known = tag, wanted.get(tag)
        if known is not None:
            position = start + length
            value = _value(head, kind, start, position)
            elements[known] = RawDataElement(known, kind, length, value, start, implicit, True)
        elif length == _UNDEFINED:
            position = _after_sequence(head, element, 0)
        else:
            position = start + length
    if not elements:
        raise _UnusualError
    dataset = FileDataset("", elements, head[:128], meta, implicit, True)
    named = elements.get(BaseTag(_CHARACTER_SET))
    encodings = "iso8859" if named is None else _encodings(named.value, named.VR)
    dataset.set_original_encoding(implicit, True, encodings)
    return dataset, position


def _meta(head: bytes) -> tuple[FileMetaDataset, int, bool]:
    """Read group 2: its elements, where the next one begins, and whether that is implicit VR."""
    elements: dict[BaseTag, RawDataElement] = {}
    position, before = 132, -1
    while head[position : position + 2] == b"\2\0":
        tag, kind, length, start = _element(head, position, implicit=False)
        first_is_length = bool(elements) or (tag, kind, length) == (_META_LENGTH, "UL", 4)
        if tag <= before or length == _UNDEFINED or not first_is_length:
            raise _UnusualError
        before, position = tag, start + length
        known, value = BaseTag(tag), _value(head, kind, start, position)
        elements[known] = RawDataElement(known, kind, length, value, start, False, True)
    stated = elements.get(BaseTag(_SYNTAX))
    syntax = (stated.value or b"").rstrip(b" \0") if stated and stated.VR == "UI" else b""
    if not _is_uid(syntax) or syntax in _OTHERWISE_STORED:
        raise _UnusualError
    return FileMetaDataset(elements), position, syntax == str(ImplicitVRLittleEndian).encode()


def _element(head: bytes, position: int, *, implicit: bool) -> _Element:
    """Read an element's tag, VR, length, and where its value begins."""
    if implicit:
        group, element, length = _IMPLICIT.unpack_from(head, position)
        if position + 8 > len(head) or _seems_explicit(head, position):
            raise _UnusualError
        return group << 16 | element, None, length, position + 8
    group, element, code, length = _EXPLICIT.unpack_from(head, position)
    kind = _KINDS.get(code)
    if kind is None:
        raise _UnusualError
    if kind[1]:
        (length,) = _LENGTH.unpack_from(head, position + 8)
        return group << 16 | element, kind[0], length, position + 12
    return group << 16 | element, kind[0], length, position + 8


def _seems_explicit(head: bytes, position: int) -> bool:
    return 0x41 <= head[position + 4] <= 0x5A and 0x41 <= head[position + 5] <= 0x5A


def _value(head: bytes, kind: str | None, start: int, end: int) -> bytes | None:
    if end > len(head):
        raise _UnusualError
    if start < end:
        return head[start:end]
    empty: bytes | None = empty_value_for_VR(kind, raw=True)
    return empty


def _after_sequence(head: bytes, element: _Element, depth: int) -> int:
    """Find the end of a sequence of undefined length, all of whose parts must be as usual."""
    tag, kind, _, position = element
    if depth > _DEEPEST or not _is_sequence(head, tag, kind, position):
        raise _UnusualError
    while True:
        group, number, length = _IMPLICIT.unpack_from(head, position)
        mark, position = group << 16 | number, position + 8
        if mark == _END_OF_SEQUENCE and length == 0:
            return position
        if mark != _ITEM:
            raise _UnusualError
        position = _after_item(head, position, length, implicit=kind is None, depth=depth)


def _is_sequence(head: bytes, tag: int, kind: str | None, position: int) -> bool:
    """Tell what pydicom takes for a sequence too; without a VR, its dictionary decides."""
    if kind is not None:
        return kind == "SQ"
    if not BaseTag(tag).is_private and dictionary_has_tag(tag):
        return bool(dictionary_VR(tag) == "SQ")
    return head[position : position + 4] == b"\xfe\xff\0\xe0"


def _after_item(head: bytes, position: int, length: int, *, implicit: bool, depth: int) -> int:
    """Find the end of an item, which its elements must fill exactly."""
    end = None if length == _UNDEFINED else position + length
    while end is None or position < end:
        if end is None and head[position : position + 8] == _END_OF_ITEM:
            return position + 8
        element = _element(head, position, implicit=implicit)
        if element[0] >= _ITEM or element[0] == _CHARACTER_SET:
            raise _UnusualError
        position = element[3] + element[2]
        if element[2] == _UNDEFINED:
            position = _after_sequence(head, element, depth + 1)
    if position != end:
        raise _UnusualError
    return position


@lru_cache(maxsize=64)
def _encodings(value: bytes | None, kind: str | None) -> str | MutableSequence[str]:
    """Find Python's names for a character set as the file names it."""
    tag = BaseTag(_CHARACTER_SET)
    raw = RawDataElement(tag, kind, len(value or b""), value, 0, kind is None, True)
    found: str | MutableSequence[str] = convert_encodings(convert_raw_data_element(raw).value)
    return found
