"""One association with a peer, opened with limits and closed whatever happens."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread
from typing import Any

from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext
from pynetdicom.transport import AddressInformation

from workstation.core.errors import (
    CancelledError,
    NetworkError,
    PeerRefusedError,
    PeerTimeoutError,
)
from workstation.io.pacs import quiet
from workstation.io.pacs.peer import MAX_PDU, Local, Peer
from workstation.io.pacs.tls import client_context
from workstation.io.pacs.wire import Opener, StreamProvider, WireSocket, cut, drop

__all__ = ["associate", "entity", "lost", "provider", "quiet"]

_WATCH_SECONDS = 0.1
_REFUSALS = {
    (1, 3): "it does not know this program's AE title {local}",
    (1, 7): "its AE title is not {called}",
    (2, 2): "it speaks another protocol version",
    (3, 1): "it is busy for the moment",
    (3, 2): "it has too many associations for the moment",
}


class _Entity(ApplicationEntity):
    """A requestor whose connections are :class:`WireSocket`; ``wire`` is the last of them."""

    def __init__(self, title: str, opener: Opener | None, cancelled: Event | None) -> None:
        super().__init__(title)
        self.wire: WireSocket | None = None
        self._opener, self._cancelled = opener, cancelled

    def _create_socket(
        self,
        assoc: Association,
        address: AddressInformation,
        tls_args: tuple[ssl.SSLContext, str] | None,
    ) -> WireSocket:
        assoc.dimse = StreamProvider(assoc, self._opener, self._cancelled)
        wire = WireSocket(assoc, address=address)
        wire.tls_args = tls_args
        self.wire = wire
        return wire

    @contextmanager
    def droppable(self) -> Iterator[None]:
        """Drop the connection once waiting is cancelled, while the library waits for the peer."""
        if self._cancelled is None:
            yield
            return
        done = Event()
        watch = Thread(target=self._drop_if_cancelled, args=(self._cancelled, done), daemon=True)
        watch.start()
        try:
            yield
        finally:
            done.set()
            watch.join()

    def _drop_if_cancelled(self, cancelled: Event, done: Event) -> None:
        while not done.wait(_WATCH_SECONDS):
            if cancelled.is_set():
                drop(self.wire)


def entity(local: Local, opener: Opener | None = None, cancelled: Event | None = None) -> _Entity:
    """Make the application entity of this program, with its limits."""
    made = _Entity(local.ae_title, opener, cancelled)
    made.maximum_pdu_size = MAX_PDU
    made.connection_timeout = local.timeouts.connect
    made.acse_timeout = local.timeouts.associate
    made.dimse_timeout = local.timeouts.answer
    made.network_timeout = local.timeouts.network
    return made


@contextmanager
def associate(
    local: Local,
    peer: Peer,
    contexts: Sequence[PresentationContext],
    *,
    cancelled: Event | None = None,
    opener: Opener | None = None,
    on_store: Callable[[evt.Event], int] | None = None,
    roles: Sequence[Any] = (),
) -> Iterator[Association]:
    """Open an association; released at the end, cut where something was raised.

    Raises
    ------
    CancelledError
        Where ``cancelled`` was set before the peer had answered.
    NetworkError
        PeerRefusedError where it does not want, PeerTimeoutError where it does not answer.
    """
    began, made = time.monotonic(), entity(local, opener, cancelled)
    with _told_where_unknown(peer), made.droppable():
        assoc = made.associate(
            peer.host, peer.port, list(contexts), peer.ae_title, MAX_PDU, list(roles),
            tls_args=_encryption(peer), evt_handlers=_handlers(on_store),
        )  # fmt: skip
    if not assoc.is_established:
        if cancelled is None or not cancelled.is_set():
            raise _refusal(local, peer, assoc, time.monotonic() - began)
        raise CancelledError("Cancelled.")
    try:
        yield assoc
    # Whatever it is, Ctrl+C too, no half-used association may stay open; it is raised on.
    except BaseException:
        cut(assoc)
        raise
    else:
        with made.droppable():
            assoc.release()
    finally:
        provider(assoc).close()


def _handlers(on_store: Callable[[evt.Event], int] | None) -> list[Any]:
    return [] if on_store is None else [(evt.EVT_C_STORE, on_store)]


@contextmanager
def _told_where_unknown(peer: Peer) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NetworkError(
            f"The peer {peer.shown} was not found: its host is unknown here.", str(error)
        ) from error


def _encryption(peer: Peer) -> tuple[ssl.SSLContext, str] | None:
    """Make what TLS needs, and the name that the peer's certificate has to bear."""
    return (client_context(peer.tls), peer.tls.host or peer.host) if peer.tls else None


def provider(assoc: Association) -> StreamProvider:
    """Give an association's messages."""
    dimse = assoc.dimse
    if not isinstance(dimse, StreamProvider):
        raise TypeError("the association was not opened by this module")
    return dimse


def lost(peer: Peer, assoc: Association) -> NetworkError:
    """Say why no answer came: silence, or a link that broke."""
    if provider(assoc).silent:
        return PeerTimeoutError(f"The peer {peer.shown} stopped answering.")
    return NetworkError(f"The connection to the peer {peer.shown} broke off.")


def _refusal(local: Local, peer: Peer, assoc: Association, waited: float) -> NetworkError:
    wire = assoc.dul.socket
    fault = wire.fault if isinstance(wire, WireSocket) else None
    if fault is not None:
        return _no_connection(peer, fault)
    answer = assoc.acceptor.primitive
    if assoc.is_rejected and answer is not None:
        source, reason = answer.result_source or 0, answer.diagnostic or 0
        why = _REFUSALS.get((source, reason), "it gives no usable reason")
        why = why.format(local=local.ae_title, called=peer.ae_title)
        kind = NetworkError if answer.result == 2 else PeerRefusedError
        return kind(f"The peer {peer.shown} refuses: {why}.", f"source {source}, reason {reason}")
    if answer is not None and answer.result == 0:
        return PeerRefusedError(f"The peer {peer.shown} does not offer what was asked of it.")
    if waited >= 0.9 * local.timeouts.associate:
        return PeerTimeoutError(
            f"The peer {peer.shown} accepted the connection but did not answer within "
            f"{local.timeouts.associate:g} s."
        )
    return NetworkError(f"The peer {peer.shown} closed the connection without an answer.")


def _no_connection(peer: Peer, fault: OSError) -> NetworkError:
    if isinstance(fault, ssl.SSLError):
        return PeerRefusedError(
            f"No encrypted connection with the peer {peer.shown}: the certificates do not fit, "
            "or it does not encrypt.",
            fault.reason or type(fault).__name__,
        )
    if isinstance(fault, TimeoutError):
        return PeerTimeoutError(f"The peer {peer.shown} does not answer.")
    return NetworkError(
        f"Nobody listens where the peer {peer.shown} should be.",
        fault.strerror or type(fault).__name__,
    )
