"""One request for instances of a series, by C-GET or C-MOVE."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from workstation.core.errors import NetworkError, PeerRefusedError, StorageError
from workstation.io.pacs.contexts import GET, MOVE, retrieval_contexts
from workstation.io.pacs.link import associate, lost, provider
from workstation.io.pacs.peer import Local, Peer
from workstation.io.pacs.query import identifier
from workstation.io.pacs.store import Incoming, InstanceStore, Stored, read_identity
from workstation.io.pacs.wire import take_file

if TYPE_CHECKING:
    from workstation.io.pacs.receiver import Receiver

SUCCESS, NO_ROOM, NOT_OURS, NOT_UNDERSTOOD = 0x0000, 0xA700, 0xA900, 0xC000
_PENDING = (0xFF00, 0xFF01)
_NO_SUCH_DESTINATION = 0xA801
_MOVED_GRACE = 3.0


@dataclass(frozen=True)
class Part:
    """Instances to bring; ``sop_uids`` empty means the whole series."""

    study_uid: str
    series_uid: str
    sop_uids: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def as_dataset(self) -> Dataset:
        """Write as an identifier."""
        values: dict[str, str | list[str]] = {
            "QueryRetrieveLevel": "IMAGE" if self.sop_uids else "SERIES",
            "StudyInstanceUID": self.study_uid,
            "SeriesInstanceUID": self.series_uid,
        }
        if self.sop_uids:
            values["SOPInstanceUID"] = list(self.sop_uids)
        return identifier(values)


@dataclass
class Tally:
    """What the peer said of one request."""

    status: int = 0
    reported: int | None = None
    completed: int = 0
    failed: tuple[str, ...] = ()

    def note(self, status: Dataset, found: Dataset | None) -> None:
        """Note one response."""
        self.status = int(status.Status)
        done, bad, warned, left = (
            int(status.get(f"NumberOf{kind}Suboperations") or 0)
            for kind in ("Completed", "Failed", "Warning", "Remaining")
        )
        if done + bad + warned + left:
            self.reported, self.completed = done + bad + warned + left, done + warned
        if found is not None:
            value = found.get("FailedSOPInstanceUIDList") or ()
            self.failed = (value,) if isinstance(value, str) else tuple(str(one) for one in value)


@dataclass
class Basket:
    """Puts what arrives into the store, where it was asked for."""

    part: Part
    store: InstanceStore
    told: Callable[[Stored], None]
    arrived: dict[str, Path] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def on_store(self, event: evt.Event) -> int:
        """Answer a C-STORE of a C-GET."""
        incoming = take_file(event.request)
        return NOT_UNDERSTOOD if incoming is None else self.take(incoming)

    def take(self, incoming: Incoming) -> int:
        """Store what has arrived whole, or refuse it; returns the status of a C-STORE."""
        identity = read_identity(incoming.path) if not incoming.fault else ("", "")
        try:
            if not incoming.fault and not self.wants(incoming.sop_uid, identity):
                self.refused[incoming.sop_uid] = "the peer sent what was not asked for"
                return NOT_OURS
            self._note(self.store.commit(incoming, identity))
        except StorageError as error:
            self.refused[incoming.sop_uid] = error.details
            return NO_ROOM
        finally:
            incoming.discard()
        return SUCCESS

    def on_received(self, stored: Stored) -> bool:
        """Take what a receiver got; False where it is not ours."""
        if not self.wants(stored.sop_uid, (stored.study_uid, stored.series_uid)):
            return False
        try:
            self._note(self.store.adopt(stored))
        except StorageError as error:
            self.refused[stored.sop_uid] = error.details
        return True

    def wants(self, sop_uid: str, identity: tuple[str, str]) -> bool:
        """Whether an instance belongs to what was asked for."""
        mine = identity == (self.part.study_uid, self.part.series_uid)
        return mine and (not self.part.sop_uids or sop_uid in self.part.sop_uids)

    def wait_for(self, count: int, seconds: float) -> None:
        """Wait until so many have arrived."""
        with self.changed:
            self.changed.wait_for(lambda: len(self.arrived) >= count, seconds)

    def _note(self, stored: Stored) -> None:
        with self.changed:
            self.arrived[stored.sop_uid] = stored.path
            self.changed.notify_all()
        self.told(stored)


def get(local: Local, peer: Peer, basket: Basket, cancelled: Event) -> Tally:
    """Bring a part by C-GET.

    What the peer could not send is asked for once more in other words: DCMTK's dcmqrscp sends
    compressed images only over the first context of their class.

    Raises
    ------
    NetworkError
        Where the peer refuses or the link breaks; what arrived before is kept.
    """
    tally = _get_once(local, peer, basket, cancelled, together=False)
    left = tuple(
        uid for uid in tally.failed if uid not in basket.arrived and uid not in basket.refused
    )
    if not left or cancelled.is_set():
        return tally
    rest = replace(basket, part=replace(basket.part, sop_uids=left))
    again = _get_once(local, peer, rest, cancelled, together=True)
    return replace(tally, failed=again.failed, completed=tally.completed + again.completed)


def _get_once(
    local: Local, peer: Peer, basket: Basket, cancelled: Event, *, together: bool
) -> Tally:
    contexts, roles = retrieval_contexts(GET, basket.part.classes, together=together)
    with associate(
        local, peer, contexts, cancelled=cancelled, opener=basket.store.incoming,
        on_store=basket.on_store, roles=roles,
    ) as assoc:  # fmt: skip
        provider(assoc).tell_cancel = lambda: assoc.send_c_cancel(1, None, GET)
        return _follow(peer, assoc, assoc.send_c_get(basket.part.as_dataset(), GET))


def move(local: Local, peer: Peer, basket: Basket, cancelled: Event, receiver: Receiver) -> Tally:
    """Let a peer send a part to the receiver.

    Raises
    ------
    NetworkError
        Where the peer refuses or the link breaks; what arrived before is kept.
    """
    with (
        associate(local, peer, [build_context(MOVE)], cancelled=cancelled) as assoc,
        receiver.listening(lambda stored: _taken(basket, stored, assoc)),
    ):
        provider(assoc).tell_cancel = lambda: assoc.send_c_cancel(1, None, MOVE)
        title = receiver.options.ae_title
        answers = assoc.send_c_move(basket.part.as_dataset(), title, MOVE)
        tally = _follow(peer, assoc, answers)
        basket.wait_for(tally.completed, _MOVED_GRACE)
        return tally


def _taken(basket: Basket, stored: Stored, assoc: Association) -> bool:
    provider(assoc).hear()
    return basket.on_received(stored)


def _follow(peer: Peer, assoc: Association, answers: Iterator[tuple[Dataset, Any]]) -> Tally:
    tally, ended = Tally(), False
    for status, found in answers:
        if "Status" in status:
            tally.note(status, found)
            ended = tally.status not in _PENDING
    if not ended:
        raise lost(peer, assoc)
    if tally.status == _NO_SUCH_DESTINATION:
        raise PeerRefusedError(
            f"The peer {peer.shown} does not know where to send: enter this program's AE title, "
            "host and port there."
        )
    if (
        tally.reported is None
        and tally.status & 0xF000 in {0xA000, 0xC000, 0x0000}
        and tally.status
    ):
        raise NetworkError(f"The peer {peer.shown} could not send (status {tally.status:04X}).")
    return tally
