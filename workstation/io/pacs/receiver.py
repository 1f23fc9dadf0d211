"""The storage SCP as its parent sees it: a process that tells of every instance in a line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workstation.core.errors import NetworkError
from workstation.io.attendant import child_environment
from workstation.io.pacs.peer import Tls, ae_title
from workstation.io.pacs.store import MAX_INSTANCE_BYTES, Stored

Listener = Callable[[Stored], bool]

_START_SECONDS = 60.0


@dataclass(frozen=True)
class ReceiverOptions:
    """How to receive.

    Parameters
    ----------
    allowed : tuple of (str, str)
        Who may send: AE title, and address or nothing for any. Empty allows nobody.
    host : str
        Where to listen; ``0.0.0.0`` for every network.
    tls : Tls or None
        Require TLS and a certificate of its authority.
    """

    folder: Path
    ae_title: str = "TOMOSCRIBE"
    host: str = "127.0.0.1"
    port: int = 11112
    allowed: tuple[tuple[str, str], ...] = ()
    max_associations: int = 8
    max_instance_bytes: int = MAX_INSTANCE_BYTES
    network_timeout: float = 60.0
    tls: Tls | None = None

    def __post_init__(self) -> None:
        ae_title(self.ae_title)
        for title, _ in self.allowed:
            ae_title(title)


class Receiver:
    """Runs the process; it ends with :meth:`close`, and when this program ends.

    Parameters
    ----------
    told : callable or None
        Called with each instance that no listener took.
    refused : callable or None
        Called with a sentence when a sender was refused.
    log : Path or None
        Where the process writes why it failed, anew each time; no line holds a patient's name.

    Raises
    ------
    NetworkError
        Where it cannot listen.
    """

    def __init__(
        self,
        options: ReceiverOptions,
        told: Callable[[Stored], None] | None = None,
        refused: Callable[[str], None] | None = None,
        log: Path | None = None,
    ) -> None:
        self.options = options
        self.port = 0
        self._told, self._refused = told, refused
        self._listeners: list[Listener] = []
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._fault = ""
        self._process = _started(log)
        self._reader = threading.Thread(target=self._read, name="pacs-receiver", daemon=True)
        self._reader.start()
        self._begin()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def process_id(self) -> int:
        """The process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    @contextmanager
    def listening(self, listener: Listener) -> Iterator[None]:
        """Offer instances to ``listener`` first; it answers whether it took them."""
        with self._lock:
            self._listeners.append(listener)
        try:
            yield
        finally:
            with self._lock:
                self._listeners.remove(listener)

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        self._reader.join(5.0)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue

    def _begin(self) -> None:
        stdin = self._process.stdin
        if stdin is not None:
            try:
                stdin.write(_as_line(self.options))
                stdin.flush()
            except BrokenPipeError:
                self._fault = "it did not start"
        self._ready.wait(_START_SECONDS)
        if not self.port:
            self.close()
            host, port = self.options.host, self.options.port
            raise NetworkError(
                f"Images cannot be received at {host}:{port}.", self._fault or "it did not start"
            )

    def _read(self) -> None:
        stdout = self._process.stdout
        for line in stdout or ():
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue
        self._ready.set()

    def _take(self, message: dict[str, Any]) -> None:
        kind = message.pop("event")
        if kind == "ready":
            self.port = int(message["port"])
            self._ready.set()
        elif kind == "failed":
            self._fault = str(message["reason"])
        elif kind == "refused" and self._refused is not None:
            self._refused(str(message["reason"]))
        elif kind == "received":
            self._offer(Stored(**{**message, "path": Path(message["path"])}))

    def _offer(self, stored: Stored) -> None:
        with self._lock:
            listeners = tuple(self._listeners)
        if not any(listener(stored) for listener in listeners) and self._told is not None:
            self._told(stored)


def _started(log: Path | None) -> subprocess.Popen[bytes]:
    target = log or Path(os.devnull)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "workstation.io.pacs.scp"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=child_environment(),
            )
    except OSError as error:
        raise NetworkError("The receiver cannot be started.", error.strerror or "") from error


def _as_line(options: ReceiverOptions) -> bytes:
    tls = options.tls and {
        key: str(value) if value else None for key, value in vars(options.tls).items()
    }
    values = {**vars(options), "folder": str(options.folder), "tls": tls}
    return json.dumps(values).encode() + b"\n"


def options_from_line(line: bytes) -> ReceiverOptions:
    """Read back, in the process, what the parent wrote."""
    values = json.loads(line)
    tls = values.pop("tls")
    if tls:
        host = tls.pop("host") or ""
        tls = Tls(**{key: Path(value) if value else None for key, value in tls.items()}, host=host)
    allowed = tuple((title, address) for title, address in values.pop("allowed"))
    folder = Path(values.pop("folder"))
    return ReceiverOptions(folder, **values, allowed=allowed, tls=tls or None)
