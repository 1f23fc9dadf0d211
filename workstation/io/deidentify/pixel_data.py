"""Pixel data that goes over bit by bit, after making sure that it holds pixels only."""

from __future__ import annotations

from pydicom.dataelem import DataElement
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID, RLELossless

from workstation.core.errors import DecodeError, InputError
from workstation.io.deidentify.codestreams import jpeg_2000_fault, jpeg_fault, rle_fault
from workstation.io.header import DAMAGE
from workstation.io.native import frame_bytes, frame_count

_JPEG = tuple(f"1.2.840.10008.1.2.4.{code}" for code in (50, 51, 53, 55, 57, 70, 80, 81))
_JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{code}" for code in (90, 91, 201, 202, 203))


def checked_pixels(dataset: FileDataset, syntax: UID) -> DataElement:
    """Give the pixel element as it is to be written.

    Uncompressed pixels are the same bytes. Compressed frames are the same codestreams, in a
    new wrapping.

    Raises
    ------
    InputError
        If the element holds anything but the image that the header describes.
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
    for frame in frames:
        if fault := _fault(dataset, frame, syntax):
            raise DecodeError(fault)
    return bytes(encapsulate(frames))


def _fault(dataset: FileDataset, frame: bytes, syntax: UID) -> str:
    if str(syntax) in _JPEG:
        return jpeg_fault(frame)
    if str(syntax) in _JPEG_2000:
        return jpeg_2000_fault(frame)
    if syntax == RLELossless:
        return rle_fault(frame, frame_bytes(dataset))
    return f"what else its pixel data may hold cannot be told apart ({syntax.name})"
