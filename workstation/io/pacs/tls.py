"""TLS as a client and as a server: verified on both sides, 1.2 or newer."""

from __future__ import annotations

import ssl
from pathlib import Path

from workstation.core.errors import InputError
from workstation.io.pacs.peer import Tls


def client_context(tls: Tls) -> ssl.SSLContext:
    """Make the context for asking a peer; its certificate and its name are verified.

    Raises
    ------
    InputError
        Where a certificate file cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=tls.authority)
        _limit(context)
        if tls.certificate is not None:
            context.load_cert_chain(tls.certificate, tls.key)
    except (OSError, ValueError) as error:
        raise _unusable(tls, error) from error
    return context


def server_context(tls: Tls) -> ssl.SSLContext:
    """Make the context for being asked; who has no certificate of the authority is refused.

    Raises
    ------
    InputError
        Where a file is missing or cannot be used.
    """
    if tls.certificate is None or tls.authority is None:
        raise InputError(
            "Receiving over TLS needs a certificate, its key, and the authority that signed "
            "the senders' certificates."
        )
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _limit(context)
        context.load_cert_chain(tls.certificate, tls.key)
        context.load_verify_locations(tls.authority)
    except (OSError, ValueError) as error:
        raise _unusable(tls, error) from error
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _limit(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2


def _unusable(tls: Tls, error: Exception) -> InputError:
    files = [file for file in (tls.authority, tls.certificate, tls.key) if file is not None]
    missing = [str(file) for file in files if not Path(file).is_file()]
    if missing:
        return InputError(f"The certificate file {missing[0]} does not exist.")
    names = ", ".join(str(file) for file in files)
    return InputError(f"The certificate files cannot be used: {names}.", str(error))
