"""Pixel data that goes over bit by bit, cleared of what is no pixel."""

from __future__ import annotations

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID, RLELossless

from workstation.core.errors import DecodeError, InputError
from workstation.io.codecs import CODEC_FAULTS, decode_codestream
from workstation.io.deidentify.codestreams import bare_jpeg, bare_jpeg_2000, check_rle
from workstation.io.header import DAMAGE
from workstation.io.native import frame_bytes, frame_count

_JPEG = tuple(f"1.2.840.10008.1.2.4.{code}" for code in (50, 51, 53, 55, 57, 70, 80, 81))
_JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{code}" for code in (90, 91, 201, 202, 203))


def checked_pixels(dataset: FileDataset, syntax: UID) -> DataElement:
    """Give the pixel element as it is to be written.

    Uncompressed pixels are the same bytes. Compressed frames are the same compressed
    values, without comments and metadata, in a new wrapping.

    Raises
    ------
    InputError
        If the element holds more than the image that the header describes and it cannot be
        removed.
    """
    if "PixelData" not in dataset:
        raise InputError("it holds no image")
    element = dataset["PixelData"]
    if syntax.is_encapsulated:
        value = _compressed(dataset, element.value, syntax)
        made = DataElement(element.tag, "OB", value)
        made.is_undefined_length = True
        return made
    expected = frame_bytes(dataset) * frame_count(dataset)
    data = element.value
    if not expected or len(data) != expected + expected % 2 or data[expected:].strip(b"\0"):
        raise DecodeError("the bytes of its pixels do not fit its size")
    return DataElement(element.tag, element.VR, data)


def _compressed(dataset: FileDataset, data: bytes, syntax: UID) -> bytes:
    count = frame_count(dataset)
    try:
        frames = list(generate_frames(data, number_of_frames=count))
    except DAMAGE as error:
        raise DecodeError("its pixel data is damaged or cut off", type(error).__name__) from None
    if len(frames) != count:
        raise DecodeError(f"its header promises {count} frames, but {len(frames)} are stored")
    return bytes(encapsulate([_bare(dataset, frame, syntax) for frame in frames]))


def _bare(dataset: FileDataset, frame: bytes, syntax: UID) -> bytes:
    """Give a frame's codestream without comments and metadata, sure to decode to the same."""
    if syntax == RLELossless:
        check_rle(frame, frame_bytes(dataset))
        return frame
    if str(syntax) not in _JPEG + _JPEG_2000:
        raise DecodeError(f"what else its pixel data may hold cannot be told apart ({syntax.name})")
    bare = bare_jpeg(frame) if str(syntax) in _JPEG else bare_jpeg_2000(frame)
    if bare != frame and not _same_pixels(bare, frame, syntax):
        raise DecodeError("its compressed pixels carry a comment that cannot be removed")
    return bare


def _same_pixels(one: bytes, other: bytes, syntax: UID) -> bool:
    try:
        return np.array_equal(decode_codestream(one, syntax), decode_codestream(other, syntax))
    except CODEC_FAULTS:
        return False
