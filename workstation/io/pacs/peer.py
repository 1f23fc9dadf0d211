"""Who speaks with whom: this program, its peers, how long it waits and how it encrypts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from workstation.core.errors import InputError

MAX_PDU = 128 * 1024


def ae_title(text: str) -> str:
    """Check an AE title.

    Raises
    ------
    InputError
        Where it is not 1 to 16 printable ASCII characters without a backslash.
    """
    title = text.strip()
    if not 1 <= len(title) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise InputError(
            f"The AE title {text!r} is not 1 to 16 printable ASCII characters without a backslash."
        )
    return title


@dataclass(frozen=True)
class Timeouts:
    """Seconds until a peer counts as lost.

    Parameters
    ----------
    connect : float
        For the connection and the TLS handshake.
    associate : float
        For the answer to an association's request or release.
    answer : float
        Without any byte from the peer while an answer is awaited.
    network : float
        For one read or write on the connection, and for an idle association.
    """

    connect: float = 10.0
    associate: float = 15.0
    answer: float = 60.0
    network: float = 60.0


@dataclass(frozen=True)
class Tls:
    """Certificates, as PEM files.

    Parameters
    ----------
    authority : Path or None
        Who signed the other side's certificate; the system's authorities if None.
    certificate, key : Path or None
        This program's own.
    host : str
        The name that the peer's certificate must bear; the peer's host if empty.
    """

    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    host: str = ""


@dataclass(frozen=True)
class Local:
    """The program as its peers see it."""

    ae_title: str = "TOMOSCRIBE"
    timeouts: Timeouts = field(default_factory=Timeouts)

    def __post_init__(self) -> None:
        ae_title(self.ae_title)


@dataclass(frozen=True)
class Peer:
    """A DICOM node.

    Parameters
    ----------
    name : str
        What the reader calls it.
    ae_title, host, port : str, str, int
        Where it listens.
    tls : Tls or None
        Encrypt, and never fall back to not encrypting.
    retrieve : {"get", "move"}
        C-GET brings instances over the asking association; C-MOVE lets the peer send them
        to a :class:`workstation.io.pacs.receiver.Receiver` that it knows by AE title.
    charset : str
        In which DICOM character set it is asked where ASCII is not enough.
    associations : int
        How many associations at a time it is asked for.
    """

    name: str
    ae_title: str
    host: str
    port: int
    tls: Tls | None = None
    retrieve: Literal["get", "move"] = "get"
    charset: str = "ISO_IR 192"
    associations: int = 3

    def __post_init__(self) -> None:
        ae_title(self.ae_title)
        if not self.host or not 1 <= self.port <= 65535:
            raise InputError(f"The peer '{self.name}' needs a host, and a port from 1 to 65535.")
        if not 1 <= self.associations <= 16:
            raise InputError(f"The peer '{self.name}' can have 1 to 16 associations.")

    @property
    def shown(self) -> str:
        """How messages name it."""
        return f"'{self.name}' ({self.ae_title} at {self.host}:{self.port})"
