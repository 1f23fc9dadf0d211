"""Transfer syntaxes and who decodes them: imagecodecs first, pydicom's plugins next."""

from __future__ import annotations

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

Decoder = Callable[[bytes], NDArray[Any]]

_JPEG = "1.2.840.10008.1.2.4."
_DECODERS: dict[str, Decoder] = {
    _JPEG + "50": imagecodecs.jpeg8_decode,
    _JPEG + "51": imagecodecs.jpeg_decode,
    _JPEG + "53": imagecodecs.jpeg_decode,
    _JPEG + "55": imagecodecs.jpeg_decode,
    _JPEG + "57": imagecodecs.ljpeg_decode,
    _JPEG + "70": imagecodecs.ljpeg_decode,
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
_CODEC_FAULTS = (RuntimeError, ValueError, TypeError, NotImplementedError, AttributeError, OSError)


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
        except _CODEC_FAULTS:
            continue
        if pixels is not None and pixels.shape[:2] == shape:
            return pixels
    raise DecodeError(f"its pixels could not be decoded (transfer syntax {syntax.name})")


def _with_imagecodecs(
    dataset: FileDataset, syntax: UID, frame: int, frames: int
) -> NDArray[Any] | None:
    decoder = _DECODERS.get(str(syntax))
    if decoder is None:
        return None
    table = dataset.get("ExtendedOffsetTable")
    lengths = dataset.get("ExtendedOffsetTableLengths")
    offsets = (table, lengths) if table and lengths else None
    code = get_frame(dataset.PixelData, frame, number_of_frames=frames, extended_offsets=offsets)
    return np.asarray(decoder(code))


def _with_pydicom(dataset: FileDataset, syntax: UID, frame: int, _frames: int) -> NDArray[Any]:
    plugin = "pydicom" if syntax == RLELossless else ""  # the faster one crashes on damaged files
    pixels, _ = get_decoder(syntax).as_array(dataset, index=frame, raw=True, decoding_plugin=plugin)
    return np.asarray(pixels)
