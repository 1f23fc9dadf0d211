"""What a compressed image carries beside its pixels: comments, thumbnails, bytes after the end."""

from __future__ import annotations

import re
import struct

_BEYOND = "there are bytes after the end of its compressed pixels"
_DAMAGED = "its compressed pixels are damaged or cut off"
_COMMENT = "its compressed pixels carry a comment or another addition that is not removed"
_NEXT_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")
_ENCODERS = re.compile(
    rb"(Created by OpenJPEG version [\d.]{1,10}|Kakadu-v?[\d.]{1,10}|"
    rb"Creator: JasPer Version [\d.]{1,10}|OpenJPH Ver [\d.]{1,10}\.?|"
    rb"Kdu-Layer-Info: log_2\{Delta-D\(squared-error\)/Delta-L\(bytes\)\}, L\(bytes\)[\s\d.,e+-]*|"
    rb"Kdu-Layer-Info: log_2\{Delta-D\(MSE\)/\[2\^16\*Delta-L\(bytes\)\]\}, "
    rb"L\(bytes\)[\s\d.,e+-]*)\0*"
)
_APPLICATIONS = {
    0xE0: re.compile(rb"JFIF\0.{7}\0\0", re.DOTALL),
    0xE8: re.compile(
        rb"SPIFF\0\x02\0[\0-\x0f]{2}.{8}[\0-\x1f]{3}[\0-\x02].{8}|\0\0\0\x01\xff\xd8", re.DOTALL
    ),
    0xEE: re.compile(rb"Adobe.{7}", re.DOTALL),
}


def jpeg_fault(code: bytes) -> str:
    """Fault of a JPEG or JPEG-LS codestream; nothing if it holds an image only."""
    if code[:2] != b"\xff\xd8":
        return _DAMAGED
    at = 2
    while at + 4 <= len(code) and code[at] == 0xFF:
        marker = code[at + 1]
        length = int.from_bytes(code[at + 2 : at + 4])
        if not _is_image_part(marker, code[at + 4 : at + 2 + length]):
            return _COMMENT
        at += 2 + length
        if marker != 0xDA:
            continue
        at = _after_scan(code, at)
        if code[at : at + 2] == b"\xff\xd9":
            return _BEYOND if code[at + 2 :].strip(b"\0") else ""
    return _DAMAGED


def _after_scan(code: bytes, at: int) -> int:
    """Find the marker that ends the compressed values which begin at ``at``."""
    found = _NEXT_MARKER.search(code, at)
    return found.start() if found else len(code)


def _is_image_part(marker: int, content: bytes) -> bool:
    if marker in _APPLICATIONS:
        return _APPLICATIONS[marker].fullmatch(content) is not None
    return marker != 0xFE and not 0xE0 <= marker <= 0xEF


def jpeg_2000_fault(code: bytes) -> str:
    """Fault of a JPEG 2000 or HTJ2K codestream; comments that name an encoder are none."""
    if code[:2] != b"\xff\x4f":
        return _DAMAGED
    at, tile_end = 2, 0
    while at + 2 <= len(code):
        (marker,) = struct.unpack_from(">H", code, at)
        if marker == 0xFFD9:
            return _BEYOND if code[at + 2 :].strip(b"\0") else ""
        if marker == 0xFF93:
            at = tile_end or len(code.rstrip(b"\0")) - 2
            continue
        if at + 4 > len(code) or marker < 0xFF4F:
            return _DAMAGED
        (length,) = struct.unpack_from(">H", code, at + 2)
        content = code[at + 4 : at + 2 + length]
        if marker == 0xFF64 and not _ENCODERS.fullmatch(content[2:]):
            return _COMMENT
        if marker == 0xFF90:
            (size,) = struct.unpack_from(">I", content, 2) if len(content) >= 8 else (0,)
            tile_end = at + size if size else 0
        at += 2 + length
    return _DAMAGED


def rle_fault(code: bytes, size: int) -> str:
    """Fault of an RLE frame that unpacks to ``size`` bytes."""
    if len(code) < 64:
        return _DAMAGED
    count, *offsets = struct.unpack("<16I", code[:64])
    if not 1 <= count <= 15 or size % count or any(offsets[count:]) or offsets[0] != 64:
        return _DAMAGED
    ends = [*offsets[1:count], len(code)]
    for start, end in zip(offsets[:count], ends, strict=True):
        used = _packed_length(code[start:end], size // count)
        if used < 0 or end < start:
            return _DAMAGED
        if code[start + used : end].strip(b"\0"):
            return _BEYOND
    return ""


def _packed_length(segment: bytes, size: int) -> int:
    """Bytes of a PackBits segment that unpack to ``size`` bytes; negative if there are too few."""
    at, left = 0, size
    while left > 0:
        if at >= len(segment):
            return -1
        head = segment[at]
        if head == 128:
            at += 1
            continue
        run = head + 1 if head < 128 else 257 - head
        at += 1 + (run if head < 128 else 1)
        left -= run
    return at if at <= len(segment) else -1
