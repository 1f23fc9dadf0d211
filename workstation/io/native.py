"""Uncompressed pixels, read straight from their bytes after counting them."""

from __future__ import annotations

import math
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID

from workstation.core.errors import DecodeError
from workstation.io.header import number, text, transfer_syntax

_UNDEFINED = 0xFFFFFFFF
PIXELS = 0x0010
"""The element of Pixel Data in group 7FE0."""


def image_shape(dataset: Dataset) -> tuple[int, ...]:
    """(rows, columns) of grey images, (rows, columns, samples) of others."""
    rows, columns = int(number(dataset, "Rows") or 0), int(number(dataset, "Columns") or 0)
    samples = int(number(dataset, "SamplesPerPixel") or 1)
    return (rows, columns) if samples == 1 else (rows, columns, samples)


def frame_count(dataset: Dataset) -> int:
    """Count the frames that the header claims."""
    return max(int(number(dataset, "NumberOfFrames") or 1), 1)


def frame_bytes(dataset: Dataset) -> int:
    """Bytes of one uncompressed frame."""
    bits = int(number(dataset, "BitsAllocated") or 0)
    size = math.prod(image_shape(dataset)) * (bits // 8)
    if text(dataset, "PhotometricInterpretation") == "YBR_FULL_422":
        return size // 3 * 2
    return size


def read_native(
    stream: BinaryIO,
    dataset: FileDataset,
    frame: int,
    *,
    element: int = PIXELS,
    kind: np.dtype[Any] | None = None,
) -> NDArray[Any]:
    """Read an uncompressed frame of a stream that stands at the pixel element.

    ``element`` of group 7FE0 it has to be; ``kind`` is that of its values where they are not
    unsigned integers.
    """
    syntax, size = transfer_syntax(dataset), frame_bytes(dataset)
    length = native_length(stream, syntax, element)
    expected = size * frame_count(dataset)
    if length not in (expected, expected + expected % 2):
        raise DecodeError(
            f"its header promises {expected} bytes of pixels, but {length} are stored"
        )
    stream.seek(size * frame, 1)
    data = stream.read(size)
    if len(data) != size:
        raise DecodeError("its pixel data is cut off")
    return as_array(dataset, data, big=not syntax.is_little_endian, kind=kind)


def native_length(stream: BinaryIO, syntax: UID, wanted: int = PIXELS) -> int:
    """Length of the pixel element at the stream's position; moves to its value."""
    order = "<" if syntax.is_little_endian else ">"
    head = stream.read(8 if syntax.is_implicit_VR else 12)
    if len(head) < 8:
        raise DecodeError("it holds no image")
    group, element = struct.unpack(order + "HH", head[:4])
    if (group, element) != (0x7FE0, wanted):
        raise DecodeError("its pixels are not of a kind that can be shown")
    (length,) = struct.unpack(order + "I", head[-4:])
    if length == _UNDEFINED:
        raise DecodeError("its pixel data has no length")
    return int(length)


def as_array(
    dataset: Dataset, data: bytes, *, big: bool, kind: np.dtype[Any] | None = None
) -> NDArray[Any]:
    """Give one frame's bytes the shape (rows, columns[, samples])."""
    shape = image_shape(dataset)
    kind = kind or np.dtype(np.uint8 if number(dataset, "BitsAllocated") == 8 else np.uint16)
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
