"""A DICOMweb service: where it is, who logs in there, and what may not go over the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from workstation.core.errors import InputError
from workstation.io.pacs.peer import Timeouts

Login = Literal["none", "basic", "token"]
MAX_BYTES = 2 * 2**30
MAX_ANSWER = 64 * 2**20


@dataclass(frozen=True)
class WebPeer:
    """A DICOMweb service.

    Parameters
    ----------
    name : str
        What the reader calls it.
    url : str
        Under which ``/studies`` is found; https, or http without a login.
    login : {"none", "basic", "token"}
        A user with a password, or a bearer token. Neither is ever part of this record.
    user : str
        For ``"basic"``.
    verify : bool
        Demand a valid certificate; without, anybody on the way can read and change all.
    authority : Path or None
        Who signed its certificate (PEM); those that the program trusts if None.
    certificate, key : Path or None
        This program's own (PEM), where the service asks for one.
    connections : int
        How many instances at a time are asked for.
    timeouts : Timeouts
        ``connect``, ``network`` without any byte, and ``answer`` times ten for a whole answer.
    max_bytes : int
        The largest instance that may be received.
    """

    name: str
    url: str
    login: Login = "none"
    user: str = ""
    verify: bool = True
    authority: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    connections: int = 4
    timeouts: Timeouts = field(default_factory=Timeouts)
    max_bytes: int = MAX_BYTES

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InputError(f"The address of '{self.name}' has to begin with https://HOST.")
        if parts.username or parts.password or parts.query or parts.fragment:
            raise InputError(
                f"The address of '{self.name}' may hold no login and no question; "
                "'tomoscribe pacs login' keeps the password."
            )
        if self.login != "none" and parts.scheme == "http" and not _is_here(parts.hostname):
            raise InputError(
                f"'{self.name}' would be sent a password without encryption: its address has to "
                "begin with https."
            )
        if self.login == "basic" and not self.user:
            raise InputError(f"'{self.name}' needs the setting 'user' for its login.")
        if not 1 <= self.connections <= 16:
            raise InputError(f"The peer '{self.name}' can have 1 to 16 connections.")

    @property
    def shown(self) -> str:
        """How messages name it."""
        return f"'{self.name}' ({self.url})"


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
