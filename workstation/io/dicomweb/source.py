"""A DICOMweb service as a source like any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from workstation.io.dicomweb import retrieve as retrieving
from workstation.io.dicomweb import send as sending
from workstation.io.dicomweb.peer import WebPeer
from workstation.io.dicomweb.search import search
from workstation.io.dicomweb.session import Session, opened
from workstation.io.pacs.find import LIMIT, Found
from workstation.io.pacs.ledger import Ledger
from workstation.io.pacs.outgoing import Sent
from workstation.io.pacs.query import Answer, Query
from workstation.io.pacs.retrieval import Progress, Retrieval, SeriesKey


@dataclass(frozen=True)
class WebSource:
    """A DICOMweb service; ``secret`` is asked for at each use and kept nowhere."""

    peer: WebPeer
    secret: Callable[[], str]

    @property
    def name(self) -> str:
        """What the reader calls it."""
        return self.peer.name

    @property
    def shown(self) -> str:
        """How messages name it."""
        return self.peer.shown

    def echo(self, cancelled: Event) -> float:
        """Ask for one study; returns the seconds that the answer took."""
        with self._open(cancelled) as session:
            began = time.monotonic()
            search(session, Query(), limit=1)
            return time.monotonic() - began

    def find(
        self,
        query: Query,
        cancelled: Event,
        *,
        limit: int = LIMIT,
        told: Callable[[Answer], None] | None = None,
    ) -> Found:
        """Look by QIDO-RS."""
        with self._open(cancelled) as session:
            return search(session, query, limit=limit, told=told)

    def series_of(self, study_uid: str, cancelled: Event) -> tuple[SeriesKey, ...]:
        """Ask for the series of a study."""
        with self._open(cancelled) as session:
            return retrieving.series_of(session, study_uid)

    def retrieve(
        self,
        keys: Sequence[SeriesKey],
        folder: Path,
        cancelled: Event,
        told: Callable[[Progress], None] | None = None,
    ) -> tuple[Retrieval, ...]:
        """Bring series by WADO-RS."""
        with self._open(cancelled) as session:
            return retrieving.retrieve(session, keys, folder, told=told)

    def send(
        self,
        paths: Sequence[Path],
        cancelled: Event,
        told: Callable[[int, int], None] | None = None,
        books: Path | None = None,
    ) -> Sent:
        """Send by STOW-RS."""
        ledger = Ledger(books, self.peer.url, paths)
        with self._open(cancelled) as session:
            return sending.send(session, paths, told=told, ledger=ledger)

    def _open(self, cancelled: Event) -> AbstractContextManager[Session]:
        return opened(self.peer, self.secret(), cancelled)
