"""Compressed images without what they carry beside their pixels: comments, thumbnails, metadata.

Segments are cut out and lengths that count them are corrected; no compressed value is touched.
What cannot be judged is refused: markers that the standards do not know, bytes after the end.
"""

from __future__ import annotations

import re
import struct

from workstation.core.errors import DecodeError

_BEYOND = "there are bytes after the end of its compressed pixels"
_DAMAGED = "its compressed pixels are damaged or cut off"
_UNKNOWN = "its compressed pixels carry a comment or another addition that cannot be removed"
_NEXT_MARKER = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")

_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_FILL, _SCAN, _JPEG_COMMENT = 0xFF, 0xDA, 0xFE
_JPEG_PARTS = frozenset(  # frames, tables, scans, restarts; F7 and F8 are JPEG-LS
    (*range(0xC0, 0xC8), *range(0xC9, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD, 0xDE, 0xDF, 0xF7, 0xF8)
)
_APPLICATIONS = range(0xE0, 0xF0)
_JFIF, _SPIFF, _ADOBE = 0xE0, 0xE8, 0xEE
_SPIFF_PARTS = re.compile(
    rb"SPIFF\0\x02\0[\0-\x0f]{2}.{8}[\0-\x1f]{3}[\0-\x02].{8}|\0\0\0\x01\xff\xd8|mrfx[\0-\x05]",
    re.DOTALL,
)

_SOC, _SOT, _SOD, _EOC = b"\xff\x4f", b"\xff\x90", b"\xff\x93", b"\xff\xd9"
_TILE_LENGTHS, _JPEG_2000_COMMENT = b"\xff\x55", b"\xff\x64"
_JPEG_2000_PARTS = frozenset(
    bytes((0xFF, code))
    for code in (
        *(0x50, 0x51, 0x52, 0x53, 0x55, 0x57, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F),
        *(0x60, 0x61, 0x63, 0x64, 0x90),
    )
)


def bare_jpeg(code: bytes) -> bytes:
    """Give a JPEG or JPEG-LS codestream without comments, metadata and thumbnails.

    Raises
    ------
    DecodeError
        If it is damaged, or holds what cannot be judged.
    """
    if code[:2] != _SOI:
        raise DecodeError(_DAMAGED)
    kept, at = [_SOI], 2
    while at + 4 <= len(code) and code[at] == 0xFF:
        marker = code[at + 1]
        if marker == _FILL:
            at += 1
            continue
        end = at + 2 + int.from_bytes(code[at + 2 : at + 4])
        kept.append(_jpeg_segment(marker, code[at + 4 : end], code[at:end]))
        at = end
        if marker != _SCAN:
            continue
        found = _NEXT_MARKER.search(code, at)
        end = found.start() if found else len(code)
        kept.append(code[at:end])
        at = end
        if code[at : at + 2] == _EOI:
            return b"".join(kept) + _end(code, at)
    raise DecodeError(_DAMAGED)


def _end(code: bytes, at: int) -> bytes:
    """Give the end marker at ``at`` with its padding; nothing else may follow."""
    if code[at + 2 :].strip(b"\0"):
        raise DecodeError(_BEYOND)
    return code[at:]


def _jpeg_segment(marker: int, content: bytes, segment: bytes) -> bytes:
    """Give what stays of a segment: decoders need a few application segments for the colours."""
    if marker in _JPEG_PARTS:
        return segment
    if marker == _JPEG_COMMENT:
        return b""
    if marker not in _APPLICATIONS:
        raise DecodeError(_UNKNOWN)
    if marker == _JFIF and content.startswith(b"JFIF\0") and len(content) >= 14:
        return _written(marker, content[:12] + b"\0\0")  # width and height of no thumbnail
    if marker == _ADOBE and content.startswith(b"Adobe") and len(content) >= 12:
        return _written(marker, content[:12])
    if marker == _SPIFF and _SPIFF_PARTS.fullmatch(content):
        return segment
    if marker in (_SPIFF, _ADOBE) or (marker == _JFIF and not content.startswith(b"JFXX\0")):
        raise DecodeError(_UNKNOWN)
    return b""


def _written(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def bare_jpeg_2000(code: bytes) -> bytes:
    """Give a JPEG 2000 or HTJ2K codestream without comments.

    Raises
    ------
    DecodeError
        If it is damaged, or holds what cannot be judged.
    """
    if code[:2] != _SOC:
        raise DecodeError(_DAMAGED)
    kept, at, lengths_listed = [_SOC], 2, False
    while at + 2 <= len(code):
        marker = code[at : at + 2]
        if marker == _EOC:
            return b"".join(kept) + _end(code, at)
        if marker == _SOT:
            part, at = _tile_part(code, at, lengths_listed=lengths_listed)
            kept.append(part)
            continue
        segment = _segment(code, at)
        lengths_listed = lengths_listed or marker == _TILE_LENGTHS
        at += len(segment)
        if marker != _JPEG_2000_COMMENT:
            kept.append(segment)
    raise DecodeError(_DAMAGED)


def _tile_part(code: bytes, start: int, *, lengths_listed: bool) -> tuple[bytes, int]:
    """Give the tile-part at ``start`` without comments, and where the next one begins."""
    at, kept = start, []
    while code[at : at + 2] != _SOD:
        segment = _segment(code, at)
        at += len(segment)
        if segment[:2] != _JPEG_2000_COMMENT:
            kept.append(segment)
    head = b"".join(kept)
    if len(head) < 12:
        raise DecodeError(_DAMAGED)
    (size,) = struct.unpack_from(">I", head, 6)
    end = start + size if size else len(code.rstrip(b"\0")) - 2
    if not at + 2 <= end <= len(code):
        raise DecodeError(_DAMAGED)
    if removed := at - start - len(head):
        if lengths_listed:  # the main header gives the lengths of tile-parts once more
            raise DecodeError(_UNKNOWN)
        if size:
            head = head[:6] + struct.pack(">I", size - removed) + head[10:]
    return head + code[at:end], end


def _segment(code: bytes, at: int) -> bytes:
    """Give the whole marker segment at ``at``."""
    marker, length = code[at : at + 2], int.from_bytes(code[at + 2 : at + 4])
    segment = code[at : at + 2 + length]
    if length < 2 or len(segment) < 2 + length or marker[:1] != b"\xff":
        raise DecodeError(_DAMAGED)
    if marker not in _JPEG_2000_PARTS:
        raise DecodeError(_UNKNOWN)
    return segment


def check_rle(code: bytes, size: int) -> None:
    """Refuse an RLE frame that does not unpack to just ``size`` bytes.

    Raises
    ------
    DecodeError
        If it is damaged, or holds more.
    """
    if len(code) < 64:
        raise DecodeError(_DAMAGED)
    count, *offsets = struct.unpack("<16I", code[:64])
    if not 1 <= count <= 15 or size % count or any(offsets[count:]) or offsets[0] != 64:
        raise DecodeError(_DAMAGED)
    ends = [*offsets[1:count], len(code)]
    for start, end in zip(offsets[:count], ends, strict=True):
        used = _packed_length(code[start:end], size // count)
        if used < 0 or end < start:
            raise DecodeError(_DAMAGED)
        if code[start + used : end].strip(b"\0"):
            raise DecodeError(_BEYOND)


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
