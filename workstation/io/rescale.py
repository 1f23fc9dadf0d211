"""Stored values into int16: significant bits, sign, rescale, padding, negatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from workstation.core.errors import DecodeError
from workstation.io.header import number, numbers, text
from workstation.io.resample import AIR

_LOWEST, _HIGHEST = -32768, 32767


@dataclass(frozen=True)
class Slice:
    """One decoded slice.

    ``values`` is int16 (rows, columns): HU for CT, rescaled values otherwise. ``window`` is
    the header's (width, centre) or None. ``remarks`` are what must be said of the pixels.
    """

    values: NDArray[np.int16]
    window: tuple[float, float] | None
    remarks: tuple[str, ...]


def significant(dataset: Dataset, stored: NDArray[Any]) -> NDArray[Any]:
    """Keep the bits that belong to the pixel, with their sign; drop overlays and garbage."""
    bits = int(number(dataset, "BitsStored") or dataset.BitsAllocated)
    high = number(dataset, "HighBit")
    low = int(high) + 1 - bits if high is not None and stored.dtype.itemsize == 2 else 0
    signed = number(dataset, "PixelRepresentation") == 1.0
    if stored.dtype.itemsize == 1:
        stored = stored.astype(np.int8 if stored.dtype.kind == "i" else np.uint8).astype(np.uint16)
    raw = stored.astype(np.uint16, copy=False)
    left = 16 - bits - low
    if signed:
        shifted = (raw << left).view(np.int16) if left else raw.view(np.int16)
        return np.asarray(shifted >> (16 - bits) if bits < 16 else shifted)
    if bits == 16:
        return raw
    return (raw >> low) & np.uint16((1 << bits) - 1)


def _transformation(dataset: Dataset, frame: int) -> tuple[float, float]:
    """Rescale (slope, intercept) of the frame."""
    holder = dataset
    for group in _functional_groups(dataset, frame):
        if items := group.get("PixelValueTransformationSequence"):
            holder = items[0]
    if "RescaleSlope" not in holder:
        return 1.0, number(holder, "RescaleIntercept") or 0.0
    slope, intercept = number(holder, "RescaleSlope"), number(holder, "RescaleIntercept")
    if not slope:
        raise DecodeError("its rescale slope is zero or not a number, so its values mean nothing")
    return slope, intercept or 0.0


def _functional_groups(dataset: Dataset, frame: int) -> list[Dataset]:
    shared = dataset.get("SharedFunctionalGroupsSequence") or []
    own = dataset.get("PerFrameFunctionalGroupsSequence") or []
    return [*shared[:1], *own[frame : frame + 1]]


def _window(dataset: Dataset, frame: int) -> tuple[float, float] | None:
    holders = [dataset]
    for group in _functional_groups(dataset, frame):
        holders += list(group.get("FrameVOILUTSequence") or [])
    for holder in reversed(holders):
        width, center = numbers(holder, "WindowWidth"), numbers(holder, "WindowCenter")
        if width and center and width[0] >= 1:
            return width[0], center[0]
    return None


def rescaled(dataset: Dataset, stored: NDArray[Any], frame: int) -> Slice:
    """Apply slope and intercept; exact where they are whole numbers."""
    slope, intercept = _transformation(dataset, frame)
    is_ct = text(dataset, "Modality") == "CT"
    remarks: list[str] = []
    padded = _padding(dataset, stored)
    if padded is not None and padded.any() and not padded.all():
        stored = np.where(padded, stored[~padded].min(), stored)
    values = _linear(stored, slope, intercept, remarks)
    if padded is not None and is_ct:
        values[padded] = AIR
    window = _window(dataset, frame)
    if text(dataset, "PhotometricInterpretation") == "MONOCHROME1" and not is_ct:
        values, window = _inverted(values, window)
        remarks.append("stored as a negative (MONOCHROME1), shown as a positive")
    if is_ct and "RescaleSlope" not in dataset and not _functional_groups(dataset, frame):
        remarks.append("no rescale in the header: values may not be Hounsfield units")
    return Slice(values, window, tuple(remarks))


def _linear(
    stored: NDArray[Any], slope: float, intercept: float, remarks: list[str]
) -> NDArray[np.int16]:
    if not _fits(stored, slope, intercept):
        remarks.append("values beyond what 16 bits hold are shown as the limit")
    elif slope == 1.0 and intercept == int(intercept):
        return stored.view(np.int16) + np.int16(intercept)  # both wrap alike, so no copy first
    exact = stored * np.float32(slope) if slope != int(slope) else stored * float(slope)
    return np.asarray(np.clip(np.rint(exact + intercept), _LOWEST, _HIGHEST), dtype=np.int16)


def _fits(stored: NDArray[Any], slope: float, intercept: float) -> bool:
    """Tell whether every rescaled value fits into int16."""
    ends = [value * slope + intercept for value in (int(stored.min()), int(stored.max()))]
    return min(ends) >= _LOWEST and max(ends) <= _HIGHEST


def _padding(dataset: Dataset, stored: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Mark the pixels that the scanner marked as outside its field of view."""
    value = number(dataset, "PixelPaddingValue")
    if value is None:
        return None
    limit = number(dataset, "PixelPaddingRangeLimit")
    if limit is None or limit == value:
        return np.asarray(stored == _like(stored, value))
    low, high = sorted((_like(stored, value), _like(stored, limit)))
    return np.asarray((stored >= low) & (stored <= high))


def _like(stored: NDArray[Any], value: float) -> int:
    """Read a padding value in the pixels' own signedness: some scanners write the other one."""
    whole = int(value)
    limits = np.iinfo(stored.dtype)
    if whole > limits.max:
        return whole - 65536
    return whole + 65536 if whole < limits.min else whole


def _inverted(
    values: NDArray[np.int16], window: tuple[float, float] | None
) -> tuple[NDArray[np.int16], tuple[float, float] | None]:
    flipped = (-1 - values.astype(np.int32)).astype(np.int16)
    return flipped, None if window is None else (window[0], -1 - window[1])
