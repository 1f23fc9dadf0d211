"""Whether stored values have the sign that their header says."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workstation.core.errors import DecodeError

_SEEMS_POSITIVE, _SEEMS_NEGATIVE = 16384, 49152
_NO_SIGN = "its header says that its values have no sign, but they have"
_LEAST_PAIRS, _LEAST_VALUES = 8, 4
_AIR = -1024.0


def check_sign(signed: bool, stored: NDArray[Any]) -> None:
    """Refuse values below zero, as some codecs tell them, where the header knows no sign.

    Raises
    ------
    DecodeError
        There are some.
    """
    if not signed and stored.dtype.kind == "i" and stored.size and stored.min() < 0:
        raise DecodeError(_NO_SIGN)


def check_unsigned(pixels: NDArray[Any]) -> None:
    """Refuse unsigned CT values of 16 bits that lie at both ends of what such a number can hold.

    They are values around zero whose sign the header denies: air would be brighter than bone.

    Raises
    ------
    DecodeError
        They do.
    """
    high = pixels > _SEEMS_NEGATIVE
    if high.any() and not high.all() and not ((pixels > _SEEMS_POSITIVE) & ~high).any():
        raise DecodeError(_NO_SIGN)


def seems_unsigned(pixels: NDArray[Any], bits: int, slope: float, intercept: float) -> bool:
    """Tell whether signed CT values look as if they had no sign: bone darker than air.

    Then the densest half of the values lies below the thinnest, and where tissue grows denser
    from pixel to pixel, the highest values stand beside the lowest. In a scan whose sign is right
    the lowest eighth is emptier than air, and what stands beside the highest is a single value
    at most, that of the area outside the field of view.

    Parameters
    ----------
    pixels : ndarray of int, shape (rows, columns)
        Stored values with their sign.
    bits : int
        How many of them are significant; with 16 no CT reaches the end.
    slope, intercept : float
        To HU.
    """
    if bits >= 16:
        return False
    half, eighth = 1 << (bits - 1), 1 << max(bits - 3, 0)
    if (eighth - half) * slope + intercept >= _AIR:
        return False
    low, high = pixels < eighth - half, pixels >= half - eighth
    if not (low.any() and high.any()):
        return False
    beside = np.zeros(pixels.shape, bool)
    beside[:, 1:] |= high[:, :-1]
    beside[:, :-1] |= high[:, 1:]
    beside[1:] |= high[:-1]
    beside[:-1] |= high[1:]
    found = pixels[low & beside]
    return bool(found.size >= _LEAST_PAIRS and np.unique(found).size >= _LEAST_VALUES)
