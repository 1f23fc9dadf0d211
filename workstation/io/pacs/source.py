"""A place to search, to retrieve from and to send to, whatever it speaks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Protocol

from workstation.io.pacs import find as finding
from workstation.io.pacs import retrieve as retrieving
from workstation.io.pacs import send as sending
from workstation.io.pacs.find import LIMIT, Found
from workstation.io.pacs.ledger import Ledger
from workstation.io.pacs.outgoing import Sent
from workstation.io.pacs.peer import Local, Peer
from workstation.io.pacs.query import Answer, Query
from workstation.io.pacs.receiver import Receiver
from workstation.io.pacs.retrieval import Progress, Retrieval, SeriesKey

Receiving = Callable[[], AbstractContextManager[Receiver]]


class Source(Protocol):
    """What all peers can do; each call raises a NetworkError with a sentence."""

    @property
    def name(self) -> str:
        """What the reader calls it."""

    @property
    def shown(self) -> str:
        """How messages name it."""

    def echo(self, cancelled: Event) -> float:
        """Ask whether it is there; returns the seconds that the answer took."""

    def find(
        self,
        query: Query,
        cancelled: Event,
        *,
        limit: int = LIMIT,
        told: Callable[[Answer], None] | None = None,
    ) -> Found:
        """Look for studies, series or images."""

    def series_of(self, study_uid: str, cancelled: Event) -> tuple[SeriesKey, ...]:
        """Ask for the series of a study."""

    def retrieve(
        self,
        keys: Sequence[SeriesKey],
        folder: Path,
        cancelled: Event,
        told: Callable[[Progress], None] | None = None,
    ) -> tuple[Retrieval, ...]:
        """Bring series into a folder, as :func:`workstation.io.pacs.retrieve.bring`."""

    def send(
        self,
        paths: Sequence[Path],
        cancelled: Event,
        told: Callable[[int, int], None] | None = None,
        books: Path | None = None,
    ) -> Sent:
        """Send files; with a folder of ``books`` an interrupted sending goes on."""


@dataclass(frozen=True)
class DimseSource:
    """A DICOM node; ``receiving`` opens the receiver that C-MOVE needs."""

    local: Local
    peer: Peer
    receiving: Receiving | None = None

    @property
    def name(self) -> str:
        """What the reader calls it."""
        return self.peer.name

    @property
    def shown(self) -> str:
        """How messages name it."""
        return self.peer.shown

    def echo(self, cancelled: Event) -> float:
        """Ask by C-ECHO whether it is there; returns the seconds that the answer took."""
        return finding.echo(self.local, self.peer, cancelled)

    def find(
        self,
        query: Query,
        cancelled: Event,
        *,
        limit: int = LIMIT,
        told: Callable[[Answer], None] | None = None,
    ) -> Found:
        """Look by C-FIND."""
        return finding.find(self.local, self.peer, query, cancelled, limit=limit, told=told)

    def series_of(self, study_uid: str, cancelled: Event) -> tuple[SeriesKey, ...]:
        """Ask for the series of a study."""
        return retrieving.series_of(self.local, self.peer, study_uid, cancelled)

    def retrieve(
        self,
        keys: Sequence[SeriesKey],
        folder: Path,
        cancelled: Event,
        told: Callable[[Progress], None] | None = None,
    ) -> tuple[Retrieval, ...]:
        """Bring series by C-GET, or by C-MOVE and a receiver that runs meanwhile."""
        with self._receiver() as receiver:
            return retrieving.retrieve(
                self.local, self.peer, keys, folder, cancelled, told=told, receiver=receiver
            )

    def send(
        self,
        paths: Sequence[Path],
        cancelled: Event,
        told: Callable[[int, int], None] | None = None,
        books: Path | None = None,
    ) -> Sent:
        """Send by C-STORE."""
        address = f"{self.peer.ae_title}@{self.peer.host}:{self.peer.port}"
        ledger = Ledger(books, address, paths)
        return sending.send(self.local, self.peer, paths, cancelled, told, ledger=ledger)

    def _receiver(self) -> AbstractContextManager[Receiver | None]:
        if self.peer.retrieve == "move" and self.receiving is not None:
            return self.receiving()
        return nullcontext()
