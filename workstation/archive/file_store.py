"""Files under the hash of their content; nothing that came from outside is ever a name."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workstation.core.atomic_file import cannot_write, permissions, sync_folder
from workstation.core.errors import InputError, StorageError

_CHUNK = 2**20
_HASH = re.compile(r"[0-9a-f]{64}")
_SUFFIX = re.compile(r"(\.[a-z]{2,4}){0,2}")
_DAY = 86_400.0


@dataclass(frozen=True)
class Content:
    """A file's SHA-256, its size in bytes and when it was last changed."""

    sha256: str
    size: int
    mtime_ns: int


class FileStore:
    """A folder of files, each whole or not there, each content once.

    Parameters
    ----------
    folder : Path
        Made at the first file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"

    def path(self, sha256: str, suffix: str = "") -> Path:
        """Where a content lies, or would.

        Raises
        ------
        StorageError
            This is no hash, or no suffix of a known format.
        """
        if not _HASH.fullmatch(sha256) or not _SUFFIX.fullmatch(suffix):
            raise StorageError("The archive names a file that cannot be its own; it is damaged.")
        return self.folder / sha256[:2] / sha256[2:4] / f"{sha256}{suffix}"

    def put(self, source: Path, suffix: str = "") -> Content:
        """Copy a file into the store; it is on the disk when this returns.

        Raises
        ------
        InputError
            The file cannot be read.
        StorageError
            The store cannot be written; it is as it was.
        """
        try:
            self._incoming.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._incoming)
        except OSError as error:
            raise cannot_write(self._incoming, error) from error
        temporary = Path(name)
        try:
            content = self._copy(source, handle, temporary)
            self._settle(temporary, self.path(content.sha256, suffix))
        finally:
            temporary.unlink(missing_ok=True)
        return content

    def _copy(self, source: Path, handle: int, temporary: Path) -> Content:
        digest = hashlib.sha256()
        with os.fdopen(handle, "wb") as target:
            size, mtime_ns = 0, _stat(source).st_mtime_ns
            try:
                for chunk in _chunks(source):
                    digest.update(chunk)
                    target.write(chunk)
                    size += len(chunk)
                target.flush()
                os.fsync(target.fileno())
            except OSError as error:
                raise cannot_write(temporary, error) from error
        return Content(digest.hexdigest(), size, mtime_ns)

    def _settle(self, temporary: Path, final: Path) -> None:
        try:
            if final.exists() and final.stat().st_size == temporary.stat().st_size:
                os.utime(final)
                return
            for folder in (final.parent.parent, final.parent):
                folder.mkdir(exist_ok=True)
            temporary.chmod(permissions())
            temporary.replace(final)
            for folder in (final.parent, final.parent.parent, self.folder):
                sync_folder(folder)
        except OSError as error:
            raise cannot_write(final, error) from error

    def remove(self, sha256: str, suffix: str = "") -> None:
        """Remove a content; that it is gone already is no fault."""
        path = self.path(sha256, suffix)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path} cannot be removed: {error.strerror}.", repr(error)) from (
                error
            )

    def contents(self) -> Iterator[tuple[str, Path]]:
        """All files of the store by their hashes."""
        for path in self.folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]/*"):
            yield path.name[:64], path

    def sweep_incoming(self) -> int:
        """Remove copies that were cut off more than a day ago; returns how many."""
        old = [path for path in self._incoming.glob("*") if _age(path) > _DAY]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)


def fingerprint(source: Path) -> Content:
    """Read what a file is, without copying it.

    Raises
    ------
    InputError
        It cannot be read.
    """
    before = _stat(source)
    digest = hashlib.sha256()
    for chunk in _chunks(source):
        digest.update(chunk)
    return Content(digest.hexdigest(), before.st_size, before.st_mtime_ns)


def _stat(source: Path) -> os.stat_result:
    try:
        return source.stat()
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}.", repr(error)) from error


def _chunks(source: Path) -> Iterator[bytes]:
    """Read a file piece by piece; its faults are not the target's."""
    try:
        stream = source.open("rb")
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}.", repr(error)) from error
    with stream:
        while True:
            try:
                chunk = stream.read(_CHUNK)
            except OSError as error:
                message = f"{source} cannot be read: {error.strerror}."
                raise InputError(message, repr(error)) from error
            if not chunk:
                return
            yield chunk


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except OSError:
        return 0.0
