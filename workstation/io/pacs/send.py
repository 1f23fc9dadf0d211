"""C-STORE: files to a peer, unchanged where it takes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom.association import Association

from workstation.core.errors import InputError
from workstation.io.header import DAMAGE
from workstation.io.pacs.contexts import LIMIT, sending_contexts
from workstation.io.pacs.ledger import Ledger
from workstation.io.pacs.link import associate, lost
from workstation.io.pacs.outgoing import NOT_DICOM, Outgoing, Sent, Told
from workstation.io.pacs.patience import Patience
from workstation.io.pacs.peer import Local, Peer

_WARNINGS = 0xB000


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
    told: Told | None = None,
    *,
    ledger: Ledger | None = None,
    patience: Patience | None = None,
) -> Sent:
    """Send files; where the link breaks, go on with those that were not taken.

    Raises
    ------
    CancelledError
        Where ``cancelled`` was set.
    NetworkError
        Where the peer cannot be reached or the link breaks, again and again.
    """
    outgoing = Outgoing(paths, cancelled, told, ledger)
    files = {path: file for path in outgoing.left if (file := _read(path, outgoing)) is not None}
    pairs = sorted({(file.sop_class, file.syntax) for file in files.values()})
    if len(pairs) > LIMIT // 2:
        raise InputError("The files are of too many kinds; send them in smaller groups.")

    def once() -> None:
        with associate(local, peer, sending_contexts(pairs), cancelled=cancelled) as assoc:
            outgoing.each(lambda path: _send_one(peer, assoc, files[path]))

    return outgoing.run(once, patience or Patience())


def _read(path: Path, outgoing: Outgoing) -> _File | None:
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
        file = _File(path, str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID))
        if not meta.MediaStorageSOPInstanceUID:
            raise AttributeError(path.name)
    except (*DAMAGE, InvalidDicomError):
        outgoing.refuse(path, NOT_DICOM)
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
