"""C-STORE: files to a peer, unchanged where it takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom.association import Association

from workstation.core.errors import CancelledError, InputError
from workstation.io.header import DAMAGE
from workstation.io.pacs.contexts import LIMIT, sending_contexts
from workstation.io.pacs.link import associate, lost
from workstation.io.pacs.peer import Local, Peer

_WARNINGS = 0xB000


@dataclass(frozen=True)
class Unsent:
    """A file that the peer did not take."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Sent:
    """What a peer took and what not."""

    taken: tuple[Path, ...]
    refused: tuple[Unsent, ...]


@dataclass(frozen=True)
class _File:
    path: Path
    sop_class: str
    syntax: str


def send(
    local: Local,
    peer: Peer,
    paths: Sequence[Path],
    cancelled: Event,
    told: Callable[[int, int], None] | None = None,
) -> Sent:
    """Send files.

    Raises
    ------
    CancelledError
        Where ``cancelled`` was set.
    NetworkError
        Where the peer cannot be reached or the link breaks.
    """
    taken: list[Path] = []
    refused: list[Unsent] = []
    files = [file for path in paths if (file := _read(path, refused)) is not None]
    if not files:
        return Sent((), tuple(refused))
    pairs = sorted({(file.sop_class, file.syntax) for file in files})
    if len(pairs) > LIMIT // 2:
        raise InputError("The files are of too many kinds; send them in smaller groups.")
    with associate(local, peer, sending_contexts(pairs), cancelled=cancelled) as assoc:
        for file in files:
            if cancelled.is_set():
                raise CancelledError("Sending was cancelled.")
            if reason := _send_one(peer, assoc, file):
                refused.append(Unsent(file.path, reason))
            else:
                taken.append(file.path)
            if told is not None:
                told(len(taken) + len(refused), len(paths))
    return Sent(tuple(taken), tuple(refused))


def _read(path: Path, refused: list[Unsent]) -> _File | None:
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
        file = _File(path, str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID))
        if not meta.MediaStorageSOPInstanceUID:
            raise AttributeError(path.name)
    except (*DAMAGE, InvalidDicomError):
        refused.append(Unsent(path, "it is not a DICOM file that names its instance"))
        return None
    return file


def _send_one(peer: Peer, assoc: Association, file: _File) -> str:
    """Send one file; returns why it was refused, or nothing."""
    accepted = {
        (str(one.abstract_syntax), str(one.transfer_syntax[0])) for one in assoc.accepted_contexts
    }
    try:
        if (file.sop_class, file.syntax) in accepted:
            status = assoc.send_c_store(file.path).get("Status")
        elif (
            file.sop_class, ImplicitVRLittleEndian
        ) in accepted and not UID(file.syntax).is_encapsulated:  # fmt: skip
            status = assoc.send_c_store(pydicom.dcmread(file.path)).get("Status")
        else:
            kind, syntax = UID(file.sop_class).name, UID(file.syntax).name
            return f"the peer does not take {kind} as {syntax}"
    except DAMAGE:
        return "the file is damaged"
    if status is None:
        raise lost(peer, assoc)
    return "" if status == 0 or status & 0xF000 == _WARNINGS else f"status {status:04X}"
