"""Floating-point pixels (DICOM PS3.3 C.7.6.24, C.7.6.25): shown as whole numbers, and said so."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import FileDataset

from workstation.core.errors import DecodeError
from workstation.io.header import number, value_of
from workstation.io.native import image_shape, read_native
from workstation.io.remarks import FLOATS
from workstation.io.resample import AIR
from workstation.io.rescale import BEYOND, HIGHEST, LOWEST, PixelRules, Slice, rules_of

_KINDS: dict[int, np.dtype[Any]] = {0x0008: np.dtype(np.float32), 0x0009: np.dtype(np.float64)}
_PADDING = {0x0008: "FloatPixelPaddingValue", 0x0009: "DoubleFloatPixelPaddingValue"}
_LEAST_RANGE = 32.0
"""Values that lie closer together, as probabilities do, would be lost in whole numbers."""


def read_floats(stream: BinaryIO, dataset: FileDataset, frame: int) -> Slice | None:
    """Read an uncompressed frame of floating-point numbers; None for other pixels.

    The stream stands at the pixel element, and stays there where None is returned.

    Raises
    ------
    DecodeError
        Where the numbers cannot be shown: cut off, in colours, a negative, none of them finite,
        or too close together.
    """
    element = _element_at(stream)
    kind = _KINDS.get(element)
    if kind is None or number(dataset, "BitsAllocated") != 8 * kind.itemsize:
        return None
    rules = rules_of(dataset, frame)
    if len(image_shape(dataset)) != 2 or (rules.negative and not rules.is_ct):
        raise DecodeError("its floating-point pixels are colours or a negative")
    stored = read_native(stream, dataset, frame, element=element, kind=kind)
    padding = value_of(dataset, _PADDING[element])
    inside = np.isfinite(stored) if padding is None else np.isfinite(stored) & (stored != padding)
    if not inside.any():
        raise DecodeError("none of its floating-point pixels is a number")
    return _whole(stored.astype(np.float64) * rules.slope + rules.intercept, inside, rules)


def float_bits(stream: BinaryIO) -> int:
    """Tell the bits of the floating-point pixels at which the stream stands; 0 for others."""
    kind = _KINDS.get(_element_at(stream))
    return 0 if kind is None else 8 * kind.itemsize


def _element_at(stream: BinaryIO) -> int:
    place = stream.tell()
    head = stream.read(4)
    stream.seek(place)
    for order in "<>":
        if len(head) == 4 and head.startswith(struct.pack(order + "H", 0x7FE0)):
            return int(struct.unpack(order + "H", head[2:])[0])
    return 0


def _whole(values: NDArray[Any], inside: NDArray[np.bool_], rules: PixelRules) -> Slice:
    low, high = float(values[inside].min()), float(values[inside].max())
    if 0 < high - low < _LEAST_RANGE:
        raise DecodeError("its floating-point values are too close to be shown as whole numbers")
    outside = AIR if rules.is_ct else low
    filled = np.where(inside, values, outside)
    remarks = [FLOATS] if low >= LOWEST and high <= HIGHEST else [FLOATS, BEYOND]
    whole = np.rint(np.clip(filled, LOWEST, HIGHEST)).astype(np.int16)
    return Slice(whole, rules.window, tuple(remarks))
