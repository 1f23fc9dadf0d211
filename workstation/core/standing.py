"""Whether a report is signed as it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Signature:
    """A version of a report that a person signed; ``signed`` in UTC."""

    version: int
    author: str
    signed: datetime

    def __str__(self) -> str:
        return f"version {self.version}, {self.author}, {self.signed:%Y-%m-%d %H:%M:%S} UTC"


@dataclass(frozen=True)
class Standing:
    """What may be said of a report's signature.

    Attributes
    ----------
    signature : Signature or None
        The signed version that the report is, or from which it differs.
    changed : bool
        The report differs from what was signed: nobody has signed it as it is.
    newer : int or None
        Number of the newest version, where the report is an older one.
    """

    signature: Signature | None = None
    changed: bool = False
    newer: int | None = None

    @property
    def is_signed(self) -> bool:
        """Whether the report is, word for word, what was signed."""
        return self.signature is not None and not self.changed

    @property
    def name(self) -> str:
        """What the report is called: ``signed report``, ``unsigned draft`` or ``… addendum``."""
        if self.is_signed:
            return "signed report"
        return "unsigned draft" if self.signature is None else "unsigned addendum"
