"""Retrieval of series: in parallel, tried again, and only for what is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Protocol

from workstation.core.errors import CancelledError, InputError, NetworkError, PeerRefusedError
from workstation.io.incomplete import Incomplete
from workstation.io.pacs.fetch import Basket, Part, Tally, get, move
from workstation.io.pacs.find import find
from workstation.io.pacs.patience import Patience
from workstation.io.pacs.peer import Local, Peer
from workstation.io.pacs.query import Answer, Query
from workstation.io.pacs.receiver import Receiver
from workstation.io.pacs.retrieval import Failed, Progress, Retrieval, SeriesKey, keys_of
from workstation.io.pacs.store import InstanceStore, Stored

_MOST = 100_000


class Carrier(Protocol):
    """How images are listed and brought: by DIMSE or by DICOMweb."""

    @property
    def parallel(self) -> int:
        """How many parts at a time."""

    def listed(self, key: SeriesKey) -> Sequence[Answer]:
        """List the images of a series; none where the peer lists no single images."""

    def carry(self, basket: Basket) -> Tally:
        """Bring a part, as far as it goes; raises NetworkError where the link breaks."""


@dataclass(frozen=True)
class _Dimse:
    """Brings by C-GET or C-MOVE."""

    local: Local
    peer: Peer
    cancelled: Event
    receiver: Receiver | None

    @property
    def parallel(self) -> int:
        return self.peer.associations

    def listed(self, key: SeriesKey) -> Sequence[Answer]:
        query = Query("image", study_uid=key.study_uid, series_uid=key.series_uid)
        try:
            return find(self.local, self.peer, query, self.cancelled, limit=_MOST).answers
        except PeerRefusedError:
            return ()  # some peers answer no questions about single images

    def carry(self, basket: Basket) -> Tally:
        if self.peer.retrieve == "move" and self.receiver is not None:
            return move(self.local, self.peer, basket, self.cancelled, self.receiver)
        return get(self.local, self.peer, basket, self.cancelled)


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
    """Bring series into a folder by DIMSE; what is there already is not asked for again.

    See :func:`bring` for what is raised.
    """
    if peer.retrieve == "move" and receiver is None:
        raise InputError(f"The peer {peer.shown} sends by C-MOVE, which needs a receiver.")
    carrier = _Dimse(local, peer, cancelled, receiver)
    return bring(carrier, keys, folder, cancelled, told=told, patience=patience)


def bring(
    carrier: Carrier,
    keys: Sequence[SeriesKey],
    folder: Path,
    cancelled: Event,
    *,
    told: Callable[[Progress], None] | None = None,
    patience: Patience | None = None,
) -> tuple[Retrieval, ...]:
    """Bring series into a folder; what is there already is not asked for again.

    A series that stays incomplete is told by :attr:`Retrieval.complete`, not raised, and its
    folder is marked until it is whole (:mod:`workstation.io.incomplete`).

    Raises
    ------
    CancelledError
        Where ``cancelled`` was set; what arrived is kept, a later call goes on.
    NetworkError
        Where the peer cannot even be asked what there is.
    """
    run = _Run(carrier, InstanceStore(folder), cancelled, told, patience or Patience())
    wants = [run.plan(key) for key in keys]
    work = [(want, part) for want in wants for part in run.parts(want)]
    with ThreadPoolExecutor(carrier.parallel, "pacs") as pool:
        list(pool.map(lambda one: run.bring(*one), work))
    results = tuple(run.result(want) for want in wants)
    if cancelled.is_set():
        raise CancelledError("The retrieval was cancelled. What arrived is kept.")
    return results


def series_of(local: Local, peer: Peer, study_uid: str, cancelled: Event) -> tuple[SeriesKey, ...]:
    """Ask for the series of a study."""
    found = find(local, peer, Query("series", study_uid=study_uid), cancelled, limit=_MOST)
    return keys_of(study_uid, found.answers)


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
        carrier: Carrier,
        store: InstanceStore,
        cancelled: Event,
        told: Callable[[Progress], None] | None,
        patience: Patience,
    ) -> None:
        self._carrier, self._store = carrier, store
        self._cancelled, self._told, self._patience = cancelled, told, patience

    def plan(self, key: SeriesKey) -> _Want:
        """Ask which instances there are, see which are here, and mark the folder as a part."""
        found = self._carrier.listed(key)
        uids = tuple(dict.fromkeys(one.sop_uid for one in found if one.sop_uid))
        classes = tuple({one.sop_class for one in found if one.sop_class})
        paths = {uid: self._store.path(key.study_uid, key.series_uid, uid) for uid in uids}
        here = {uid: path for uid, path in paths.items() if path.exists()}
        want = _Want(key, uids, classes, here, max(len(uids), key.count or 0) or None)
        self._store.note(key.study_uid, key.series_uid, Incomplete(len(here), want.reported))
        return want

    def parts(self, want: _Want) -> list[Part]:
        """Split what is missing, so that all associations have work."""
        if not want.sop_uids:
            return [self._part(want, ())]
        missing = [uid for uid in want.sop_uids if uid not in want.here]
        fair = -(-len(missing) // self._carrier.parallel)
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
                fault = self._ask(want, part)
            except (PeerRefusedError, CancelledError) as error:
                want.fault = error.message
                return
            left = tuple(uid for uid in part.sop_uids if uid not in want.here)
            if not left and (part.sop_uids or not fault):
                return
            if left:
                part = self._part(want, left)
            idle = 0 if len(want.here) > before else idle + 1
            if idle >= self._patience.attempts or (idle and not fault):
                return
            self._cancelled.wait(self._patience.pause * 2 ** max(idle - 1, 0))

    def result(self, want: _Want) -> Retrieval:
        """Sum up."""
        reasons = dict.fromkeys(want.sop_uids, "it did not arrive") | want.failed
        missing = {uid: why for uid, why in reasons.items() if uid not in want.here}
        key = want.key
        done = Retrieval(
            key,
            self._store.series_folder(key.study_uid, key.series_uid),
            want.reported,
            tuple(sorted(want.here.values())),
            tuple(Failed(uid, why) for uid, why in missing.items()),
            want.attempts,
            want.fault if missing or not want.sop_uids else "",
        )
        part = None if done.complete else Incomplete(len(want.here), want.reported)
        self._store.note(key.study_uid, key.series_uid, part)
        return done

    def _part(self, want: _Want, uids: tuple[str, ...]) -> Part:
        return Part(want.key.study_uid, want.key.series_uid, uids, want.classes)

    def _ask(self, want: _Want, part: Part) -> str:
        """Ask once; returns why the link broke, or nothing."""
        basket = Basket(part, self._store, lambda stored: self._note(want, stored))
        with want.lock:
            want.attempts += 1
        try:
            tally = self._carrier.carry(basket)
        except PeerRefusedError:
            raise
        except NetworkError as error:
            want.fault = error.message
            return error.message
        finally:
            with want.lock:
                want.failed |= basket.refused
        with want.lock:
            want.failed |= dict.fromkeys(tally.failed, "the peer could not send it")
            if not part.sop_uids:
                want.reported = max(tally.reported or 0, want.key.count or 0) or None
        return ""

    def _note(self, want: _Want, stored: Stored) -> None:
        with want.lock:
            want.here[stored.sop_uid] = stored.path
            progress = Progress(want.key, len(want.here), want.reported)
        if self._told is not None:
            self._told(progress)
