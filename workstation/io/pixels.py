"""Pixels of one slice, decoded in the reading process: exact, or refused, never invented."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels import apply_color_lut, convert_color_space
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, JPEGBaseline8Bit, JPEGExtended12Bit

from workstation.core.errors import DecodeError, InputError
from workstation.io.channel import Message
from workstation.io.codecs import decode_frame
from workstation.io.floats import read_floats
from workstation.io.header import (
    DAMAGE,
    is_encapsulated,
    number,
    open_regular,
    parse,
    text,
    transfer_syntax,
    unknown_syntax,
)
from workstation.io.native import as_array, frame_bytes, frame_count, read_native
from workstation.io.remarks import COLOUR
from workstation.io.rescale import Slice, apply_rules, check_bits, rules_of
from workstation.io.shared import write_block
from workstation.io.stored import StoredPixels

_LOSSY = frozenset(f"1.2.840.10008.1.2.4.{code}" for code in (51, 53, 55, 81, 91, 112, 203))


def decode_into_block(item: Message) -> Message:
    """Job ``decode``: write one slice into the shared volume.

    ``item`` holds ``path``, ``frame``, ``rows``, ``columns``, ``address``, ``offset`` and, for
    plain slices, ``stored`` as :class:`~workstation.io.stored.StoredPixels` and ``threads``.
    """
    decoded = _decode_stored(item) or decode(Path(item["path"]), int(item["frame"]))
    if decoded.values.shape != (item["rows"], item["columns"]):
        raise DecodeError("its size differs from the rest of the series")
    write_block(item["address"], item["offset"], decoded.values)
    return {"window": decoded.window, "remarks": decoded.remarks}


def _decode_stored(item: Message) -> Slice | None:
    if not item.get("stored"):
        return None
    with open_regular(Path(item["path"])) as stream:
        return StoredPixels.from_message(item["stored"]).read(stream, int(item["threads"]))


def decode(path: Path, frame: int = 0) -> Slice:
    """Read one frame of a DICOM file.

    Raises
    ------
    InputError
        If the file is no image; its subclass :class:`DecodeError` if the pixels cannot be
        decoded exactly as the header describes them.
    """
    try:
        return _decode(path, frame)
    except DAMAGE as error:
        raise DecodeError("its header or its pixels are damaged", type(error).__name__) from None


def _decode(path: Path, frame: int) -> Slice:
    with open_regular(path) as stream:
        dataset = parse(stream)
        syntax = transfer_syntax(dataset)
        if unknown := unknown_syntax(syntax):
            raise DecodeError(unknown)
        packed = is_encapsulated(syntax) or syntax == DeflatedExplicitVRLittleEndian
        if not packed and (floats := read_floats(stream, dataset, frame)) is not None:
            return floats
        check_bits(dataset)
        if packed:
            stored = _compressed(stream, dataset, syntax, frame)
        else:
            stored = read_native(stream, dataset, frame)
    if stored.ndim == 3 or text(dataset, "PhotometricInterpretation") == "PALETTE COLOR":
        return _grey(dataset, stored, syntax)
    return apply_rules(rules_of(dataset, frame), stored)


def _compressed(stream: BinaryIO, dataset: FileDataset, syntax: UID, frame: int) -> NDArray[Any]:
    stream.seek(0)
    try:
        whole = pydicom.dcmread(stream, force=True)
    except DAMAGE as error:
        raise DecodeError("its pixel data is cut off", type(error).__name__) from None
    if "PixelData" not in whole:
        raise InputError("it holds no image")
    if is_encapsulated(syntax):
        pixels = decode_frame(whole, syntax, frame, frame_count(dataset))
        return _within_bits(dataset, pixels) if str(syntax) in _LOSSY else pixels
    size, data = frame_bytes(dataset), whole.PixelData
    if len(data) not in (size * frame_count(dataset), size * frame_count(dataset) + 1):
        raise DecodeError("the bytes of its pixels do not fit its size")
    return as_array(dataset, data[size * frame : size * (frame + 1)], big=False)


def _within_bits(dataset: Dataset, pixels: NDArray[Any]) -> NDArray[Any]:
    """Bring back values that lossy compression carried beyond the bits that are stored."""
    bits, high = number(dataset, "BitsStored"), number(dataset, "HighBit")
    signed = number(dataset, "PixelRepresentation") == 1.0
    kind = "i" if signed else "u"
    if not bits or high != bits - 1 or bits >= pixels.itemsize * 8 or pixels.dtype.kind != kind:
        return pixels
    top = (1 << int(bits) - int(signed)) - 1
    return np.asarray(np.clip(pixels, -top - 1 if signed else 0, top))


def _grey(dataset: Dataset, stored: NDArray[Any], syntax: UID) -> Slice:
    """Luminance (Rec. 601) of a colour image, 0 … 255."""
    meaning = text(dataset, "PhotometricInterpretation")
    decoded_to_rgb = syntax in (JPEGBaseline8Bit, JPEGExtended12Bit)  # the codec undoes YBR
    if meaning == "PALETTE COLOR":
        colours = apply_color_lut(stored, dataset)
    elif meaning in ("YBR_FULL", "YBR_FULL_422") and not decoded_to_rgb:
        colours = convert_color_space(stored, "YBR_FULL", "RGB")
    else:
        colours = stored
    top = np.iinfo(colours.dtype).max
    grey = (colours[..., :3] @ np.array((0.299, 0.587, 0.114))) * (255.0 / top)
    values = np.rint(grey).astype(np.int16)
    return Slice(values, (256.0, 128.0), (COLOUR,))
