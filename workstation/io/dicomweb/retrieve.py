"""WADO-RS: series image by image, each as it is stored, and only those that are missing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import FileDataset
from pynetdicom.dsutils import encode

from workstation.core.errors import CancelledError, NetworkError, PeerRefusedError
from workstation.io.dicomweb.search import search
from workstation.io.dicomweb.session import Session
from workstation.io.pacs.contexts import STORAGE
from workstation.io.pacs.fetch import Basket, Tally
from workstation.io.pacs.patience import Patience
from workstation.io.pacs.query import Answer, Query
from workstation.io.pacs.retrieval import Progress, Retrieval, SeriesKey, keys_of
from workstation.io.pacs.retrieve import bring
from workstation.io.pacs.store import Incoming, InstanceStore

_MOST = 100_000
# As it is stored: nothing is decoded, compressed again or lost on the way.
_ORIGINAL = (("application/dicom", "*"),)


@dataclass(frozen=True)
class _Web:
    session: Session

    @property
    def parallel(self) -> int:
        return self.session.peer.connections

    def listed(self, key: SeriesKey) -> Sequence[Answer]:
        query = Query("image", study_uid=key.study_uid, series_uid=key.series_uid)
        return search(self.session, query, limit=_MOST).answers

    def carry(self, basket: Basket) -> Tally:
        part = basket.part
        for uid in part.sop_uids:
            if self.session.cancelled.is_set():
                raise CancelledError("The retrieval was cancelled.")
            try:
                with self.session.asking() as client:
                    dataset = client.retrieve_instance(
                        part.study_uid, part.series_uid, uid, media_types=_ORIGINAL
                    )
                    incoming = _as_file(dataset, basket.store)
            except PeerRefusedError as error:
                basket.refused[uid] = error.message
            else:
                basket.take(incoming)
        return Tally()


def retrieve(
    session: Session,
    keys: Sequence[SeriesKey],
    folder: Path,
    *,
    told: Callable[[Progress], None] | None = None,
    patience: Patience | None = None,
) -> tuple[Retrieval, ...]:
    """Bring series into a folder; see :func:`workstation.io.pacs.retrieve.bring`."""
    carrier = _Web(session)
    return bring(carrier, keys, folder, session.cancelled, told=told, patience=patience)


def series_of(session: Session, study_uid: str) -> tuple[SeriesKey, ...]:
    """Ask for the series of a study.

    Raises
    ------
    NetworkError
        Where the peer cannot or does not answer.
    """
    found = search(session, Query("series", study_uid=study_uid), limit=_MOST)
    return keys_of(study_uid, found.answers)


def _as_file(dataset: FileDataset, store: InstanceStore) -> Incoming:
    """Write what came below a header of our own; names come from hashes of the identifiers."""
    syntax = dataset.file_meta.TransferSyntaxUID
    sop_class = str(dataset.SOPClassUID)
    if sop_class not in STORAGE or not syntax.is_transfer_syntax:
        raise PeerRefusedError("it is not an image or document of a known kind")
    body = encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian)
    if body is None:
        raise NetworkError("the peer sent an image that is damaged")
    incoming = store.incoming(sop_class, str(dataset.SOPInstanceUID), str(syntax))
    try:
        incoming.write(body)
    except OSError as error:
        raise PeerRefusedError(f"{error}") from None
    return incoming
