"""Instances on disk: written whole or not at all, under names that no peer can choose."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import BinaryIO

import psutil
from pydicom.filereader import read_partial
from pydicom.filewriter import write_file_meta_info
from pydicom.tag import BaseTag
from pydicom.uid import UID
from pynetdicom.dsutils import create_file_meta

from workstation.core.errors import StorageError
from workstation.io.header import DAMAGE
from workstation.io.incomplete import Incomplete, mark, unmark

MAX_INSTANCE_BYTES = 8 * 2**30
_PREFIX, _SUFFIX = ".incoming-", ".part"
_IDENTITY_ENDS = 0x0020000E
_NUMBERS = count()


@dataclass(frozen=True)
class Stored:
    """An instance on disk; ``sha256`` is that of its file."""

    path: Path
    sop_class: str
    sop_uid: str
    study_uid: str
    series_uid: str
    size: int
    sha256: str


def short_hash(text: str, length: int = 32) -> str:
    """Derive a safe name from any text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:length]


class Incoming:
    """A file while it arrives: under a temporary name, hashed on the way, limited in size.

    A full disk does not raise here, in the middle of a message: it is kept as :attr:`fault`
    and what follows is thrown away, so that the peer can be answered.
    """

    def __init__(self, folder: Path, sop_class: str, sop_uid: str, syntax: str, limit: int) -> None:
        self.sop_class, self.sop_uid = sop_class, sop_uid
        self.fault = ""
        self.size = 0
        self._limit = limit
        self._hash = hashlib.sha256()
        self._stream: BinaryIO | None = None
        meta = _file_meta(sop_class, sop_uid, syntax)
        self.path = folder / f"{_PREFIX}{os.getpid()}-{next(_NUMBERS)}{_SUFFIX}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("xb", buffering=0)
        except OSError as error:
            self._fail(error)
        self.write(meta)

    @property
    def file(self) -> Incoming:
        """The object to flush, as the network library asks for it."""
        return self

    @property
    def sha256(self) -> str:
        """Hash of what was written."""
        return self._hash.hexdigest()

    def write(self, data: bytes) -> None:
        """Append a piece.

        Raises
        ------
        OSError
            Where it outgrows its limit: the connection must end.
        """
        self.size += len(data)
        if self.size > self._limit:
            self.discard()
            raise OSError("the instance is larger than may be received")
        if self._stream is None:
            return
        try:
            view = memoryview(data)
            while view:
                view = view[self._stream.write(view) :]
        except OSError as error:
            self._fail(error)
            return
        self._hash.update(data)

    def flush(self) -> None:
        """Do nothing; :meth:`finish` brings it to the disk."""

    def finish(self) -> None:
        """Bring it to the disk.

        Raises
        ------
        StorageError
            Where the disk is full or gone.
        """
        if self._stream is not None:
            try:
                os.fsync(self._stream.fileno())
                self._stream.close()
            except OSError as error:
                self._fail(error)
            self._stream = None
        if self.fault:
            raise StorageError("A received image could not be stored.", self.fault)

    def discard(self) -> None:
        """Throw it away."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self.path.unlink(missing_ok=True)

    def _fail(self, error: OSError) -> None:
        self.fault = error.strerror or type(error).__name__
        self.discard()


class InstanceStore:
    """A folder of received instances: study, series and instance, each by hash of its UID."""

    def __init__(self, folder: Path, limit: int = MAX_INSTANCE_BYTES) -> None:
        self.folder = folder
        self._limit = limit
        self._lock = threading.Lock()
        _sweep(folder)

    def series_folder(self, study_uid: str, series_uid: str) -> Path:
        """Where a series lies."""
        return self.folder / short_hash(study_uid, 16) / short_hash(series_uid, 16)

    def path(self, study_uid: str, series_uid: str, sop_uid: str) -> Path:
        """Where an instance lies once it is complete."""
        return self.series_folder(study_uid, series_uid) / f"{short_hash(sop_uid)}.dcm"

    def note(self, study_uid: str, series_uid: str, part: Incomplete | None) -> None:
        """Mark a series' folder as holding a part, or as whole for None."""
        folder = self.series_folder(study_uid, series_uid)
        if part is None:
            unmark(folder)
        else:
            mark(folder, part)

    def incoming(self, sop_class: str, sop_uid: str, syntax: str) -> Incoming:
        """Begin a file."""
        return Incoming(self.folder, sop_class, sop_uid, syntax, self._limit)

    def commit(self, incoming: Incoming, identity: tuple[str, str]) -> Stored:
        """Give a complete file its name.

        The same content twice is kept once; other content under the same UID is kept
        beside it. ``identity`` is what :func:`read_identity` found.
        """
        incoming.finish()
        target = self.path(*identity, incoming.sop_uid)
        size, content = incoming.path.stat().st_size, incoming.sha256
        stored = self._place(incoming.path, target, content)
        return Stored(stored, incoming.sop_class, incoming.sop_uid, *identity, size, content)

    def adopt(self, received: Stored) -> Stored:
        """Move an instance here that was stored elsewhere on the same disk."""
        target = self.path(received.study_uid, received.series_uid, received.sop_uid)
        path = self._place(received.path, target, received.sha256)
        return Stored(**{**vars(received), "path": path})

    def _place(self, source: Path, target: Path, content: str) -> Path:
        try:
            with self._lock:
                target.parent.mkdir(parents=True, exist_ok=True)
                if target.exists() and _content(target) != content:
                    target = target.with_stem(f"{target.stem}-{content[:16]}")
                source.replace(target)
        except OSError as error:
            source.unlink(missing_ok=True)
            raise StorageError("A received image could not be stored.", str(error)) from error
        return target


def read_identity(path: Path) -> tuple[str, str]:
    """Read StudyInstanceUID and SeriesInstanceUID, and nothing behind them; empty if absent."""

    def behind(tag: BaseTag, _vr: str | None, _length: int) -> bool:
        return bool(tag > _IDENTITY_ENDS)

    try:
        with path.open("rb") as stream:
            header = read_partial(stream, stop_when=behind)
            return str(header.get("StudyInstanceUID", "")), str(header.get("SeriesInstanceUID", ""))
    except DAMAGE:
        return "", ""


def _file_meta(sop_class: str, sop_uid: str, syntax: str) -> bytes:
    buffer = BytesIO()
    buffer.write(b"\0" * 128 + b"DICM")
    meta = create_file_meta(
        sop_class_uid=UID(sop_class), sop_instance_uid=UID(sop_uid), transfer_syntax=UID(syntax)
    )
    write_file_meta_info(buffer, meta)
    return buffer.getvalue()


def _content(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sweep(folder: Path) -> None:
    """Remove what processes that no longer run left half-written."""
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        process = path.name.removeprefix(_PREFIX).split("-")[0]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            path.unlink(missing_ok=True)
