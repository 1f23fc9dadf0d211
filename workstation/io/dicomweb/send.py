"""STOW-RS: files to a DICOMweb service, as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError

from workstation.core.errors import PeerRefusedError
from workstation.io.dicomweb.session import Session
from workstation.io.header import DAMAGE
from workstation.io.pacs.ledger import Ledger
from workstation.io.pacs.outgoing import NOT_DICOM, Outgoing, Sent, Told
from workstation.io.pacs.patience import Patience

_WARNING = 0xB000


def send(
    session: Session,
    paths: Sequence[Path],
    *,
    told: Told | None = None,
    ledger: Ledger | None = None,
    patience: Patience | None = None,
) -> Sent:
    """Send files, one in a request; see :func:`workstation.io.pacs.send.send`."""
    outgoing = Outgoing(paths, session.cancelled, told, ledger)

    def once() -> None:
        outgoing.each(lambda path: _send_one(session, path))

    return outgoing.run(once, patience or Patience())


def _send_one(session: Session, path: Path) -> str:
    """Send one file; returns why it was refused, or nothing."""
    dataset = _read(path)
    if dataset is None:
        return NOT_DICOM
    try:
        with session.asking() as client:
            told = client.store_instances([dataset])
    except PeerRefusedError as error:
        if error.details in {"HTTP 401", "HTTP 403", "HTTP 404"}:
            raise  # that is not about this file
        return error.message
    return _refusal(told, str(dataset.SOPInstanceUID))


def _read(path: Path) -> FileDataset | None:
    try:
        dataset = pydicom.dcmread(path)
        named = dataset.SOPInstanceUID and dataset.file_meta.TransferSyntaxUID
    except (*DAMAGE, InvalidDicomError):
        return None
    return dataset if named else None


def _refusal(told: Dataset, sop_uid: str) -> str:
    """Read from the answer whether the instance was taken; silence about it counts as taken."""
    for item in told.get("FailedSOPSequence") or ():
        if str(item.get("ReferencedSOPInstanceUID", sop_uid)) == sop_uid:
            status = int(item.get("FailureReason") or 0)
            if status & 0xF000 != _WARNING:
                return f"status {status:04X}"
    return ""
