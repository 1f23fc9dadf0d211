"""What headers say, as every database takes it."""

from __future__ import annotations


def plain(text: str) -> str:
    """Text that every database takes: no NUL, nothing that UTF-8 cannot say."""
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def small(number: int | None) -> int | None:
    """Leave out a number that no column takes."""
    return number if number is not None and abs(number) < 2**31 else None


def day(text: str) -> str:
    """Write DICOM's ``20260203`` as ``2026-02-03``; what is no day stays as it is."""
    if len(text) == 8 and text.isascii() and text.isdigit():
        return f"{text[:4]}-{text[4:6]}-{text[6:]}"
    return plain(text)
