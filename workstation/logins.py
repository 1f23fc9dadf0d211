"""Logins of the running window: from the environment or the keyring, else asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from threading import Event
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from workstation.core.errors import InputError, StorageError, TomoscribeError
from workstation.core.study import Severity
from workstation.settings import Settings
from workstation.tasks.job import Job
from workstation.ui.login_dialog import LoginDialog
from workstation.ui.notifications import Notifications

if TYPE_CHECKING:
    from workstation.io.dicomweb.peer import WebPeer


class LoginNeededError(InputError):
    """A peer wants a login that is not known."""

    def __init__(self, peer: WebPeer) -> None:
        super().__init__(f"The peer '{peer.name}' wants a login.")
        self.peer = peer


class Logins(QObject):
    """Knows the secrets of this session, in memory only.

    Signals
    -------
    given()
        One was typed: what needed it can be tried again.
    """

    given = Signal()

    def __init__(self, window: QWidget, notifications: Notifications) -> None:
        super().__init__(window)
        self._window, self._notifications = window, notifications
        self._secrets: dict[str, str] = {}
        self._rejected: set[str] = set()
        self._peer: WebPeer | None = None
        self.dialog: LoginDialog | None = None

    def secret(self, peer: WebPeer) -> str:
        """Give a secret; called in a job, since a keyring may wait for its unlocking.

        Raises
        ------
        LoginNeededError
            Where none is known, or the known one was refused.
        """
        from workstation.io.dicomweb.login import known_secret

        if peer.login == "none":
            return ""
        known = self._secrets.get(peer.url, "")
        if not known and peer.url not in self._rejected:
            known = known_secret(peer)
        if not known:
            raise LoginNeededError(peer)
        return known

    def reject(self, name: str, settings: Settings) -> None:
        """Forget a secret that a peer of the settings did not accept."""
        for one in settings.dicomweb_peers:
            if one.name == name:
                self._secrets.pop(one.url, None)
                self._rejected.add(one.url)

    def remember(self, peer: WebPeer, secret: str) -> None:
        """Know a secret from now on; the keyring keeps it where there is one."""
        from workstation.io.dicomweb.login import has_keyring, keep_secret

        self._secrets[peer.url] = secret
        self._rejected.discard(peer.url)
        if has_keyring():
            self._do(lambda: keep_secret(peer, secret))

    def forget(self, peer: WebPeer) -> None:
        """Know a secret no more, in the keyring neither."""
        from workstation.io.dicomweb.login import forget_secret, has_keyring

        self._secrets.pop(peer.url, None)
        if has_keyring():
            self._do(lambda: forget_secret(peer))

    def _do(self, act: Callable[[], object]) -> None:
        """Ask the keyring off this thread: it may wait for its unlocking."""

        def work(_cancelled: Event) -> Iterator[object]:
            yield act()

        job = Job(work)
        job.failed.connect(self._on_keyring_failed)
        job.start()

    @Slot(object)
    def _on_keyring_failed(self, error: TomoscribeError) -> None:
        self._notifications.show(error.message, Severity.WARNING, error.details)

    def ask(self, peer: WebPeer) -> None:
        """Ask the reader; the event loop goes on."""
        from workstation.io.dicomweb.login import NO_KEYRING, has_keyring, variable

        self._peer = peer
        what = f"Password of {peer.user}" if peer.login == "basic" else "Token"
        can_keep = has_keyring()
        remark = (
            ""
            if can_keep
            else f"{NO_KEYRING}: it is asked for at each start, or read from {variable(peer)}."
        )
        self.dialog = LoginDialog(f"{what} for {peer.shown}", remark, can_keep, self._window)
        self.dialog.given.connect(self._on_given)
        self.dialog.open()

    @Slot(str, bool)
    def _on_given(self, secret: str, keep: bool) -> None:
        from workstation.io.dicomweb.login import keep_secret

        if self._peer is None:
            return
        self._secrets[self._peer.url] = secret
        if keep:
            try:
                keep_secret(self._peer, secret)
            except StorageError as error:
                self._notifications.show(error.message, Severity.WARNING, error.details)
        self.given.emit()
