"""The way to one slice's pixels, as its header tells it, so that no header is parsed twice."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.encaps import get_frame
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from workstation.io.channel import Message
from workstation.io.codecs import CODEC_FAULTS, decode_codestream
from workstation.io.header import number, text
from workstation.io.native import frame_count, image_shape, native_length
from workstation.io.rescale import PixelRules, Slice, apply_rules, check_bits, rules_of
from workstation.io.syntaxes import LOSSLESS

_HEAD = struct.Struct("<HH2sHI")
_PIXELS_OF_UNDEFINED_LENGTH = (0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF)


@dataclass(frozen=True)
class StoredPixels:
    """How to read one slice without parsing its header again.

    Valid only while the file has the size and time (ns) that it had when it was scanned.
    ``syntax`` is empty for uncompressed pixels; those of a lossless codec are one codestream.
    """

    offset: int
    file_bytes: int
    modified: int
    rows: int
    columns: int
    rules: PixelRules
    syntax: str = ""

    def as_message(self) -> Message:
        """Write as plain values."""
        return {**vars(self), "rules": vars(self.rules)}

    @classmethod
    def from_message(cls, message: Message) -> StoredPixels:
        """Read back what :meth:`as_message` wrote."""
        return cls(**{**message, "rules": PixelRules(**message["rules"])})

    def read(self, stream: BinaryIO, threads: int = 1) -> Slice | None:
        """Read the slice; None if the file is no longer what was scanned, or is not so simple."""
        now = os.fstat(stream.fileno())
        if (now.st_size, now.st_mtime_ns) != (self.file_bytes, self.modified):
            return None
        stream.seek(self.offset)
        pixels = self._decoded(stream, threads) if self.syntax else self._plain(stream)
        return None if pixels is None else apply_rules(self.rules, pixels)

    def _plain(self, stream: BinaryIO) -> NDArray[Any] | None:
        pixels = np.empty((self.rows, self.columns), np.uint16)
        if stream.readinto(pixels.data.cast("B")) != pixels.nbytes:  # type: ignore[attr-defined]
            return None
        return pixels

    def _decoded(self, stream: BinaryIO, threads: int) -> NDArray[Any] | None:
        """Decode with the first decoder; where it refuses, the whole way is gone instead."""
        try:
            code = get_frame(stream.read(), 0, number_of_frames=1)
            pixels = decode_codestream(code, UID(self.syntax), threads)
        except (*CODEC_FAULTS, EOFError, struct.error):
            return None
        return pixels if pixels.shape == (self.rows, self.columns) else None


def stored_pixels(stream: BinaryIO, dataset: FileDataset, syntax: UID) -> StoredPixels | None:
    """Describe a 16-bit grey slice whose stream stands at the pixels; None for others.

    Those are uncompressed or in a lossless codec; lossy ones need a further look at their bits.
    """
    shape = image_shape(dataset)
    plain = (
        number(dataset, "BitsAllocated") == 16
        and len(shape) == 2
        and frame_count(dataset) == 1
        and text(dataset, "PhotometricInterpretation").startswith("MONOCHROME")
    )
    if not plain:
        return None
    check_bits(dataset)
    compressed = str(syntax) in LOSSLESS
    if not (_at_codestream(stream) if compressed else _at_plain(stream, shape, syntax)):
        return None
    state = os.fstat(stream.fileno())
    rows, columns = shape
    return StoredPixels(
        offset=stream.tell(),
        file_bytes=state.st_size,
        modified=state.st_mtime_ns,
        rows=rows,
        columns=columns,
        rules=rules_of(dataset, 0),
        syntax=str(syntax) if compressed else "",
    )


def _at_plain(stream: BinaryIO, shape: tuple[int, ...], syntax: UID) -> bool:
    """Go to the first uncompressed pixel, if all are there."""
    if syntax not in (ExplicitVRLittleEndian, ImplicitVRLittleEndian):
        return False
    length, size = native_length(stream, syntax), shape[0] * shape[1] * 2
    return length == size and stream.tell() + size <= os.fstat(stream.fileno()).st_size


def _at_codestream(stream: BinaryIO) -> bool:
    """Go to the first item of encapsulated pixels."""
    head = stream.read(_HEAD.size)
    return len(head) == _HEAD.size and _HEAD.unpack(head) == _PIXELS_OF_UNDEFINED_LENGTH
