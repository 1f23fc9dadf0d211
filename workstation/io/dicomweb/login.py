"""Passwords and tokens: in the system's keyring or the environment, never in a file of ours."""

from __future__ import annotations

import os
import re

import keyring
from keyring.errors import InitError, KeyringError, NoKeyringError, PasswordDeleteError

from workstation.core.errors import InputError, StorageError
from workstation.io.dicomweb.peer import WebPeer

_SECURE = 1  # the library's own mark of a keyring that it would recommend
NO_KEYRING = "This machine has no keyring to keep a password in"


def variable(peer: WebPeer) -> str:
    """Name of the variable of the environment that may hold the secret."""
    return "TOMOSCRIBE_SECRET_" + re.sub(r"[^A-Z0-9]", "_", peer.name.upper())


def has_keyring() -> bool:
    """Whether the system keeps secrets; a plain file is not counted as keeping."""
    try:
        return float(keyring.get_keyring().priority) >= _SECURE
    except (InitError, KeyringError, RuntimeError):
        return False


def known_secret(peer: WebPeer) -> str:
    """Look for the secret in the environment and the keyring; may wait for its unlocking.

    Returns
    -------
    str
        Empty where none is kept, or where the peer wants none.
    """
    if peer.login == "none":
        return ""
    if given := os.environ.get(variable(peer), ""):
        return given
    if not has_keyring():
        return ""
    try:
        return keyring.get_password(_service(peer), _user(peer)) or ""
    except (InitError, KeyringError):
        return ""


def keep_secret(peer: WebPeer, secret: str) -> None:
    """Put a secret into the keyring, for this address and user only.

    Raises
    ------
    StorageError
        There is no keyring, or it does not take it.
    """
    _demand_login(peer)
    if not has_keyring():
        raise StorageError(
            f"{NO_KEYRING}: it is asked for each time, or read from the variable {variable(peer)}."
        )
    try:
        keyring.set_password(_service(peer), _user(peer), secret)
    except (InitError, KeyringError) as error:
        raise StorageError("The keyring did not take the password.", type(error).__name__) from None


def forget_secret(peer: WebPeer) -> bool:
    """Take a secret out of the keyring; tells whether there was one.

    Raises
    ------
    StorageError
        The keyring is locked or gone.
    """
    _demand_login(peer)
    try:
        keyring.delete_password(_service(peer), _user(peer))
    except (PasswordDeleteError, NoKeyringError):
        return False
    except (InitError, KeyringError) as error:
        raise StorageError("The keyring could not be opened.", type(error).__name__) from None
    return True


def _demand_login(peer: WebPeer) -> None:
    if peer.login == "none":
        raise InputError(f"'{peer.name}' is set to need no login (login = \"none\").")


def _service(peer: WebPeer) -> str:
    # The address is part of the name: whoever changes it in the settings gets no password.
    return f"tomoscribe {peer.url}"


def _user(peer: WebPeer) -> str:
    return peer.user if peer.login == "basic" else "token"
