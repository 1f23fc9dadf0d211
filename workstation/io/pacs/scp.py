"""The storage SCP's process: ``python -m workstation.io.pacs.scp``, started by its parent.

Reads its options as one line of JSON and ends when that stream ends; writes a line of JSON
for every instance and every refusal. No line holds anything about a patient.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import sys
import threading
import traceback
import warnings
from pathlib import Path
from socket import socket
from typing import Any

from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from workstation.core.errors import StorageError, TomoscribeError
from workstation.io.pacs import link
from workstation.io.pacs.contexts import STORAGE, VERIFICATION, receiving_contexts
from workstation.io.pacs.fetch import NO_ROOM, NOT_OURS, NOT_UNDERSTOOD, SUCCESS
from workstation.io.pacs.peer import Local, Timeouts
from workstation.io.pacs.receiver import ReceiverOptions, options_from_line
from workstation.io.pacs.store import InstanceStore, read_identity
from workstation.io.pacs.tls import server_context
from workstation.io.pacs.wire import StreamProvider, WireSocket, take_file

_SPARE = 8


class _Teller:
    """Writes lines to the parent; ends the process where nobody reads them."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "wb")
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def tell(self, event: str, **values: Any) -> None:  # noqa: ANN401 - plain values for JSON
        try:
            with self._lock:
                self._stream.write(json.dumps({"event": event, **values}).encode() + b"\n")
                self._stream.flush()
        except OSError:
            os._exit(0)


class _Handler(RequestHandler):
    """Makes associations that write to disk as they receive."""

    server: _Server

    def _create_association(self) -> Association:
        assoc = super()._create_association()
        assoc.dul.event_queue.get_nowait()  # that of the connection which is replaced here
        assoc.dul.socket = WireSocket(assoc, client_socket=self.request)
        assoc.dimse = StreamProvider(assoc, self.server.store.incoming)
        return assoc


class _Server(ThreadedAssociationServer):
    daemon_threads = True
    request_queue_size = 32

    def prepare(self, options: ReceiverOptions, store: InstanceStore, teller: _Teller) -> None:
        self.options, self.store, self.teller = options, store, teller
        self.secure = server_context(options.tls) if options.tls is not None else None

    def verify_request(self, _request: object, client_address: Any) -> bool:  # noqa: ANN401
        address = client_address[0]
        known = any(one in {"", address} for _, one in self.options.allowed)
        if not known:
            self.teller.tell("refused", reason=f"{address} is not on the list of senders.")
        full = len(self.active_associations) >= self.options.max_associations + _SPARE
        return known and not full

    def finish_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        raw: socket = request
        raw.settimeout(self.ae.acse_timeout)
        if self.secure is not None:
            raw = self.secure.wrap_socket(raw, server_side=True)
        super().finish_request(raw, client_address)

    def handle_error(self, _request: object, client_address: Any) -> None:  # noqa: ANN401
        fault = sys.exc_info()[1]
        if not isinstance(fault, (OSError, EOFError)):
            _write_fault(fault)
        why = "does not encrypt as required" if isinstance(fault, ssl.SSLError) else "broke off"
        self.teller.tell("refused", reason=f"{client_address[0]} {why}.")


class _Service:
    """Answers the events of associations."""

    def __init__(self, options: ReceiverOptions, store: InstanceStore, teller: _Teller) -> None:
        self._options, self._store, self._teller = options, store, teller

    def handlers(self) -> list[Any]:
        return [
            (evt.EVT_REQUESTED, self.on_requested),
            (evt.EVT_REJECTED, self.on_rejected),
            (evt.EVT_C_STORE, self.on_store),
            (evt.EVT_CONN_CLOSE, self.on_close),
            (evt.EVT_ABORTED, self.on_close),
        ]

    def on_requested(self, event: evt.Event) -> None:
        """Refuse who is not on the list."""
        assoc = event.assoc
        request = assoc.requestor.primitive
        title = str(request.calling_ae_title).strip() if request is not None else ""
        address = assoc.requestor.address
        if any(title == one and place in {"", address} for one, place in self._options.allowed):
            return
        self._teller.tell(
            "refused", reason=f"{title!a} at {address} is not on the list of senders."
        )
        assoc.acse.send_reject(0x01, 0x01, 0x03)
        assoc.is_rejected = True
        assoc.kill()

    def on_rejected(self, event: evt.Event) -> None:
        """Tell of a refusal that the negotiation made."""
        self._teller.tell("refused", reason=f"{event.assoc.requestor.address} was refused.")

    def on_close(self, event: evt.Event) -> None:
        """Throw away what arrived in part."""
        if isinstance(event.assoc.dimse, StreamProvider):
            event.assoc.dimse.close()

    def on_store(self, event: evt.Event) -> int:
        """Store one instance and tell of it."""
        incoming = take_file(event.request)
        if incoming is None:
            return NOT_UNDERSTOOD
        try:
            if incoming.sop_class not in STORAGE:
                return NOT_OURS
            identity = read_identity(incoming.path) if not incoming.fault else ("", "")
            stored = self._store.commit(incoming, identity)
        except StorageError as error:
            self._teller.tell("refused", reason=f"{error.message} {error.details}")
            return NO_ROOM
        finally:
            incoming.discard()
        self._teller.tell("received", **{**vars(stored), "path": str(stored.path)})
        return SUCCESS


def _serve(options: ReceiverOptions, teller: _Teller) -> None:
    store = InstanceStore(options.folder, options.max_instance_bytes)
    wait = options.network_timeout
    local = Local(options.ae_title, Timeouts(associate=min(wait, 30.0), answer=wait, network=wait))
    application = link.entity(local)
    application.require_called_aet = True
    application.maximum_associations = options.max_associations
    contexts = [*receiving_contexts(), build_context(VERIFICATION)]
    server: Any = application.make_server(
        (options.host, options.port), contexts=contexts, server_class=_Server,
        evt_handlers=_Service(options, store, teller).handlers(), request_handler=_Handler,
    )  # fmt: skip
    server.prepare(options, store, teller)
    teller.tell("ready", port=server.server_address[1])
    server.serve_forever()


def tell_faults_without_words() -> None:
    """Let whatever fails in this process be written without its message."""
    sys.excepthook = lambda _kind, fault, _trace: _write_fault(fault)
    threading.excepthook = lambda failed: _write_fault(failed.exc_value)


def _write_fault(fault: BaseException | None) -> None:
    """Write where something failed, never with what: a message can hold a name."""
    frames = traceback.extract_tb(fault.__traceback__) if fault is not None else []
    places = [f"  {Path(one.filename).name}:{one.lineno} {one.name}" for one in frames]
    sys.stderr.write("\n".join([f"{type(fault).__name__} in the receiver:", *places, ""]))
    sys.stderr.flush()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve until the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    tell_faults_without_words()
    teller = _Teller()
    options = options_from_line(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _serve(options, teller)
    except TomoscribeError as error:
        teller.tell("failed", reason=error.message)
    except OSError as error:
        teller.tell("failed", reason=error.strerror or type(error).__name__)
    os._exit(1)


if __name__ == "__main__":
    main()
