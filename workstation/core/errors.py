"""What can go wrong, as sentences for the reader.

Every error of this program that a person may see is a :class:`TomoscribeError`:
its message names the file or part and says what to do; ``details`` is for the fold
under the notification and for the log, and carries no patient data.
"""

from __future__ import annotations


class TomoscribeError(Exception):
    """A fault with a sentence for the reader.

    Parameters
    ----------
    message : str
        What is wrong, with which file or part, and what to do.
    details : str
        Technical detail for the fold.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InputError(TomoscribeError):
    """A file or folder cannot be read as a scan."""


class GeometryError(InputError):
    """The slices of a series do not make a volume."""


class DecodeError(InputError):
    """The pixels of one file cannot be decoded."""


class StorageError(TomoscribeError):
    """Something could not be saved or read back."""


class ConflictError(StorageError):
    """Another window changed the same thing in the meantime."""


class NetworkError(TomoscribeError):
    """A peer cannot be reached, broke off or answered what cannot be used; may be tried again."""


class PeerTimeoutError(NetworkError):
    """A peer took too long."""


class PeerRefusedError(NetworkError):
    """A peer refused; asking again does not help."""


class ModelError(TomoscribeError):
    """The model cannot be loaded or cannot answer."""


class CancelledError(TomoscribeError):
    """The reader cancelled the work."""
