"""Transfer syntaxes by what matters for reading them; without pydicom, for the window's process."""

from __future__ import annotations

from workstation.io.channel import Message

_JPEG = "1.2.840.10008.1.2.4."
LOSSLESS = frozenset(_JPEG + code for code in ("57", "70", "80", "90", "201", "202"))
JPEG_2000 = frozenset(_JPEG + code for code in ("90", "91"))


def takes_long(item: Message) -> bool:
    """Tell whether decoding takes so long that waiting for a last batch would be felt."""
    return bool(item["stored"]) and item["stored"]["syntax"] in JPEG_2000
