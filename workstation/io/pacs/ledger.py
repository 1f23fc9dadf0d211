"""What of a sending has been taken, on disk, so that an interrupted one goes on.

Holds hashes only: of the peer, and of each file's place, size and time. It lasts until the
sending is finished; who sends the same files again after that means it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from workstation.core.errors import StorageError

_LENGTH = 32
_MONTH = 30 * 86_400


class Ledger:
    """One sending's book; without a folder it remembers nothing.

    Parameters
    ----------
    folder : Path or None
        Where books lie.
    peer : str
        What tells this receiver from others: its address, not its name.
    paths : sequence of Path
        All files of the sending; another set of files is another sending.
    """

    def __init__(self, folder: Path | None, peer: str = "", paths: Sequence[Path] = ()) -> None:
        self._path: Path | None = None
        self._stream: TextIO | None = None
        self._known: frozenset[str] = frozenset()
        if folder is not None:
            places = sorted(str(path.absolute()) for path in paths)
            self._path = folder / f"{_hash(peer, *places)}.sent"
            self._known = _lines(self._path)
            _sweep(folder)

    def knows(self, path: Path) -> bool:
        """Whether a file, as it is now, was taken before."""
        return bool(self._known) and _mark(path) in self._known

    def note(self, path: Path) -> None:
        """Write down that a file was taken.

        Raises
        ------
        StorageError
            The disk is full or gone.
        """
        if self._path is None:
            return
        try:
            if self._stream is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._stream = self._path.open("a", encoding="ascii")
            self._stream.write(f"{_mark(path)}\n")
            self._stream.flush()
        except OSError as error:
            raise StorageError(
                f"What was sent cannot be noted in {self._path.parent}.", error.strerror or ""
            ) from error

    def close(self, *, finished: bool) -> None:
        """Close the book; one that is finished is thrown away."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        if finished and self._path is not None:
            self._path.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Throw away the books of sendings that nobody took up again for a month."""
    for path in folder.glob("*.sent"):
        try:
            if time.time() - path.stat().st_mtime > _MONTH:
                path.unlink()
        except OSError:
            continue


def _lines(path: Path) -> frozenset[str]:
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(line for line in lines if len(line) == _LENGTH)


def _mark(path: Path) -> str:
    try:
        state = path.stat()
    except OSError:
        return ""
    return _hash(str(path.absolute()), str(state.st_size), str(state.st_mtime_ns))


def _hash(*parts: str) -> str:
    text = "\n".join(parts).encode("utf-8", "surrogatepass")
    return hashlib.sha256(text).hexdigest()[:_LENGTH]
