"""The window's PACS: their settings, logins, the receiver, and each of them ready to be asked."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot

from workstation.configuring import Configuring
from workstation.core.study import Severity
from workstation.io.pool import WorkerPool
from workstation.logins import Logins
from workstation.pacs_peers import find_source, peer_names
from workstation.receiving import Receiving
from workstation.settings import Settings
from workstation.ui.main_window import MainWindow

if TYPE_CHECKING:
    from workstation.io.pacs.source import Source


class Connecting(QObject):
    """Puts the parts together.

    Signals
    -------
    changed()
        Other PACS are set up.
    """

    changed = Signal()

    def __init__(self, settings: Settings, window: MainWindow, pool: WorkerPool) -> None:
        super().__init__(window)
        self._settings, self._notifications = settings, window.notifications
        self.logins = Logins(window, window.notifications)
        self.receiving = Receiving(settings, pool, window.notifications, self)
        self.configuring = Configuring(settings, window, self.logins, self.receiving)
        self.configuring.applied.connect(self._on_applied)
        window.closing.connect(self.receiving.stop)
        self._warn()
        if settings.pacs_receive:
            self.receiving.apply()

    @property
    def names(self) -> list[str]:
        """What the PACS are called."""
        return peer_names(self._settings)

    def source(self, name: str) -> Source:
        """Give a PACS to ask; a receiver that runs takes what is sent by C-MOVE.

        Raises
        ------
        InputError
            Where there is none of this name, or its settings contradict each other.
        """
        from workstation.io.pacs.source import DimseSource

        folder = self._settings.data_folder / "retrieved"
        found = find_source(self._settings, name, self.logins.secret, folder, lambda _: None)
        lent = self.receiving.borrowed()
        if lent is not None and isinstance(found, DimseSource):
            return replace(found, receiving=lambda: lent)
        return found

    def _warn(self) -> None:
        for one in self._settings.dicomweb_peers:
            if not one.verify:
                text = (
                    f"The certificate of '{one.name}' is not verified: anybody on the way can read."
                )
                self._notifications.show(text, Severity.WARNING)

    @Slot()
    def _on_applied(self) -> None:
        self._warn()
        self.changed.emit()
