"""C-ECHO and C-FIND."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Event

from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from workstation.core.errors import CancelledError, NetworkError, PeerRefusedError
from workstation.io.pacs.contexts import FIND, VERIFICATION
from workstation.io.pacs.link import associate, lost, provider
from workstation.io.pacs.peer import Local, Peer
from workstation.io.pacs.query import Answer, Query, read_answer

LIMIT = 500
_PENDING = (0xFF00, 0xFF01)
_ENDED = (0x0000, 0xFE00)
_AFTER_LIMIT = 2000


@dataclass(frozen=True)
class Found:
    """The matches; ``limited`` where there were more than were asked for."""

    answers: tuple[Answer, ...]
    limited: bool = False


def echo(local: Local, peer: Peer, cancelled: Event | None = None) -> float:
    """Ask whether a peer is there; returns the seconds that its answer took.

    Raises
    ------
    NetworkError
        Where it is not, or does not want to.
    """
    with associate(local, peer, [build_context(VERIFICATION)], cancelled=cancelled) as assoc:
        began = time.monotonic()
        status = assoc.send_c_echo().get("Status")
        if status is None:
            raise lost(peer, assoc)
        if status != 0:
            raise PeerRefusedError(f"The peer {peer.shown} answered with status {status:04X}.")
        return time.monotonic() - began


def find(
    local: Local,
    peer: Peer,
    query: Query,
    cancelled: Event | None = None,
    *,
    limit: int = LIMIT,
    told: Callable[[Answer], None] | None = None,
) -> Found:
    """Look for studies, series or images.

    Parameters
    ----------
    cancelled : Event or None
        Ends the search; the peer is told.
    limit : int
        After so many answers the peer is asked to stop.
    told : callable or None
        Called with each answer as it comes.

    Raises
    ------
    CancelledError
        Where ``cancelled`` was set.
    NetworkError
        Where the peer cannot or does not answer.
    """
    with associate(local, peer, [build_context(FIND)], cancelled=cancelled) as assoc:
        search = _Search(peer, assoc, limit, told)
        search.run(query)
        if cancelled is not None and cancelled.is_set():
            raise CancelledError("The search was cancelled.")
        if search.status is None and not search.limited:
            raise lost(peer, assoc)
        if search.status not in {*_ENDED, None}:
            raise PeerRefusedError(
                f"The peer {peer.shown} could not search (status {search.status:04X})."
            )
        return Found(tuple(search.answers), search.limited)


class _Search:
    def __init__(
        self,
        peer: Peer,
        assoc: Association,
        limit: int,
        told: Callable[[Answer], None] | None,
    ) -> None:
        self.answers: list[Answer] = []
        self.limited = False
        self.status: int | None = None
        self._peer, self._assoc, self._limit, self._told = peer, assoc, limit, told
        self._dropped = 0
        provider(assoc).tell_cancel = lambda: assoc.send_c_cancel(1, None, FIND)

    def run(self, query: Query) -> None:
        dataset = query.as_dataset(self._peer.charset)
        for status, found in self._assoc.send_c_find(dataset, FIND):
            self.status = status.get("Status")
            if self.status in _PENDING and found is not None:
                self._take(read_answer(found))

    def _take(self, answer: Answer) -> None:
        if not answer.study_uid:
            return
        if len(self.answers) < self._limit:
            self.answers.append(answer)
            if self._told is not None:
                self._told(answer)
            return
        self.limited = True
        provider(self._assoc).stop()
        self._dropped += 1
        if self._dropped > _AFTER_LIMIT:
            raise NetworkError(f"The peer {self._peer.shown} does not stop answering.")
