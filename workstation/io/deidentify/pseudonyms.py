"""Stand-ins for identifiers: the same one always gets the same, and none leads back.

All of them are keyed digests. With the same secret, files of another day fit those of today;
without one, a secret is drawn for a run and forgotten. What has been replaced with a secret is
recognised by it and stays as it is, so that doing it twice changes nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import timedelta

_STANDARD = "1.2.840.10008."
_PATIENT = "ANON-"
_LEAST_SHIFT, _SHIFTS = 365, 3650  # days


class Pseudonyms:
    """Stand-ins that one secret makes.

    Parameters
    ----------
    secret : bytes
        Whoever has it can tell whether an identifier they know is among the files.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def uid(self, old: str) -> str:
        """Stand-in of an identifier; those of the standard itself (classes, syntaxes) are kept."""
        old = old.strip(" \0")
        if not old or (old.startswith(_STANDARD) and _is_uid(old)) or self._is_own_uid(old):
            return old
        head = self._digest("uid", old)[:11]
        return _uuid_uid((head + self._digest("own uid", head.hex())[:4]).hex())

    def patient(self, identity: str) -> str:
        """Stand-in of a patient's identity, for the name and the number alike."""
        if self.is_own_patient(identity):
            return identity
        head = self._letters("patient", identity, 10)
        return _PATIENT + head + self._letters("own patient", head, 4)

    def is_own_patient(self, identity: str) -> bool:
        """Tell whether an identity is already a stand-in of this secret."""
        head, mark = identity[len(_PATIENT) : -4], identity[-4:]
        own = identity.startswith(_PATIENT) and len(head) == 10
        return own and mark == self._letters("own patient", head, 4)

    def shift(self, identity: str) -> timedelta:
        """Whole days by which all dates of a patient move into the past."""
        number = int.from_bytes(self._digest("shift", identity)[:8])
        return timedelta(days=-(_LEAST_SHIFT + number % _SHIFTS))

    def _is_own_uid(self, uid: str) -> bool:
        number = uid.removeprefix("2.25.")
        if number == uid or not (number.isascii() and number.isdigit() and len(number) < 40):
            return False
        text = f"{int(number):032x}"
        payload = text[:12] + text[13:16] + text[17:]
        mark = self._digest("own uid", payload[:22])[:4].hex()
        return len(text) == 32 and uid == _uuid_uid(payload) and payload[22:] == mark

    def _digest(self, purpose: str, value: str) -> bytes:
        text = f"{purpose}\n{value}".encode("utf-8", "surrogateescape")
        return hmac.new(self._secret, text, hashlib.sha256).digest()

    def _letters(self, purpose: str, value: str, count: int) -> str:
        return base64.b32encode(self._digest(purpose, value)).decode("ascii")[:count]


def _is_uid(text: str) -> bool:
    return len(text) <= 64 and all(part.isascii() and part.isdigit() for part in text.split("."))


def _uuid_uid(payload: str) -> str:
    """UID of the UUID (version 8) that carries 30 hexadecimal digits."""
    return f"2.25.{int(payload[:12] + '8' + payload[12:15] + '8' + payload[15:], 16)}"
