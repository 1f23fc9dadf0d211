"""Retrieval of series: in parallel, tried again, and only for what is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

from workstation.core.errors import CancelledError, InputError, NetworkError, PeerRefusedError
from workstation.io.pacs.fetch import Basket, Part, Tally, get, move
from workstation.io.pacs.find import find
from workstation.io.pacs.peer import Local, Peer
from workstation.io.pacs.query import Query
from workstation.io.pacs.receiver import Receiver
from workstation.io.pacs.store import InstanceStore, Stored

_MOST = 100_000


@dataclass(frozen=True)
class SeriesKey:
    """Which series."""

    study_uid: str
    series_uid: str


@dataclass(frozen=True)
class Progress:
    """How many instances of a series are here, and of how many."""

    key: SeriesKey
    arrived: int
    reported: int | None


@dataclass(frozen=True)
class Failed:
    """An instance that did not come."""

    sop_uid: str
    reason: str


@dataclass(frozen=True)
class Retrieval:
    """What became of one series.

    Parameters
    ----------
    reported : int or None
        How many instances the peer says there are; None where it does not say.
    arrived : tuple of Path
        Complete files, those of an earlier attempt among them.
    missing : tuple of Failed
        What is known not to have come, and why.
    fault : str
        The last trouble with the peer, as a sentence.
    """

    key: SeriesKey
    folder: Path
    reported: int | None
    arrived: tuple[Path, ...]
    missing: tuple[Failed, ...] = ()
    attempts: int = 0
    fault: str = ""

    @property
    def complete(self) -> bool:
        """Whether everything that the peer reported is here."""
        return not self.missing and self.reported is not None and (
            len(self.arrived) >= self.reported
        )  # fmt: skip


@dataclass(frozen=True)
class Patience:
    """How often a request without any success is repeated, and after how many seconds."""

    attempts: int = 4
    pause: float = 1.0
    part: int = 64


def retrieve(
    local: Local,
    peer: Peer,
    keys: Sequence[SeriesKey],
    folder: Path,
    cancelled: Event,
    *,
    told: Callable[[Progress], None] | None = None,
    receiver: Receiver | None = None,
    patience: Patience | None = None,
) -> tuple[Retrieval, ...]:
    """Bring series into a folder; what is there already is not asked for again.

    A series that stays incomplete is told by :attr:`Retrieval.complete`, not raised.

    Raises
    ------
    CancelledError
        Where ``cancelled`` was set; what arrived is kept, a later call goes on.
    NetworkError
        Where the peer cannot even be asked what there is.
    """
    if peer.retrieve == "move" and receiver is None:
        raise InputError(f"The peer {peer.shown} sends by C-MOVE, which needs a receiver.")
    run = _Run(
        local, peer, store=InstanceStore(folder), cancelled=cancelled, told=told,
        receiver=receiver, patience=patience,
    )  # fmt: skip
    wants = [run.plan(key) for key in keys]
    work = [(want, part) for want in wants for part in run.parts(want)]
    with ThreadPoolExecutor(peer.associations, "pacs") as pool:
        list(pool.map(lambda one: run.bring(*one), work))
    if cancelled.is_set():
        raise CancelledError("The retrieval was cancelled. What arrived is kept.")
    return tuple(run.result(want) for want in wants)


def series_of(local: Local, peer: Peer, study_uid: str, cancelled: Event) -> tuple[SeriesKey, ...]:
    """Ask for the series of a study."""
    found = find(local, peer, Query("series", study_uid=study_uid), cancelled, limit=_MOST)
    return tuple(SeriesKey(study_uid, one.series_uid) for one in found.answers if one.series_uid)


@dataclass
class _Want:
    """One series on its way."""

    key: SeriesKey
    sop_uids: tuple[str, ...]
    classes: tuple[str, ...]
    here: dict[str, Path]
    reported: int | None
    failed: dict[str, str] = field(default_factory=dict)
    fault: str = ""
    attempts: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


class _Run:
    def __init__(
        self,
        local: Local,
        peer: Peer,
        *,
        store: InstanceStore,
        cancelled: Event,
        told: Callable[[Progress], None] | None,
        receiver: Receiver | None,
        patience: Patience | None,
    ) -> None:
        self._local, self._peer, self._store = local, peer, store
        self._cancelled, self._told, self._receiver = cancelled, told, receiver
        self._patience = patience or Patience()

    def plan(self, key: SeriesKey) -> _Want:
        """Ask which instances there are, and see which are here."""
        query = Query("image", study_uid=key.study_uid, series_uid=key.series_uid)
        try:
            found = find(self._local, self._peer, query, self._cancelled, limit=_MOST).answers
        except PeerRefusedError:
            found = ()  # some peers answer no questions about single images
        uids = tuple(dict.fromkeys(one.sop_uid for one in found if one.sop_uid))
        classes = tuple({one.sop_class for one in found if one.sop_class})
        paths = {uid: self._store.path(key.study_uid, key.series_uid, uid) for uid in uids}
        here = {uid: path for uid, path in paths.items() if path.exists()}
        return _Want(key, uids, classes, here, len(uids) or None)

    def parts(self, want: _Want) -> list[Part]:
        """Split what is missing, so that all associations have work."""
        if not want.sop_uids:
            return [self._part(want, ())]
        missing = [uid for uid in want.sop_uids if uid not in want.here]
        fair = -(-len(missing) // self._peer.associations)
        size = max(1, min(fair, self._patience.part))
        return [
            self._part(want, tuple(missing[start : start + size]))
            for start in range(0, len(missing), size)
        ]

    def bring(self, want: _Want, part: Part) -> None:
        """Ask for a part until it is here, or asking brings nothing any more."""
        idle = 0
        while not self._cancelled.is_set():
            before = len(want.here)
            try:
                self._ask(want, part)
                fault = ""
            except PeerRefusedError as error:
                want.fault = error.message
                return
            except NetworkError as error:
                fault = want.fault = error.message
            left = tuple(uid for uid in part.sop_uids if uid not in want.here)
            if not left and not fault:
                return
            if part.sop_uids:
                part = self._part(want, left)
                if not left:
                    return
            idle = 0 if len(want.here) > before else idle + 1
            if idle >= self._patience.attempts or (idle and not fault):
                return
            self._cancelled.wait(self._patience.pause * 2 ** max(idle - 1, 0))

    def result(self, want: _Want) -> Retrieval:
        """Sum up."""
        reasons = dict.fromkeys(want.sop_uids, "it did not arrive") | want.failed
        missing = {uid: why for uid, why in reasons.items() if uid not in want.here}
        key = want.key
        return Retrieval(
            key,
            self._store.series_folder(key.study_uid, key.series_uid),
            want.reported,
            tuple(sorted(want.here.values())),
            tuple(Failed(uid, why) for uid, why in missing.items()),
            want.attempts,
            want.fault if missing or not want.sop_uids else "",
        )

    def _part(self, want: _Want, uids: tuple[str, ...]) -> Part:
        return Part(want.key.study_uid, want.key.series_uid, uids, want.classes)

    def _ask(self, want: _Want, part: Part) -> None:
        basket = Basket(part, self._store, lambda stored: self._note(want, stored))
        with want.lock:
            want.attempts += 1
        try:
            tally = self._transfer(basket)
            with want.lock:
                want.failed |= dict.fromkeys(tally.failed, "the peer could not send it")
                if not part.sop_uids:
                    want.reported = tally.reported
        finally:
            with want.lock:
                want.failed |= basket.refused

    def _transfer(self, basket: Basket) -> Tally:
        if self._peer.retrieve == "move" and self._receiver is not None:
            return move(self._local, self._peer, basket, self._cancelled, self._receiver)
        return get(self._local, self._peer, basket, self._cancelled)

    def _note(self, want: _Want, stored: Stored) -> None:
        with want.lock:
            want.here[stored.sop_uid] = stored.path
            progress = Progress(want.key, len(want.here), want.reported)
        if self._told is not None:
            self._told(progress)
