"""Pixels of one slice, decoded in the reading process: exact, or refused, never invented."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.pixels import apply_color_lut, convert_color_space
from pydicom.uid import UID

from workstation.core.errors import DecodeError, InputError
from workstation.io.channel import Message
from workstation.io.codecs import decode_frame
from workstation.io.header import (
    DAMAGE,
    number,
    open_regular,
    parse,
    text,
    transfer_syntax,
    unknown_syntax,
)
from workstation.io.rescale import Slice, rescaled, significant
from workstation.io.shared import write_block

_UNDEFINED = 0xFFFFFFFF


def decode_into_block(item: Message) -> Message:
    """Job ``decode``: write one slice into the shared volume.

    ``item`` holds ``path``, ``frame``, ``rows``, ``columns``, ``address`` and ``offset``.
    """
    decoded = decode(Path(item["path"]), int(item["frame"]))
    if decoded.values.shape != (item["rows"], item["columns"]):
        raise DecodeError("its size differs from the rest of the series")
    write_block(item["address"], item["offset"], decoded.values)
    return {"window": decoded.window, "remarks": decoded.remarks}


def decode(path: Path, frame: int = 0) -> Slice:
    """Read one frame of a DICOM file.

    Raises
    ------
    InputError
        If the file is no image; its subclass :class:`DecodeError` if the pixels cannot be
        decoded exactly as the header describes them.
    """
    with open_regular(path) as stream:
        dataset = parse(stream)
        syntax = transfer_syntax(dataset)
        if unknown := unknown_syntax(syntax):
            raise DecodeError(unknown)
        _check(dataset)
        if syntax.is_encapsulated or syntax.is_deflated:
            stored = _compressed(stream, dataset, syntax, frame)
        else:
            stored = _native(stream, dataset, syntax, frame)
    if stored.ndim == 3 or text(dataset, "PhotometricInterpretation") == "PALETTE COLOR":
        return _grey(dataset, stored, syntax)
    return rescaled(dataset, significant(dataset, stored), frame)


def _check(dataset: FileDataset) -> None:
    bits = number(dataset, "BitsAllocated")
    if bits not in (8.0, 16.0):
        raise DecodeError("its pixels have neither 8 nor 16 bits")
    stored = number(dataset, "BitsStored") or bits
    high = number(dataset, "HighBit")
    if not (1 <= stored <= bits and (high is None or stored - 1 <= high < bits)):
        raise DecodeError("its header contradicts itself about the bits of a pixel")


def _shape(dataset: Dataset) -> tuple[int, ...]:
    rows, columns = int(number(dataset, "Rows") or 0), int(number(dataset, "Columns") or 0)
    samples = int(number(dataset, "SamplesPerPixel") or 1)
    return (rows, columns) if samples == 1 else (rows, columns, samples)


def _frames(dataset: Dataset) -> int:
    return max(int(number(dataset, "NumberOfFrames") or 1), 1)


def _frame_bytes(dataset: Dataset) -> int:
    size = int(np.prod(_shape(dataset), dtype=np.int64)) * (int(dataset.BitsAllocated) // 8)
    if text(dataset, "PhotometricInterpretation") == "YBR_FULL_422":
        return size // 3 * 2
    return size


def _native(stream: BinaryIO, dataset: FileDataset, syntax: UID, frame: int) -> NDArray[Any]:
    """Read an uncompressed frame straight from its bytes, after counting them."""
    size = _frame_bytes(dataset)
    length = _native_length(stream, syntax)
    expected = size * _frames(dataset)
    if length not in (expected, expected + expected % 2):
        raise DecodeError(
            f"its header promises {expected} bytes of pixels, but {length} are stored"
        )
    stream.seek(size * frame, 1)
    data = stream.read(size)
    if len(data) != size:
        raise DecodeError("its pixel data is cut off")
    return _as_array(dataset, data, big=not syntax.is_little_endian)


def _native_length(stream: BinaryIO, syntax: UID) -> int:
    """Length of the pixel element at the stream's position; moves to its value."""
    order = "<" if syntax.is_little_endian else ">"
    head = stream.read(8 if syntax.is_implicit_VR else 12)
    if len(head) < 8:
        raise DecodeError("it holds no image")
    group, element = struct.unpack(order + "HH", head[:4])
    if (group, element) != (0x7FE0, 0x0010):
        raise DecodeError("its pixels are not of a kind that can be shown")
    (length,) = struct.unpack(order + "I", head[-4:])
    if length == _UNDEFINED:
        raise DecodeError("its pixel data has no length")
    return int(length)


def _compressed(stream: BinaryIO, dataset: FileDataset, syntax: UID, frame: int) -> NDArray[Any]:
    stream.seek(0)
    try:
        whole = pydicom.dcmread(stream, force=True)
    except DAMAGE as error:
        raise DecodeError("its pixel data is cut off", type(error).__name__) from None
    if "PixelData" not in whole:
        raise InputError("it holds no image")
    if not syntax.is_deflated:
        return decode_frame(whole, syntax, frame, _frames(dataset))
    size, data = _frame_bytes(dataset), whole.PixelData
    if len(data) not in (size * _frames(dataset), size * _frames(dataset) + 1):
        raise DecodeError("the bytes of its pixels do not fit its size")
    return _as_array(dataset, data[size * frame : size * (frame + 1)], big=False)


def _as_array(dataset: Dataset, data: bytes, *, big: bool) -> NDArray[Any]:
    shape = _shape(dataset)
    kind = np.dtype(np.uint8 if dataset.BitsAllocated == 8 else np.uint16)
    flat = np.frombuffer(data, kind.newbyteorder(">") if big else kind)
    if text(dataset, "PhotometricInterpretation") == "YBR_FULL_422":
        return _upsampled(flat, shape)
    if len(shape) == 3 and number(dataset, "PlanarConfiguration") == 1.0:
        return np.moveaxis(flat.reshape(shape[2], shape[0], shape[1]), 0, -1)
    return flat.reshape(shape)


def _upsampled(flat: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Give every pixel of Y Y Cb Cr quadruples its own colour."""
    pairs = flat.reshape(-1, 4)
    pixels = np.stack((pairs[:, (0, 1)], pairs[:, (2, 2)], pairs[:, (3, 3)]), axis=-1)
    return pixels.reshape(shape)


def _decodes_to_rgb(syntax: UID) -> bool:
    """Tell whether the codec itself undoes the colour transform, as JPEG's does."""
    return syntax in (pydicom.uid.JPEGBaseline8Bit, pydicom.uid.JPEGExtended12Bit)


def _grey(dataset: Dataset, stored: NDArray[Any], syntax: UID) -> Slice:
    """Luminance (Rec. 601) of a colour image, 0 … 255."""
    meaning = text(dataset, "PhotometricInterpretation")
    if meaning == "PALETTE COLOR":
        colours = apply_color_lut(stored, dataset)
    elif meaning in ("YBR_FULL", "YBR_FULL_422") and not _decodes_to_rgb(syntax):
        colours = convert_color_space(stored, "YBR_FULL", "RGB")
    else:
        colours = stored
    top = np.iinfo(colours.dtype).max
    grey = (colours[..., :3] @ np.array((0.299, 0.587, 0.114))) * (255.0 / top)
    values = np.rint(grey).astype(np.int16)
    return Slice(values, (256.0, 128.0), ("a colour image, shown as grey",))
