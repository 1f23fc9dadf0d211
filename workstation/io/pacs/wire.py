"""The transport below an association: no delay, limits on what is claimed, to disk at once."""

from __future__ import annotations

import queue
import socket
import time
from collections.abc import Callable
from threading import Event
from typing import Any

from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import C_STORE_RQ
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.transport import T_CONNECT, AddressInformation, AssociationSocket

from workstation.io.header import DAMAGE
from workstation.io.pacs.peer import MAX_PDU
from workstation.io.pacs.store import Incoming

Opener = Callable[[str, str, str], Incoming]

_MAX_COMMAND = 64 * 2**10
_MAX_IDENTIFIER = 16 * 2**20
_MAX_WAITING = 64
_POLL = 0.2
_CANCEL_GRACE = 1.0
_QUICK = getattr(socket, "TCP_QUICKACK", None)


class WireSocket(AssociationSocket):
    """A connection that sends at once, waits no longer than it was told and reads no huge PDU."""

    def __init__(
        self,
        assoc: Association,
        client_socket: socket.socket | None = None,
        address: AddressInformation | None = None,
    ) -> None:
        super().__init__(assoc, client_socket=client_socket, address=address)
        self.fault: OSError | None = None
        if client_socket is not None:
            self._tune(client_socket)

    def connect(self, primitive: T_CONNECT) -> None:
        """Connect and shake hands; what went wrong is kept as :attr:`fault`."""
        try:
            self._open(primitive.address_info)
            primitive.result = "Evt2"
        except OSError as error:
            self.fault = error
            if self.socket is not None:
                self._shutdown_socket()
                self.socket.close()
            self.socket = None
            primitive.result = "Evt17"
        finally:
            self.provider_queue.put(primitive)
            self._ready.set()

    def _open(self, address: AddressInformation) -> None:
        raw = self.socket
        if raw is None:
            raise OSError("the connection was closed before it began")
        raw.settimeout(self.assoc.connection_timeout)
        raw.connect(address.as_tuple)
        if self.tls_args:
            context, host = self.tls_args
            raw = context.wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)
            self.socket = raw  # before the handshake, so that it can be dropped during it
            raw.do_handshake()
        self._tune(raw)
        self.assoc.requestor.address_info = AddressInformation.from_tuple(raw.getsockname())
        self._is_connected = True

    def _tune(self, raw: socket.socket) -> None:
        raw.settimeout(self.assoc.network_timeout)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def recv(self, nr_bytes: int) -> bytearray:
        """Read ``nr_bytes``; fewer where the peer closed.

        Every piece is acknowledged at once where the system can: a peer that waits for the
        acknowledgement before it sends on would otherwise lose 40 ms per instance.
        """
        if nr_bytes > MAX_PDU + 2**10:
            raise OSError("the peer announced a PDU larger than was agreed")
        raw = self.socket
        data = bytearray(nr_bytes)
        view, got = memoryview(data), 0
        while raw is not None and got < nr_bytes:
            if _QUICK is not None:
                raw.setsockopt(socket.IPPROTO_TCP, _QUICK, 1)
            count = raw.recv_into(view[got:])
            if not count:
                return data[:got]
            got += count
        dimse = self.assoc.dimse
        if isinstance(dimse, StreamProvider):
            dimse.hear()
        return data


class StreamProvider(DIMSEServiceProvider):
    """Messages of an association: instances go to disk as they arrive, waiting can be cancelled.

    Parameters
    ----------
    assoc : Association
        Whose messages.
    opener : callable or None
        Begins the file of an instance; None where no instance may come.
    cancelled : Event or None
        Ends waiting: the peer is told, and dropped where it does not stop.
    """

    def __init__(
        self, assoc: Association, opener: Opener | None = None, cancelled: Event | None = None
    ) -> None:
        super().__init__(assoc)
        self.tell_cancel: Callable[[], None] | None = None
        self.silent = False
        self._opener = opener
        self._cancelled = cancelled
        self._asked_to_stop: float | None = None
        self._heard = time.monotonic()
        self._open: Incoming | None = None

    def hear(self) -> None:
        """Note that the peer is alive."""
        self._heard = time.monotonic()

    def stop(self) -> None:
        """Ask the peer to end the operation; it is dropped where it goes on for long."""
        if self._asked_to_stop is None:
            self._asked_to_stop = time.monotonic()
            if self.tell_cancel is not None and self.assoc.is_established:
                self.tell_cancel()

    def get_msg(self, block: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002, RUF100 - the library's
        """Give the next message; (None, None) once the peer is silent for too long."""
        if not block:
            return super().get_msg(block=False)
        self.hear()
        while True:
            try:
                return self.msg_queue.get(timeout=_POLL)
            except queue.Empty:
                if self._given_up():
                    return None, None

    def _given_up(self) -> bool:
        now = time.monotonic()
        if self._cancelled is not None and self._cancelled.is_set():
            self.stop()
        if self._asked_to_stop is not None and now - self._asked_to_stop > _CANCEL_GRACE:
            cut(self.assoc)
            return True
        timeout = self.dimse_timeout
        self.silent = timeout is not None and now - self._heard > timeout
        return self.silent

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take a P-DATA of the peer, fragment by fragment."""
        try:
            for fragment in primitive.presentation_data_value_list:
                single = P_DATA()
                single.presentation_data_value_list = [list(fragment)]  # type: ignore[list-item]
                super().receive_primitive(single)
                self._look_after()
        except DAMAGE:  # what does not parse or claims too much ends the connection
            self.message = None
            cut(self.assoc)
            self.msg_queue.put((None, None))

    def _look_after(self) -> None:
        message: Any = self.message
        if self.msg_queue.qsize() > _MAX_WAITING:
            raise OSError("the peer sends without waiting for answers")
        if message is None:
            self._open = None  # whole: it now belongs to whoever answers it
            return
        if message.encoded_command_set.tell() > _MAX_COMMAND:
            raise OSError("the peer sent a command that is too long")
        if type(message) is C_STORE_RQ:
            if message._data_set_file is None:
                incoming: Any = self._begin(message)
                self._open = incoming
                message._data_set_file = incoming
        elif message.data_set.tell() > _MAX_IDENTIFIER:
            raise OSError("the peer sent an identifier that is too long")

    def _begin(self, message: Any) -> Incoming:  # noqa: ANN401 - the library's own message
        if self._opener is None:
            raise OSError("the peer sent an instance that nobody asked for")
        command = message.command_set
        syntax = self.assoc._accepted_cx[message.context_id].transfer_syntax[0]
        return self._opener(
            str(command.AffectedSOPClassUID), str(command.AffectedSOPInstanceUID), str(syntax)
        )

    def close(self) -> None:
        """Throw away what arrived in part and what nobody took."""
        half, self._open = self._open, None
        if half is not None:
            half.discard()
        while not self.msg_queue.empty():
            _, message = self.msg_queue.get_nowait()
            if (whole := take_file(message)) is not None:
                whole.discard()


def take_file(request: object) -> Incoming | None:
    """Take the file of a C-STORE request, so that nobody else removes it."""
    file = getattr(request, "_dataset_file", None)
    if not isinstance(file, Incoming):
        return None
    request._dataset_file = None  # type: ignore[attr-defined]
    return file


def cut(assoc: Association) -> None:
    """End a connection now, whatever its peer does; every wait on it ends too."""
    drop(assoc.dul.socket)


def drop(wire: AssociationSocket | None) -> None:
    """End a connection that may still be on its way to be one."""
    raw = wire.socket if wire is not None else None
    if raw is not None:
        try:
            raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
