"""Which texts are DICOM unique identifiers, and which can serve as one nevertheless."""

from __future__ import annotations

import re

_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")
_LONGEST = 64
_TELLING = 16


def is_legal_uid(uid: str) -> bool:
    """Whether a UID is one by the standard: digits and dots, at most 64 characters."""
    return len(uid) <= _LONGEST and _UID.fullmatch(uid) is not None


def tells_apart(uid: str) -> bool:
    """Whether no other object is likely to carry the same text.

    UUIDs and UIDs with a leading zero are illegal, but as good as legal ones; an empty text
    and a short one ("1", "ANON") say nothing.
    """
    return is_legal_uid(uid) or len(uid) >= _TELLING
