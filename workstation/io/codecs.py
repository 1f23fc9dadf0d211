"""Transfer syntaxes and who decodes them: imagecodecs first, pydicom's plugins next.

RLE is decoded by imagecodecs only where its header of offsets is sound, because a damaged one
ends the process; pydicom's own decoder in Python, slower and safe, takes over. The plugin
pylibjpeg-rle is not used: it too ends the process on damaged files.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset
from pydicom.encaps import get_frame
from pydicom.pixels import get_decoder
from pydicom.uid import UID, RLELossless

from workstation.core.errors import DecodeError
from workstation.io.header import number
from workstation.io.syntaxes import JPEG_2000

Decoder = Callable[[bytes], NDArray[Any]]

_JPEG = "1.2.840.10008.1.2.4."
_FRAME_OF_LOSSLESS_JPEG = b"\xff\xc3"


def _lossless_jpeg(code: bytes) -> NDArray[Any]:
    """Decode with libjpeg-turbo, which is faster, what it decodes as strictly as the other.

    It makes up the end of a codestream that was cut off, so the end must be there; and colours
    are not left to its guess.
    """
    at = code.find(_FRAME_OF_LOSSLESS_JPEG)
    grey = at >= 0 and code[at + 9 : at + 10] == b"\1"
    whole = code.endswith((b"\xff\xd9", b"\xff\xd9\0"))
    decode = imagecodecs.jpeg8_decode if grey and whole else imagecodecs.ljpeg_decode
    return np.asarray(decode(code))


_DECODERS: dict[str, Decoder] = {
    _JPEG + "50": imagecodecs.jpeg8_decode,
    _JPEG + "51": imagecodecs.jpeg_decode,
    _JPEG + "53": imagecodecs.jpeg_decode,
    _JPEG + "55": imagecodecs.jpeg_decode,
    _JPEG + "57": _lossless_jpeg,
    _JPEG + "70": _lossless_jpeg,
    _JPEG + "80": imagecodecs.jpegls_decode,
    _JPEG + "81": imagecodecs.jpegls_decode,
    _JPEG + "90": imagecodecs.jpeg2k_decode,
    _JPEG + "91": imagecodecs.jpeg2k_decode,
    _JPEG + "201": imagecodecs.htj2k_decode,
    _JPEG + "202": imagecodecs.htj2k_decode,
    _JPEG + "203": imagecodecs.htj2k_decode,
    _JPEG + "110": imagecodecs.jpegxl_decode,
    _JPEG + "111": imagecodecs.jpegxl_decode,
    _JPEG + "112": imagecodecs.jpegxl_decode,
}
CODEC_FAULTS = (RuntimeError, ValueError, TypeError, NotImplementedError, AttributeError, OSError)


def decode_frame(dataset: FileDataset, syntax: UID, frame: int, frames: int) -> NDArray[Any]:
    """Decode one encapsulated frame to (rows, columns[, samples]) of its stored type.

    Raises
    ------
    DecodeError
        If no decoder makes the pixels that the header promises; names the syntax.
    """
    shape = (int(dataset.Rows), int(dataset.Columns))
    for attempt in (_with_imagecodecs, _with_pydicom):
        try:
            pixels = attempt(dataset, syntax, frame, frames)
        except CODEC_FAULTS:
            continue
        if pixels is not None and pixels.shape[:2] == shape:
            return pixels
    raise DecodeError(f"its pixels could not be decoded (transfer syntax {syntax.name})")


def decode_codestream(code: bytes, syntax: UID, threads: int = 1) -> NDArray[Any]:
    """Decode a single codestream; raises one of ``CODEC_FAULTS`` where that is not possible.

    Only JPEG 2000, the slowest, makes use of more than one thread.
    """
    if threads > 1 and str(syntax) in JPEG_2000:
        return np.asarray(imagecodecs.jpeg2k_decode(code, numthreads=threads))
    return np.asarray(_DECODERS[str(syntax)](code))


def _with_imagecodecs(
    dataset: FileDataset, syntax: UID, frame: int, frames: int
) -> NDArray[Any] | None:
    if str(syntax) not in _DECODERS and syntax != RLELossless:
        return None
    table = dataset.get("ExtendedOffsetTable")
    lengths = dataset.get("ExtendedOffsetTableLengths")
    offsets = (table, lengths) if table and lengths else None
    code = get_frame(dataset.PixelData, frame, number_of_frames=frames, extended_offsets=offsets)
    return _rle(dataset, code) if syntax == RLELossless else decode_codestream(code, syntax)


def _rle(dataset: FileDataset, code: bytes) -> NDArray[Any] | None:
    """Decode an RLE frame with a sound header to just the pixels promised, else None."""
    bits, samples = number(dataset, "BitsAllocated"), int(number(dataset, "SamplesPerPixel") or 1)
    if bits not in (8.0, 16.0) or not _rle_header_is_sound(code, samples * int(bits) // 8):
        return None
    kind: np.dtype[Any] = np.dtype("u1" if bits == 8.0 else "<u2")
    flat: NDArray[Any] = np.frombuffer(imagecodecs.dicomrle_decode(code, kind), kind)
    pixels = flat.reshape(samples, int(dataset.Rows), int(dataset.Columns))
    return np.asarray(pixels[0] if samples == 1 else np.moveaxis(pixels, 0, -1))


def _rle_header_is_sound(code: bytes, segments: int) -> bool:
    """Tell whether the offsets of an RLE frame stay in order and inside it."""
    if len(code) <= 64:
        return False
    count, *offsets = struct.unpack("<16I", code[:64])
    if count != segments or offsets[0] != 64 or any(offsets[count:]):
        return False
    ends = [*offsets[1:count], len(code)]
    return all(start < end for start, end in zip(offsets[:count], ends, strict=True))


def _with_pydicom(dataset: FileDataset, syntax: UID, frame: int, _frames: int) -> NDArray[Any]:
    plugin = "pydicom" if syntax == RLELossless else ""
    pixels, _ = get_decoder(syntax).as_array(dataset, index=frame, raw=True, decoding_plugin=plugin)
    return np.asarray(pixels)
