"""The peers of the settings, ready to be asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from workstation.core.errors import InputError
from workstation.settings import DicomwebPeer, PacsPeer, Settings

if TYPE_CHECKING:
    from workstation.io.dicomweb.peer import WebPeer
    from workstation.io.pacs.peer import Local, Peer, Tls
    from workstation.io.pacs.receiver import Receiver
    from workstation.io.pacs.source import Source
    from workstation.io.pacs.store import Stored

SecretOf = Callable[["WebPeer"], str]


def peer_names(settings: Settings) -> list[str]:
    """List what the settings call their peers, each once."""
    names = [one.name for one in settings.pacs_peers]
    return list(dict.fromkeys([*names, *(one.name for one in settings.dicomweb_peers)]))


def find_source(
    settings: Settings,
    name: str,
    secret: SecretOf,
    receiving: Path,
    told: Callable[[str], None],
) -> Source:
    """Find a peer by its name in the settings, or read AE@HOST:PORT.

    Parameters
    ----------
    secret : callable
        Gives the password or token of a DICOMweb service, at each use.
    receiving : Path
        Where images first lie that are sent to this program.
    told : callable
        Hears sentences about senders that were refused.

    Raises
    ------
    InputError
        Where there is none, or its settings contradict each other.
    """
    from workstation.io.pacs.source import DimseSource

    for web in settings.dicomweb_peers:
        if web.name == name:
            return _web_source(web_peer(settings, web), secret)
    peer = find_peer(settings, name)
    return DimseSource(
        local(settings), peer, lambda: receiver(settings, receiving, told=told, more=(peer,))
    )


def _web_source(peer: WebPeer, secret: SecretOf) -> Source:
    from workstation.io.dicomweb.source import WebSource

    return WebSource(peer, lambda: secret(peer))


def find_peer(settings: Settings, name: str) -> Peer:
    """Find a DICOM node by its name in the settings, or read AE@HOST:PORT.

    Raises
    ------
    InputError
        Where there is none.
    """
    for one in settings.pacs_peers:
        if one.name == name:
            return _peer(settings, one)
    title, _, place = name.partition("@")
    host, _, port = place.rpartition(":")
    if host and port.isdecimal():
        return _peer(settings, PacsPeer.model_construct(
            name=name, ae_title=title, host=host, port=int(port)
        ))  # fmt: skip
    known = ", ".join(peer_names(settings)) or "none"
    raise InputError(f"No peer is named '{name}' (known: {known}). AE@HOST:PORT works as well.")


def find_web_peer(settings: Settings, name: str) -> WebPeer:
    """Find a DICOMweb service by its name in the settings.

    Raises
    ------
    InputError
        Where there is none, or its settings contradict each other.
    """
    for one in settings.dicomweb_peers:
        if one.name == name:
            return web_peer(settings, one)
    known = ", ".join(one.name for one in settings.dicomweb_peers) or "none"
    raise InputError(f"No DICOMweb service is named '{name}' (known: {known}).")


def web_peer(settings: Settings, given: DicomwebPeer) -> WebPeer:
    """Make a DICOMweb service out of its table; certificates are those of all peers."""
    from workstation.io.dicomweb.peer import WebPeer

    return WebPeer(
        **given.model_dump(),
        authority=settings.pacs_authority,
        certificate=settings.pacs_certificate,
        key=settings.pacs_key,
    )


def local(settings: Settings) -> Local:
    """Make this program as its peers see it."""
    from workstation.io.pacs.peer import Local

    return Local(settings.pacs_ae_title)


def receiver(
    settings: Settings,
    folder: Path,
    *,
    told: Callable[[str], None],
    stored: Callable[[Stored], None] | None = None,
    more: tuple[Peer, ...] = (),
) -> Receiver:
    """Start the process that receives; the peers of the settings and ``more`` may send.

    Raises
    ------
    NetworkError
        Where it cannot listen.
    """
    from workstation.io.pacs.receiver import Receiver, ReceiverOptions

    titles = [one.ae_title for one in settings.pacs_peers] + [one.ae_title for one in more]
    listed = [one.partition("@") for one in settings.pacs_allowed]
    options = ReceiverOptions(
        folder,
        settings.pacs_ae_title,
        settings.pacs_host,
        settings.pacs_port,
        (*((one, "") for one in dict.fromkeys(titles)), *((one, at) for one, _, at in listed)),
        tls=_tls(settings) if settings.pacs_tls else None,
    )
    return Receiver(options, stored, told, settings.data_folder / "receiver.log")


def _peer(settings: Settings, given: PacsPeer) -> Peer:
    from workstation.io.pacs.peer import Peer

    tls = _tls(settings, given.tls_host) if given.tls else None
    values = given.model_dump(exclude={"tls", "tls_host"})
    return Peer(**values, tls=tls)


def _tls(settings: Settings, host: str = "") -> Tls:
    from workstation.io.pacs.peer import Tls

    return Tls(settings.pacs_authority, settings.pacs_certificate, settings.pacs_key, host)
