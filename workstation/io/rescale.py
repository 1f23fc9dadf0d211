"""Stored values into int16: significant bits, sign, rescale, padding, negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from workstation.core.errors import DecodeError
from workstation.io.header import number, numbers, text, value_of
from workstation.io.remarks import NO_RESCALE, SIGN
from workstation.io.resample import AIR
from workstation.io.sign import check_sign, check_unsigned, seems_unsigned

LOWEST, HIGHEST = -32768, 32767
BEYOND = "values beyond what 16 bits hold are shown as the limit"


@dataclass(frozen=True)
class Slice:
    """One decoded slice.

    ``values`` is int16 (rows, columns): HU for CT, rescaled values otherwise. ``window`` is
    the header's (width, centre) or None. ``remarks`` are what must be said of the pixels.
    """

    values: NDArray[np.int16]
    window: Sequence[float] | None
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class PixelRules:
    """What a header says about the stored values of one slice.

    ``bits`` significant bits start at bit ``low``; ``padding`` is the range of stored values
    outside the field of view; ``negative`` says that low values are bright.
    """

    bits: int
    low: int
    signed: bool
    slope: float
    intercept: float
    padding: Sequence[float] | None
    window: Sequence[float] | None
    is_ct: bool
    negative: bool
    rescale_said: bool


def check_bits(dataset: Dataset) -> None:
    """Refuse headers that contradict themselves about the bits of a pixel."""
    bits = number(dataset, "BitsAllocated")
    if bits not in (8.0, 16.0):
        raise DecodeError("its pixels have neither 8 nor 16 bits")
    stored = number(dataset, "BitsStored") or bits
    high = number(dataset, "HighBit")
    if not (1 <= stored <= bits and (high is None or stored - 1 <= high < bits)):
        raise DecodeError("its header contradicts itself about the bits of a pixel")


def rules_of(dataset: Dataset, frame: int) -> PixelRules:
    """Read the rules for one frame.

    Raises
    ------
    DecodeError
        If the rescale slope is zero or not a number.
    """
    allocated = int(number(dataset, "BitsAllocated") or 16)
    bits = int(number(dataset, "BitsStored") or allocated)
    high = number(dataset, "HighBit")
    groups = _functional_groups(dataset, frame)
    slope, intercept, said = _transformation(dataset, groups)
    return PixelRules(
        bits=bits,
        low=int(high) + 1 - bits if high is not None and allocated == 16 else 0,
        signed=number(dataset, "PixelRepresentation") == 1.0,
        slope=slope,
        intercept=intercept,
        padding=_padding(dataset),
        window=_window(dataset, groups),
        is_ct=text(dataset, "Modality") == "CT",
        negative=text(dataset, "PhotometricInterpretation") == "MONOCHROME1",
        rescale_said=said,
    )


def apply_rules(rules: PixelRules, stored: NDArray[Any]) -> Slice:
    """Turn stored values (rows, columns) into the slice's values.

    Raises
    ------
    DecodeError
        If the header says that the values have no sign, and they have.
    """
    check_sign(rules.signed, stored)
    pixels = _significant(rules, stored)
    remarks: list[str] = []
    padded = _outside(rules, pixels)
    if rules.is_ct and not rules.signed and rules.bits == 16:
        check_unsigned(pixels if padded is None else pixels[~padded])
    if padded is not None and not padded.all():
        pixels = np.where(padded, pixels[~padded].min(), pixels)
    if (
        rules.is_ct
        and rules.signed
        and (seems_unsigned(pixels, rules.bits, rules.slope, rules.intercept))
    ):
        remarks.append(SIGN)
    values = _linear(pixels, rules, remarks)
    if padded is not None and rules.is_ct:
        values[padded] = AIR
    window = rules.window
    if rules.negative and not rules.is_ct:
        values, window = _inverted(values, window)
        remarks.append("stored as a negative (MONOCHROME1), shown as a positive")
    if rules.is_ct and not rules.rescale_said:
        remarks.append(NO_RESCALE)
    return Slice(values, window, tuple(remarks))


def _significant(rules: PixelRules, stored: NDArray[Any]) -> NDArray[Any]:
    """Keep the bits that belong to the pixel, with their sign; drop overlays and garbage."""
    if stored.dtype.itemsize == 1:
        stored = stored.astype(np.int8 if stored.dtype.kind == "i" else np.uint8)
    raw = stored.astype(np.uint16, copy=False)
    if rules.signed:
        left = 16 - rules.bits - rules.low
        shifted = (raw << left).view(np.int16) if left else raw.view(np.int16)
        return np.asarray(shifted >> (16 - rules.bits) if rules.bits < 16 else shifted)
    if rules.bits == 16:
        return raw
    moved = raw >> rules.low if rules.low else raw
    return np.asarray(moved & np.uint16((1 << rules.bits) - 1))


def _linear(pixels: NDArray[Any], rules: PixelRules, remarks: list[str]) -> NDArray[np.int16]:
    slope, intercept = rules.slope, rules.intercept
    if not _fits(pixels, rules):
        remarks.append(BEYOND)
    elif slope == 1.0 and intercept == int(intercept):
        return pixels.view(np.int16) + np.int16(intercept)  # both wrap alike, so no copy first
    exact = pixels * np.float32(slope) if slope != int(slope) else pixels * float(slope)
    return np.asarray(np.clip(np.rint(exact + intercept), LOWEST, HIGHEST), dtype=np.int16)


def _fits(pixels: NDArray[Any], rules: PixelRules) -> bool:
    """Tell whether every rescaled value fits into int16."""
    half = 1 << (rules.bits - 1)
    possible = (-half, half - 1) if rules.signed else (0, 2 * half - 1)
    return _inside(possible, rules) or _inside((int(pixels.min()), int(pixels.max())), rules)


def _inside(values: tuple[int, int], rules: PixelRules) -> bool:
    ends = [value * rules.slope + rules.intercept for value in values]
    return min(ends) >= LOWEST and max(ends) <= HIGHEST


def _transformation(dataset: Dataset, groups: list[Dataset]) -> tuple[float, float, bool]:
    """Rescale (slope, intercept) of the frame, and whether the header gives it."""
    holder = dataset
    for group in groups:
        if items := group.get("PixelValueTransformationSequence"):
            holder = items[0]
    if not text(holder, "RescaleSlope"):
        return 1.0, number(holder, "RescaleIntercept") or 0.0, False
    slope, intercept = number(holder, "RescaleSlope"), number(holder, "RescaleIntercept")
    if not slope:
        raise DecodeError("its rescale slope is zero or not a number, so its values mean nothing")
    return slope, intercept or 0.0, True


def _functional_groups(dataset: Dataset, frame: int) -> list[Dataset]:
    shared = value_of(dataset, "SharedFunctionalGroupsSequence") or []
    own = value_of(dataset, "PerFrameFunctionalGroupsSequence") or []
    return [*shared[:1], *own[frame : frame + 1]]


def _window(dataset: Dataset, groups: list[Dataset]) -> tuple[float, float] | None:
    holders = [dataset]
    for group in groups:
        holders += list(group.get("FrameVOILUTSequence") or [])
    for holder in reversed(holders):
        width, center = number(holder, "WindowWidth"), number(holder, "WindowCenter")
        if width is not None and center is not None and width >= 1:
            return width, center
    return None


def _padding(dataset: Dataset) -> tuple[float, float] | None:
    """Read the stored values (lowest, highest) that the scanner wrote outside its field of view."""
    values = numbers(dataset, "PixelPaddingValue")
    if values is None:
        return None
    limit = number(dataset, "PixelPaddingRangeLimit")
    return values[0], values[0] if limit is None else limit


def _outside(rules: PixelRules, pixels: NDArray[Any]) -> NDArray[np.bool_] | None:
    """Mark the pixels outside the field of view; None if there are none."""
    if rules.padding is None:
        return None
    low, high = sorted(_like(pixels, value) for value in rules.padding)
    marked = pixels == low if low == high else (pixels >= low) & (pixels <= high)
    return np.asarray(marked) if marked.any() else None


def _like(pixels: NDArray[Any], value: float) -> int:
    """Read a padding value in the pixels' own signedness: some scanners write the other one."""
    whole = int(value)
    limits = np.iinfo(pixels.dtype)
    if whole > limits.max:
        return whole - 65536
    return whole + 65536 if whole < limits.min else whole


def _inverted(
    values: NDArray[np.int16], window: Sequence[float] | None
) -> tuple[NDArray[np.int16], tuple[float, float] | None]:
    flipped = (-1 - values.astype(np.int32)).astype(np.int16)
    return flipped, None if window is None else (window[0], -1 - window[1])
