"""C-STORE: files to a peer, unchanged where it takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ImplicitVRLittleEndian
from pynetdicom.association import Association

from workstation.core.errors import CancelledError, InputError, NetworkError, PeerRefusedError
from workstation.io.header import DAMAGE
from workstation.io.pacs.contexts import LIMIT, sending_contexts
from workstation.io.pacs.ledger import Ledger
from workstation.io.pacs.link import associate, lost
from workstation.io.pacs.patience import Patience
from workstation.io.pacs.peer import Local, Peer

NOT_DICOM = "it is not a DICOM file that names its instance"
_WARNINGS = 0xB000


@dataclass(frozen=True)
class Unsent:
    """A file that the peer did not take."""

    path: Path
    reason: str


@dataclass
class Sent:
    """What a peer took and what not; ``earlier`` was taken in an attempt before this call."""

    taken: list[Path] = field(default_factory=list)
    refused: list[Unsent] = field(default_factory=list)
    earlier: list[Path] = field(default_factory=list)

    @classmethod
    def begun(cls, paths: Sequence[Path], ledger: Ledger) -> Sent:
        """Begin with what a ledger knows."""
        return cls(earlier=[path for path in paths if ledger.knows(path)])

    @property
    def done(self) -> int:
        """How many files need no more work."""
        return len(self.taken) + len(self.refused) + len(self.earlier)

    def left(self, paths: Sequence[Path]) -> list[Path]:
        """List what is still to be sent."""
        done = {*self.taken, *self.earlier, *(one.path for one in self.refused)}
        return [path for path in paths if path not in done]


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
    *,
    ledger: Ledger | None = None,
    patience: Patience | None = None,
) -> Sent:
    """Send files; where the link breaks, go on with those that were not taken.

    Parameters
    ----------
    told : callable or None
        Hears after each file how many are done, of how many.
    ledger : Ledger or None
        Lets a later call go on where this one was cancelled, killed or given up.

    Raises
    ------
    CancelledError
        Where ``cancelled`` was set.
    NetworkError
        Where the peer cannot be reached or the link breaks, again and again.
    """
    book = ledger or Ledger(None)
    sent = Sent.begun(paths, book)
    files = [file for path in sent.left(paths) if (file := _read(path, sent.refused)) is not None]
    pairs = sorted({(file.sop_class, file.syntax) for file in files})
    if len(pairs) > LIMIT // 2:
        raise InputError("The files are of too many kinds; send them in smaller groups.")

    def once() -> None:
        left = set(sent.left([file.path for file in files]))
        if not left:
            return
        with associate(local, peer, sending_contexts(pairs), cancelled=cancelled) as assoc:
            for file in [one for one in files if one.path in left]:
                if cancelled.is_set():
                    raise CancelledError("Sending was cancelled.")
                if reason := _send_one(peer, assoc, file):
                    sent.refused.append(Unsent(file.path, reason))
                else:
                    sent.taken.append(file.path)
                    book.note(file.path)
                if told is not None:
                    told(sent.done, len(paths))

    persist(once, sent, cancelled, patience or Patience())
    book.close(finished=not sent.refused)
    return sent


def persist(once: Callable[[], None], sent: Sent, cancelled: Event, patience: Patience) -> None:
    """Try until it goes through; give up after some attempts that brought nothing.

    Raises
    ------
    NetworkError
        That of the last attempt, or at once one that does not get better.
    """
    idle = 0
    while True:
        before = sent.done
        try:
            return once()
        except PeerRefusedError:
            raise
        except NetworkError:
            idle = 0 if sent.done > before else idle + 1
            if idle >= patience.attempts or cancelled.is_set():
                raise
        cancelled.wait(patience.pause * 2 ** max(idle - 1, 0))


def _read(path: Path, refused: list[Unsent]) -> _File | None:
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
        file = _File(path, str(meta.MediaStorageSOPClassUID), str(meta.TransferSyntaxUID))
        if not meta.MediaStorageSOPInstanceUID:
            raise AttributeError(path.name)
    except (*DAMAGE, InvalidDicomError):
        refused.append(Unsent(path, NOT_DICOM))
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
