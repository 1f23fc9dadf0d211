"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from workstation.core.errors import StorageError

_REASONS = {
    errno.ENOSPC: "the disk is full. Free some space or choose another folder.",
    errno.EDQUOT: "your quota on this disk is used up. Free some space or choose another folder.",
    errno.EFBIG: "the file may not grow that large there. Choose another folder.",
    errno.EACCES: "you may not write there. Choose another folder.",
    errno.EPERM: "you may not write there. Choose another folder.",
    errno.EROFS: "the folder is read-only. Choose another folder.",
    errno.ENOENT: "the folder does not exist. Choose another folder.",
    errno.ENOTDIR: "that is not a folder. Choose another folder.",
    errno.EISDIR: "a folder of that name is there. Choose another name.",
}


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a crash leaves the old one or the new one, never half of it.

    Raises
    ------
    StorageError
        The file cannot be written; an older file of that name is as it was.
    """
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(permissions())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def cannot_write(path: Path, error: OSError) -> StorageError:
    """Say that a file cannot be written, why, and what to do."""
    reason = _REASONS.get(error.errno or 0, f"{error.strerror}. Choose another folder.")
    return StorageError(f"{path} cannot be written: {reason}", repr(error))


def permissions() -> int:
    """Permissions of a new file, as the user's mask allows."""
    return 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def sync_folder(folder: Path) -> None:
    """Bring a folder's new names to the disk."""
    if os.name == "nt":  # a folder cannot be opened there; the rename is journalled by NTFS
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
