"""Ends the connections of an HTTP session at once when waiting is cancelled."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_WATCH_SECONDS = 0.1


class Sockets:
    """Holds a second handle of each connection that an adapter opens.

    The library's own one is out of reach while it encrypts and while it waits for an answer.
    """

    def __init__(self) -> None:
        self._handles: list[socket.socket] = []

    def watch(self, adapter: HTTPAdapter) -> None:
        """Take a handle of each connection that this adapter opens from now on."""
        adapter.poolmanager.pool_classes_by_scheme = {
            "http": self._watched(HTTPConnectionPool),
            "https": self._watched(HTTPSConnectionPool),
        }

    def _watched(self, kind: Any) -> type:  # noqa: ANN401 - the library's own classes
        def new_connection(pool: Any) -> Any:  # noqa: ANN401
            made = kind._new_conn(pool)
            opens = made._new_conn

            def opened() -> socket.socket:
                raw: socket.socket = opens()
                self._handles.append(raw.dup())
                return raw

            made._new_conn = opened
            return made

        return type(kind.__name__, (kind,), {"_new_conn": new_connection})

    def drop(self) -> None:
        """Shut all of them; whoever waits for an answer is told that the link broke."""
        for handle in list(self._handles):
            with suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the handles."""
        for handle in self._handles:
            handle.close()


@contextmanager
def dropping(cancelled: Event) -> Iterator[Sockets]:
    """Watch for ``cancelled`` until the session ends."""
    sockets, done = Sockets(), Event()

    def look() -> None:
        while not done.wait(_WATCH_SECONDS):
            if cancelled.is_set():
                sockets.drop()

    watch = Thread(target=look, name="dicomweb-watch", daemon=True)
    watch.start()
    try:
        yield sockets
    finally:
        done.set()
        watch.join()
        sockets.close()
